"""Two towers: Yi et al. 2019, equations 3 to 5, and the towers of Huang et al. 2013."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from towers import dense_weights, in_batch_loss, mean, tower, unit

from tfrec import optimizers
from tfrec.data.views import Positives
from tfrec.models.retrieval.two_tower import TwoTower

Weights = dict[str, np.ndarray]
ROWS = 12


@pytest.fixture(scope="module")
def batch(data):
    """Twelve events in which some items occur twice: accidental hits."""
    order = np.argsort(data.item[:60], kind="stable")
    chosen = data.take(order[:ROWS])
    assert len(set(chosen.item)) < ROWS - 2
    return next(iter(chosen.batches(Positives(), ROWS, shuffle=False)))


def built(data, randomise, **config) -> TwoTower:
    model = TwoTower(data.spec, dim=3, **config)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: TwoTower) -> dict[str, tf.Variable]:
    tables = {**model.query_features.tables, **model.item_features.tables}
    found = {name: table.embeddings for name, table in tables.items()}
    return {
        **found,
        **dense_weights("u", model.query_tower),
        **dense_weights("v", model.item_tower),
    }


def values(model: TwoTower) -> Weights:
    return {name: variable.numpy() for name, variable in weights(model).items()}


def vectors(w: Weights, batch: dict, activation: Callable = np.tanh) -> tuple:
    """``u(x)`` and ``v(y)`` from every user-side, context and item-side column."""
    b = {name: tensor.numpy() for name, tensor in batch.items()}
    year = (b["year"] - 1990) / 8
    query = [
        w["user_id"][b["user_id/index"]],
        w["age"][b["age/index"]],
        mean(w["movie_id"], b["history/index"]),
        w["device"][b["device/index"]],
    ]
    item = [
        w["movie_id"][b["movie_id/index"]],
        mean(w["genres"], b["genres/index"]),
        mean(w["title"], b["title/index"]),
        year[:, None],
    ]
    return (
        tower(w, "u", np.concatenate(query, axis=1), activation),
        tower(w, "v", np.concatenate(item, axis=1), activation),
    )


def test_scores_are_products_of_the_towers(data, batch, randomise):
    model = built(data, randomise, layers=(5,), activation="tanh")
    u, v = vectors(values(model), batch)
    np.testing.assert_allclose(
        model(batch), np.sum(u * v, axis=1), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(model.query_embedding(batch), u, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.item_embedding(batch), v, rtol=1e-4, atol=1e-5)


def test_relu_and_deeper_towers(data, batch, randomise):
    model = built(data, randomise, layers=(5, 4))
    u, v = vectors(values(model), batch, lambda x: np.maximum(x, 0))
    np.testing.assert_allclose(
        model(batch), np.sum(u * v, axis=1), rtol=1e-4, atol=1e-5
    )


def test_cosine(data, batch, randomise):
    model = built(data, randomise, similarity="cosine", layers=(5,), activation="tanh")
    u, v = vectors(values(model), batch)
    expected = np.sum(unit(u) * unit(v), axis=1)
    np.testing.assert_allclose(model(batch), expected, rtol=1e-4, atol=1e-5)
    assert np.all(np.abs(model(batch)) <= 1 + 1e-6)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"log_q": False},
        {"temperature": 0.4},
        {"hard_negatives": 3},
        {"similarity": "cosine", "temperature": 0.2},
        {"similarity": "cosine", "temperature": 0.2, "hard_negatives": 4},
    ],
    ids=str,
)
def test_loss_and_step(data, batch, randomise, check_step, config):
    model = built(data, randomise, layers=(5,), activation="tanh", **config)
    share = data.item_counts / len(data) if config.get("log_q", True) else None
    item = batch["movie_id/index"].numpy()

    def loss(w: Weights) -> float:
        u, v = vectors(w, batch)
        if config.get("similarity") == "cosine":
            u, v = unit(u), unit(v)
        similarity = u @ v.T / config.get("temperature", 1.0)
        return in_batch_loss(similarity, item, share, config.get("hard_negatives"))

    check_step(model, (batch,), weights(model), loss)


def test_the_correction_lowers_the_logits_of_popular_items(data, batch, randomise):
    """Sign of logQ: as a negative, a popular item counts less than its score says."""
    model = built(data, randomise)
    model.compile()
    item = batch["movie_id/index"].numpy()
    others = tf.constant(item != item[-1], tf.float32)
    before = float(model.batch_loss(batch, others, training=False))
    model.catalogue.arrays["counts"][item[-1]] *= 50
    assert float(model.batch_loss(batch, others, training=False)) < before - 0.1


def test_the_correction_may_be_learned_from_the_stream(data, batch, randomise):
    """Yi et al. 2019, algorithm 2: gaps between the batches that hold an item."""
    model = built(data, randomise, frequency="streaming", frequency_rate=0.2)
    model.compile(optimizer=tf.keras.optimizers.SGD(0.0), steps_per_execution=1)
    item = batch["movie_id/index"].numpy()
    other = {
        name: tf.where(value > -1, value[:1], value) for name, value in batch.items()
    }
    for rows in (batch, other, other, batch, other):
        model.train_on_batch(rows)
    gap = np.full(data.spec.item_column.size, 1.0)  # the first gap of all is one step
    gap[np.setdiff1d(item, item[:1])] += 0.2 * (3 - 1.0)
    u, v = vectors(values(model), batch)
    expected = in_batch_loss(u @ v.T, item, 1 / gap, None)
    found = float(model.batch_loss(batch, None, training=False))
    assert found == pytest.approx(expected, rel=1e-4)
    assert model.frequency.last.numpy()[item[0]] == 5


def test_examples_have_weights(data, batch, randomise):
    model = built(data, randomise)
    model.compile()
    rows = [
        float(model.batch_loss(batch, tf.one_hot(row, ROWS), training=False))
        for row in range(ROWS)
    ]
    whole = float(model.batch_loss(batch, None, training=False))
    assert sum(rows) == pytest.approx(whole, rel=1e-4)
    weight = np.linspace(0, 2, ROWS, dtype=np.float32)
    found = float(model.batch_loss(batch, tf.constant(weight), training=False))
    assert found == pytest.approx(float(weight @ rows), rel=1e-4)


def test_the_history_shares_the_item_table(data):
    model = TwoTower(data.spec, dim=3)
    history = model.query_features.tables["movie_id"]
    assert model.item_features.tables["movie_id"] is history


def test_the_loss_needs_the_items_shares(data, batch):
    model = TwoTower(data.spec, dim=3)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="corrects for popularity and"):
        model.train_on_batch(batch)


def test_a_bias_of_all_items_stands_only_where_it_does_not_cancel(data):
    """``<u, v + c> = <u, v> + <u, c>``: the same for every item of the softmax."""
    for similarity, biased in (("dot", False), ("cosine", True)):
        model = TwoTower(data.spec, dim=3, layers=(5,), similarity=similarity)
        used = [layer.use_bias for layer in model.item_tower.layers]
        assert used == [True, biased]


@pytest.mark.parametrize(
    ("name", "cls"), [("adam", optimizers.Adam), ("adagrad", optimizers.Adagrad)]
)
def test_the_optimizer_is_the_configured_one(data, name, cls):
    optimizer = TwoTower(data.spec, optimizer=name, learning_rate=0.25)
    assert type(optimizer.default_optimizer()) is cls
    assert float(optimizer.default_optimizer().learning_rate) == 0.25
