"""Candidate generation of YouTube: Covington et al. 2016, section 3."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.negatives import NegativeSampler
from tfrec.data.views import Positives
from tfrec.features import Categorical, Sequence
from tfrec.models.retrieval.youtube_dnn import YouTubeDNN

Weights = dict[str, np.ndarray]
ROWS, DRAWN, SEED, ALPHA = 8, 20, 4, 0.5


@pytest.fixture(scope="module")
def batch(data):
    """Events late enough to have histories, among them one with none."""
    rows = np.concatenate([np.arange(400, 400 + ROWS - 1), [0]])
    features = next(iter(data.batches(Positives(example_age=True), 600, shuffle=False)))
    return {name: tf.gather(values, rows) for name, values in features.items()}


def built(data, randomise, **config) -> YouTubeDNN:
    model = YouTubeDNN(
        data.spec, dim=3, layers=(5,), negatives=DRAWN, seed=SEED, **config
    )
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: YouTubeDNN) -> dict[str, tf.Variable]:
    found = {n: t.embeddings for n, t in model.features.tables.items()}
    found["v"] = model.softmax.tables["movie_id"].embeddings
    for number, layer in enumerate(model.mlp.layers):
        found[f"W{number}"], found[f"b{number}"] = layer.kernel, layer.bias
    if model.config.share_table:
        del found["v"]
    return found


def values(model: YouTubeDNN) -> Weights:
    return {name: variable.numpy() for name, variable in weights(model).items()}


def user_vectors(w: Weights, batch: dict, days: np.ndarray | None) -> np.ndarray:
    """``u = MLP([mean of watches, user features, log(1 + example age)])``."""
    b = {name: tensor.numpy() for name, tensor in batch.items()}
    mask = (b["history/index"] > 0)[..., None]
    watches = (w["movie_id"][b["history/index"]] * mask).sum(1)
    watches /= np.maximum(mask.sum(1), 1)
    parts = [watches, w["age"][b["age/index"]], w["device"][b["device/index"]]]
    if days is not None:
        parts.append(np.log1p(days)[:, None])
    hidden = np.maximum(np.concatenate(parts, axis=1) @ w["W0"] + w["b0"], 0)
    return hidden @ w["W1"] + w["b1"]


def test_the_score_when_serving_has_example_age_0(data, batch, randomise):
    model = built(data, randomise)
    w = values(model)
    item = batch["movie_id/index"].numpy()
    serving = {name: v for name, v in batch.items() if name != "example_age"}
    u = user_vectors(w, batch, np.zeros(ROWS))
    expected = np.sum(u * w["movie_id"][item], axis=1)
    np.testing.assert_allclose(model(serving), expected, rtol=1e-4, atol=1e-5)
    aged = user_vectors(w, batch, batch["example_age"].numpy())
    expected = np.sum(aged * w["movie_id"][item], axis=1)
    np.testing.assert_allclose(model(batch), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(aged - u).max() > 0.1


def test_an_empty_history_is_a_zero_vector(data, batch, randomise):
    model = built(data, randomise)
    assert not batch["history/index"][-1].numpy().any()
    assert batch["history/index"][:-1].numpy().any(axis=1).all()
    vector = model.features(model.lookup(batch))["history"][-1]
    assert vector.numpy().tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "config",
    [{}, {"share_table": False}, {"example_age": False}, {"alpha": 0.9}, {"l2": 0.1}],
    ids=str,
)
def test_sampled_softmax_and_its_step(data, batch, randomise, check_step, config):
    """``-log softmax(v . u - log q)`` over the own item and the shared draw."""
    model = built(data, randomise, **config)
    item = batch["movie_id/index"].numpy()
    chance = np.where(data.item_counts > 0, data.item_counts, 0.0)
    chance[: data.spec.item_column.first] = 0
    chance = chance ** config.get("alpha", ALPHA) * (chance > 0)
    chance /= chance.sum()
    column = data.spec.item_column
    sampler = NegativeSampler(
        column.first, column.size, data.item_counts, config.get("alpha", ALPHA)
    )
    # The draw of the first step: seed of the model, number of the step.
    drawn = sampler.draw_items(DRAWN, tf.constant([SEED, 0])).numpy()
    days = batch["example_age"].numpy() if config.get("example_age", True) else None

    def loss(w: Weights) -> float:
        u = user_vectors(w, batch, days)
        table = w.get("v", w["movie_id"])
        total = 0.0
        for row in range(ROWS):
            own = table[item[row]] @ u[row] - np.log(chance[item[row]])
            others = drawn[drawn != item[row]]  # a drawn own item is no negative
            logits = table[others] @ u[row] - np.log(chance[others])
            total -= own - np.log(np.exp(own) + np.exp(logits).sum())
        compared = table[np.concatenate([item, drawn])]
        squares = np.sum(u**2) / len(u) + np.sum(compared**2) / len(compared)
        return total / ROWS + config.get("l2", 0.0) * squares

    assert set(drawn) & set(item)
    check_step(model, (batch,), weights(model), loss)


def test_training_sees_a_part_of_each_history(data, batch, randomise):
    model = built(data, randomise, history_dropout=0.5)
    model.compile(run_eagerly=True)
    history = batch["history/index"]
    draw = tf.random.stateless_uniform(tf.shape(history), [SEED, 0])
    thin = {**batch, "history/index": tf.where(draw < 0.5, 0, history)}
    assert 0 < np.sum(thin["history/index"] > 0) < np.sum(history > 0)
    trained = model.batch_loss(batch, None, training=True)
    assert trained == model.batch_loss(thin, None, training=False)
    assert trained != model.batch_loss(batch, None, training=False)
    with pytest.raises(
        ValueError, match=r"history_dropout=1\.0 must be 0 or more, and"
    ):
        YouTubeDNN(data.spec, history_dropout=1.0)


def test_every_step_draws_anew(data, batch, randomise):
    model = built(data, randomise)
    model.compile(run_eagerly=True)
    losses = []
    for step in (0, 1, 2, 0):
        model.optimizer.iterations.assign(step)
        losses.append(float(model.batch_loss(batch, None, training=True)))
    assert len(set(losses[:3])) == 3
    assert losses[3] == losses[0]


def test_it_learns_from_what_comes_next(data):
    """The label is the next watch: its history ends before it (section 3.4)."""
    model = YouTubeDNN(data.spec, per_user=5)
    assert model.view() == Positives(per_user=5, example_age=True)
    found = next(iter(data.batches(model, 1000)))
    assert len(found["movie_id/index"]) == 40 * 5
    assert np.all(found["history/index"] != found["movie_id/index"][:, None])
    assert "user_id" not in model.query_columns
    assert YouTubeDNN(data.spec, example_age=False).view() == Positives()


def test_searches_are_averaged_beside_watches(data, randomise):
    searches = (
        Categorical("search", "context", vocabulary=("a", "b", "c")),
        Sequence("searches", of="search", max_len=3),
    )
    spec = data.spec.select("history").replace(searches[0]).replace(searches[1])
    model = YouTubeDNN(spec, dim=3, layers=(), example_age=False)
    model.ensure_built()
    randomise(model)
    features = {
        "history/index": tf.constant([[2, 3]]),
        "search/index": tf.constant([2]),
        "searches/index": tf.constant([[4, 2, 0]]),
        "movie_id/index": tf.constant([7]),
    }
    movies = model.features.tables["movie_id"].embeddings.numpy()
    words = model.features.tables["search"].embeddings.numpy()
    parts = {
        "history": movies[[2, 3]].mean(0),
        "searches": words[[4, 2]].mean(0),
        "search": words[2],
    }
    joined = np.concatenate([parts[name] for name in model.query_columns])
    layer = model.mlp.layers[0]
    u = joined @ layer.kernel.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(model(features), [u @ movies[7]], rtol=1e-4)


def test_without_a_network_the_mean_of_watches_is_the_user(data, batch, randomise):
    spec = data.spec.select("history")
    model = YouTubeDNN(spec, dim=3, layers=None)
    model.ensure_built()
    randomise(model)
    (table,) = model.trainable_variables
    w = table.numpy()
    history, item = batch["history/index"].numpy(), batch["movie_id/index"].numpy()
    mask = (history > 0)[..., None]
    u = (w[history] * mask).sum(1) / np.maximum(mask.sum(1), 1)
    expected = np.sum(u * w[item], axis=1)
    np.testing.assert_allclose(model(batch), expected, rtol=1e-4, atol=1e-6)
    assert model.view() == Positives()
    with pytest.raises(ValueError, match=r"leaves no place for age, device: keep"):
        YouTubeDNN(data.spec, layers=None)


def test_without_a_history_it_is_refused(data):
    with pytest.raises(ValueError, match=r"declare Sequence\('history', of='movie_id'"):
        YouTubeDNN(data.spec.select("age"))


def test_without_a_timestamp_there_is_no_age(data):
    spec = dataclasses.replace(data.spec, timestamp=None)
    assert YouTubeDNN(spec).view() == Positives()


def test_the_loss_needs_the_items_counts(data, batch):
    model = YouTubeDNN(data.spec, dim=3)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="met no data: call train"):
        model.train_on_batch(batch)
