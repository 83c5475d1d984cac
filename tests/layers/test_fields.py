"""Fields of click models: shared tables, means, numbers, widths, L2 on seen rows."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.features import Categorical, FeatureSpec, Image, Numeric, Sequence, Text
from tfrec.layers.fields import FieldEmbeddings, squared_rows

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
    "user_id": tf.constant([2, 0]),
    "item_id": tf.constant([3, 4]),
    "tags": tf.constant([[5, 0], [1, 1]]),
    "history": tf.constant([[2, 4, 0, 0], [0, 0, 0, 0]]),
    "title": tf.constant([[2, 1], [0, 0]]),
    "year": tf.constant([0.5, -0.5]),
    "place": tf.constant([[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]]),
}


def layer_of(names=NAMES, dim=5, **options) -> FieldEmbeddings:
    return FieldEmbeddings(SPEC, names, dim, stddev=1.0, **options)


def rows_of(layer: FieldEmbeddings, name: str) -> np.ndarray:
    """The rows of a column's own ids, in the table of its width."""
    table = layer.tables[str(layer.widths[name])].numpy()
    begin = layer.offsets[name]
    return table[begin : begin + SPEC.table(name).size]


def field(layer: FieldEmbeddings, name: str) -> np.ndarray:
    return layer(INPUTS).numpy()[:, layer.fields.index(name)]


def test_one_table_holds_all_ids_and_every_column_is_a_field():
    layer = layer_of()
    assert set(layer.tables) == {"5"}
    owners = ("user_id", "item_id", "tags", "title")
    assert layer.tables["5"].shape == (sum(SPEC.table(n).size for n in owners), 5)
    taken = [(layer.offsets[n], layer.offsets[n] + SPEC.table(n).size) for n in owners]
    for (_, end), (begin, _) in zip(sorted(taken), sorted(taken)[1:], strict=False):
        assert end == begin
    assert sorted(layer.fields) == sorted(NAMES)
    assert layer(INPUTS).shape == (2, len(NAMES), 5)


def test_ids_are_rows_and_a_missing_one_has_a_row_of_its_own():
    layer = layer_of()
    rows = rows_of(layer, "user_id")
    np.testing.assert_array_equal(field(layer, "user_id"), rows[[2, 0]])
    assert np.abs(rows[0]).max() > 0.1
    rows = rows_of(layer, "item_id")
    np.testing.assert_array_equal(field(layer, "item_id"), rows[[3, 4]])
    np.testing.assert_array_equal(layer.rows("item_id", INPUTS), rows[[3, 4]])


def test_several_ids_are_their_mean_without_padding():
    layer = layer_of()
    items, tags = rows_of(layer, "item_id"), rows_of(layer, "tags")
    words = rows_of(layer, "title")
    expected = {
        "history": [(items[2] + items[4]) / 2, np.zeros(5)],
        "tags": [tags[5], tags[1]],
        "title": [(words[2] + words[1]) / 2, np.zeros(5)],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(field(layer, name), values, atol=1e-6)
    assert layer.offsets["history"] == layer.offsets["item_id"]


def test_numbers_scale_learned_vectors():
    layer = layer_of()
    assert layer.sizes == [1, 4]
    year, place = layer.scale.numpy()[:1], layer.scale.numpy()[1:]
    expected = [0.5 * year[0], -0.5 * year[0]]
    np.testing.assert_allclose(field(layer, "year"), expected, atol=1e-6)
    expected = [sum((k + 4 * row + 1) * place[k] for k in range(4)) for row in (0, 1)]
    np.testing.assert_allclose(field(layer, "place"), expected, rtol=1e-5)


def test_columns_may_keep_their_own_width():
    layer = layer_of(own_widths=True)
    assert set(layer.tables) == {"3", "5"}
    widths = {**dict.fromkeys(NAMES, 5), "item_id": 3, "history": 3}
    assert layer.widths == widths
    flat = layer.flat(INPUTS).numpy()
    assert flat.shape == (2, sum(widths.values()))
    begin = 0
    for name in layer.fields:
        part = flat[:, begin : begin + widths[name]]
        begin += widths[name]
        if name in ("user_id", "item_id"):
            expected = rows_of(layer, name)[INPUTS[name]]
            np.testing.assert_array_equal(part, expected)
    with pytest.raises(ValueError, match="several widths have no common field axis"):
        layer(INPUTS)


def test_flat_is_the_fields_in_a_row():
    layer = layer_of()
    expected = layer(INPUTS).numpy().reshape(2, -1)
    np.testing.assert_array_equal(layer.flat(INPUTS), expected)


def test_the_seed_decides_the_weights():
    once, again, other = (layer_of(seed=s).get_weights() for s in (1, 1, 2))
    for values, same, different in zip(once, again, other, strict=True):
        np.testing.assert_array_equal(values, same)
        assert np.any(values != different)


def test_an_image_is_refused_with_the_cure():
    with pytest.raises(ValueError, match=r"'poster' is image.*does not read: drop it"):
        layer_of(("item_id", "poster"))


def test_l2_is_half_the_squares_of_the_distinct_rows_and_only_in_training():
    layer = layer_of(l2=0.4)
    layer(INPUTS)
    layer(INPUTS, training=False)
    assert not layer.losses
    with tf.GradientTape() as tape:
        layer(INPUTS, training=True)
        loss = tf.add_n(layer.losses)
    touched = np.zeros(layer.tables["5"].shape[0], bool)
    for name in layer.offsets:
        touched[INPUTS[name].numpy() + layer.offsets[name]] = True
    table, scale = layer.tables["5"].numpy(), layer.scale.numpy()
    assert 0 < touched.sum() < len(table)
    expected = 0.2 * (np.sum(table[touched] ** 2) + np.sum(scale**2))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    rows, numbers = tape.gradient(loss, [layer.tables["5"], layer.scale])
    expected = np.where(touched[:, None], 0.4 * table, 0)
    np.testing.assert_allclose(tf.convert_to_tensor(rows), expected, rtol=1e-5)
    np.testing.assert_allclose(numbers, 0.4 * scale, rtol=1e-5)


def test_a_row_that_occurs_twice_counts_once():
    vectors = tf.constant([[1.0, 2], [3, 4], [1, 2]])
    indices = tf.constant([7, 1, 7])
    assert float(squared_rows(vectors, indices)) == pytest.approx(5 + 25)
