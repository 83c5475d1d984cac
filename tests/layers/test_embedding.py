"""Tables, their seeds, who shares them, and the mean of a padded bag."""

from itertools import islice

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.features import Categorical, FeatureSpec, Image, Numeric, Sequence, Text
from tfrec.layers.embedding import FeatureEmbeddings, masked_mean, seed_stream, table

SPEC = FeatureSpec(
    (
        Categorical("user_id", "user", vocabulary=("a", "b")),
        Categorical("item_id", "item", vocabulary=("x", "y", "z"), dim=3),
        Categorical("tags", "item", hash_bins=6, max_len=2),
        Sequence("history", of="item_id", max_len=4),
        Text("title", vocabulary=("heat",), max_len=2),
        Numeric("year", "item"),
        Numeric("place", "item", shape=(2, 2)),
        Image("poster"),
    )
)
NAMES = ("user_id", "item_id", "tags", "history", "title", "year", "place")
INPUTS = {
    "user_id": tf.constant([2, 1]),
    "item_id": tf.constant([3, 4]),
    "tags": tf.constant([[5, 0], [1, 1]]),
    "history": tf.constant([[2, 4, 0, 0], [0, 0, 0, 0]]),
    "title": tf.constant([[2, 1], [0, 0]]),
    "year": tf.constant([0.5, -0.5]),
    "place": tf.constant([[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]]),
}


def test_seeds_are_those_of_their_seed():
    first = list(islice(seed_stream(0), 50))
    assert first == list(islice(seed_stream(0), 50))
    assert len(set(first)) == 50
    assert not set(first) & set(islice(seed_stream(1), 50))
    assert all(0 <= seed < 2**31 for seed in first)


def test_a_table_has_the_value_of_its_seed():
    def value(seed: int, stddev: float | None) -> np.ndarray:
        return table(2000, 8, seed, stddev)(tf.range(2000)).numpy()

    np.testing.assert_array_equal(value(3, 0.2), value(3, 0.2))
    assert np.any(value(3, 0.2) != value(4, 0.2))
    assert value(3, 0.2).std() == pytest.approx(0.2, rel=0.05)
    assert np.abs(value(3, None)).max() <= 0.05
    assert not value(3, 0.0).any()


def test_the_mean_leaves_padding_out():
    vectors = tf.constant([[[2.0, 4], [4, 8], [99, 99]], [[9.0, 9], [9, 9], [9, 9]]])
    indices = tf.constant([[5, 1, 0], [0, 0, 0]])
    assert masked_mean(vectors, indices).numpy().tolist() == [[3, 6], [0, 0]]
    gap = tf.constant([[5, 0, 1], [0, 7, 0]])
    assert masked_mean(vectors, gap).numpy().tolist() == [[50.5, 51.5], [9, 9]]


def test_columns_become_vectors_of_their_width():
    layer = FeatureEmbeddings(SPEC, NAMES, dim=5)
    vectors = layer(INPUTS)
    assert list(vectors) == list(NAMES)
    widths = {name: vectors[name].shape[1] for name in NAMES}
    assert widths == {
        "user_id": 5,
        "item_id": 3,
        "tags": 5,
        "history": 3,
        "title": 5,
        "year": 1,
        "place": 4,
    }
    assert widths == {name: layer.width(name) for name in NAMES}
    assert vectors["year"].numpy().tolist() == [[0.5], [-0.5]]
    assert vectors["place"].numpy().tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_a_history_is_the_mean_of_rows_of_the_item_table():
    layer = FeatureEmbeddings(SPEC, NAMES, dim=5)
    vectors = layer(INPUTS)
    assert set(layer.tables) == {"user_id", "item_id", "tags", "title"}
    rows = layer.tables["item_id"].embeddings.numpy()
    assert rows.shape == (5, 3)
    np.testing.assert_allclose(vectors["item_id"], rows[[3, 4]])
    expected = [(rows[2] + rows[4]) / 2, np.zeros(3)]
    np.testing.assert_allclose(vectors["history"], expected, atol=1e-7)
    tags = layer.tables["tags"].embeddings.numpy()
    np.testing.assert_allclose(vectors["tags"], [tags[5], tags[1]], atol=1e-7)


def test_tables_can_be_shared_between_layers():
    query = FeatureEmbeddings(SPEC, ("user_id", "history"), dim=5)
    item = FeatureEmbeddings(SPEC, ("item_id", "tags"), dim=5, tables=query.tables)
    assert item.tables["item_id"] is query.tables["item_id"]
    assert "tags" not in query.tables


def test_the_seed_decides_every_table():
    def weights(seed: int) -> dict[str, np.ndarray]:
        layer = FeatureEmbeddings(SPEC, NAMES, dim=5, seed=seed)
        layer(INPUTS)
        return {k: t.embeddings.numpy() for k, t in layer.tables.items()}

    once, again, other = weights(1), weights(1), weights(2)
    for name, values in once.items():
        np.testing.assert_array_equal(values, again[name])
        assert np.any(values != other[name])
    assert np.any(once["user_id"] != once["tags"][:4])  # tables differ


def test_mixed_precision_computes_in_half():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        layer = FeatureEmbeddings(SPEC, NAMES, dim=5)
        vectors = layer(INPUTS)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert {v.dtype for v in vectors.values()} == {tf.float16}
    assert {v.dtype for v in layer.trainable_variables} == {tf.float32}


def test_an_image_is_refused_with_the_cure():
    with pytest.raises(
        ValueError, match="'poster' is image, which this model does not"
    ):
        FeatureEmbeddings(SPEC, ("item_id", "poster"), dim=5)
