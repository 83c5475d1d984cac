"""HybridRecommender: the gate between an item's own vector and its content."""

import numpy as np
import pytest
import tensorflow as tf
from encoders import text_weights, texts
from towers import dense_weights, in_batch_loss, mean, tower, unit

from tfrec.data.views import Positives
from tfrec.layers.gate import CountGate
from tfrec.models.content.hybrid_recommender import HybridRecommender

SEED = 5
SMALL = {"dim": 4, "text_filters": 3, "text_windows": (2,)}


def built(data, randomise=None, **config):
    model = HybridRecommender(data.spec, **{**SMALL, **config})
    model.adapt(data)
    model.compile()
    if randomise is not None:
        randomise(model)
    return model


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_gate():
    gate = CountGate(9.0)
    own, other = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    count = np.array([0, 9, 500], np.float32)
    half = gate(own, other, count).numpy()
    np.testing.assert_allclose(half[0], other[0], rtol=1e-6)
    np.testing.assert_allclose(half[1], (own[1] + other[1]) / 2, rtol=1e-5)
    gate.slope.assign([0.5, 1.0, 2.0, -1.0])
    gate.shift.assign([0.0, -1.0, 1.0, 2.0])
    g = sigmoid(np.log1p(500) * gate.slope.numpy() + gate.shift.numpy())
    expected = g * own[2] + (1 - g) * other[2]
    np.testing.assert_allclose(gate(own, other, count)[2], expected, rtol=1e-5)


def test_an_item_is_its_own_vector_and_its_content_by_its_count(data, randomise):
    cold = data.spec.item_column.size - 1
    model = built(data.take(data.item != cold), randomise)
    items = tf.range(2, cold + 1)
    inputs = model.item_inputs(items)
    content = super(HybridRecommender, model).item(inputs).numpy()
    own = model.own.embeddings.numpy()[2:]
    counts = data.item_counts[2:].astype(float)
    counts[-1] = 0
    gate = sigmoid(
        np.log1p(counts)[:, None] * model.gate.slope.numpy() + model.gate.shift.numpy()
    )
    gate[-1] = 0
    found = model.item(inputs).numpy()
    expected = gate * own + (1 - gate) * content
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[-1], content[-1], rtol=1e-5)


def test_training_takes_a_share_of_the_items_as_new(data, randomise):
    model = built(data, randomise, new_items=0.4)
    items = tf.constant(np.tile(np.arange(2, 32), 40))
    inputs = model.lookup(model.catalogue.at(items))
    content = super(HybridRecommender, model).item(inputs).numpy()
    trained = model.item(inputs, training=True).numpy()
    new = np.all(np.isclose(trained, content, atol=1e-6), axis=1)
    assert new.mean() == pytest.approx(0.4, abs=0.05)
    np.testing.assert_allclose(trained[~new], model.item(inputs).numpy()[~new])


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_loss_and_step(data, randomise, check_step, similarity):
    """In a step some items are taken as new: content alone speaks for them."""
    data = data.with_spec(data.spec.select("genres", "title"))
    small = {"dim": 2, "text_filters": 2, "new_items": 0.4, "seed": SEED}
    config = {**SMALL, **small, "similarity": similarity}
    model = HybridRecommender(data.spec, **config)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    chosen = data.take(np.argsort(data.item[:60], kind="stable")[:14])
    batch = next(iter(chosen.batches(Positives(), 14, shuffle=False)))
    user, item = (batch[f"{n}/index"].numpy() for n in ("user_id", "movie_id"))
    # Every item once, in the order of the batch; the draw of the first step.
    once = np.array(list(dict.fromkeys(item.tolist())))
    draw = tf.random.stateless_uniform([len(once)], [SEED, 7]).numpy()
    new = set(once[draw < 0.4])
    assert 1 < len(new) < len(once) - 1
    known = ~np.isin(item, list(new))
    tables = {**model.query_features.tables, **model.item_features.embeddings.tables}
    weights = {
        **{name: table.embeddings for name, table in tables.items()},
        **dense_weights("u", model.query_tower),
        **dense_weights("v", model.item_tower),
        **text_weights(model.item_features.encoders["title"]),
        "own": model.own.embeddings,
        "a": model.gate.slope,
        "b": model.gate.shift,
    }

    def loss(w: dict[str, np.ndarray]) -> float:
        genres = mean(w["genres"], data.items["genres"][item])
        parts = genres, texts(w, data.items["title"][item])
        content = tower(w, "v", np.concatenate(parts, axis=1), np.tanh)
        u = tower(w, "u", w["user_id"][user], np.tanh)
        if similarity == "cosine":
            u, content = unit(u), unit(content)
        n = data.item_counts[item][:, None]
        g = sigmoid(w["a"] * np.log(1 + n) + w["b"]) * known[:, None]
        v = g * w["own"][item] + (1 - g) * content
        if similarity == "cosine":
            v = unit(v)
        return in_batch_loss(u @ v.T, item, data.item_counts / len(data), None)

    check_step(model, (batch,), weights, loss)


def test_a_step_drops_what_the_filters_over_words_give(data, randomise):
    spec = data.spec.select("title")
    model = built(
        data.with_spec(spec), randomise, parts="content", dropout=0.5, text_filters=1
    )
    encoder = model.item_features.encoders["title"]
    encoder.convolutions[0].bias.assign([3.0])  # of no text the filter gives 0
    inputs = {"movie_id": tf.range(2, 32)}
    whole = model.candidates(inputs, training=False).numpy()
    found = model.candidates(inputs, training=True).numpy()
    missing = encoder.missing.numpy()
    (kernel,) = (layer.kernel.numpy() for layer in model.item_tower.layers)
    gone = np.isclose(found, missing @ kernel, atol=1e-5).all(axis=1)
    assert 5 < gone.sum() < 25
    doubled = 2 * whole[~gone] - missing @ kernel
    np.testing.assert_allclose(found[~gone], doubled, rtol=1e-4, atol=1e-5)


def test_each_part_alone(data, randomise):
    items = tf.range(2, 32)
    own = built(data, randomise, parts="own")
    inputs = own.item_inputs(items)
    np.testing.assert_array_equal(own.item(inputs), own.own.embeddings[2:])
    content = built(data, randomise, parts="content")
    assert not hasattr(content, "own") and not hasattr(content, "gate")
    with pytest.raises(ValueError, match="new_items=1"):
        built(data, new_items=1.0)
