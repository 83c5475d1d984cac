"""YouTube's ranking: weighted logistic regression answers expected watch time."""

import dataclasses

import clicks
import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.data.interactions import Interactions
from tfrec.data.recency import with_recency
from tfrec.features import Categorical, FeatureSpec, Numeric
from tfrec.losses import OddsLogLoss
from tfrec.models import YouTubeRanking


@pytest.fixture
def model(data):
    model = YouTubeRanking(data.spec, dim=5, layers=(8, 6))
    model.ensure_built()
    rng = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(scale=0.4, size=variable.shape))
    return model


def test_the_answer_is_the_exponential_of_an_mlp_with_powers_of_numbers(model):
    features = model.example(9)
    inputs = model.lookup(features)
    year = inputs["year"].numpy()[:, None]
    hidden = np.concatenate(
        [model.fields.flat(inputs), year, np.sqrt(np.maximum(year, 0)), year**2], axis=1
    )
    *inner, last = [layer.get_weights() for layer in model.mlp.layers]
    for kernel, bias in inner:
        hidden = np.maximum(hidden @ kernel + bias, 0)
    expected = np.exp((hidden @ last[0] + last[1])[:, 0])
    np.testing.assert_allclose(model(features), expected, rtol=1e-4)
    assert "year" not in model.fields.fields


@pytest.mark.parametrize("odds", [1e-6, 0.3, 1.0, 40.0, 1e9])
def test_the_loss_is_log_loss_of_the_odds(odds):
    chance = odds / (1 + odds)
    for target, expected in ((1.0, -np.log(chance)), (0.0, np.log1p(odds))):
        loss = OddsLogLoss()(tf.constant([[target]]), tf.constant([[odds]]))
        assert float(loss) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_gradient_by_the_logit_is_that_of_logistic_regression():
    logit = tf.Variable([[0.7], [-1.2]])
    target = tf.constant([[1.0], [0.0]])
    with tf.GradientTape() as tape:
        loss = OddsLogLoss()(target, tf.exp(logit), sample_weight=[3.0, 1.0])
    chance = 1 / (1 + np.exp(-logit.numpy()))
    expected = np.array([[3.0], [1.0]]) * (chance - target.numpy()) / 2
    np.testing.assert_allclose(tape.gradient(loss, logit), expected, rtol=1e-5)


def test_loss_and_step(data, randomise, check_step):
    """Clicks weigh their watch time; L2 is on the distinct rows of a batch."""
    model = YouTubeRanking(data.spec, dim=2, layers=(4, 3), l2=clicks.L2)
    model.ensure_built()
    randomise(model)
    batch = clicks.repeated_batch(data)
    minutes = np.linspace(0.5, 6, clicks.ROWS, dtype=np.float32)
    weight = np.where(clicks.CLICKS == 1, minutes, 1).astype(np.float32)
    weights = {**clicks.field_weights(model.fields), **clicks.mlp_weights(model.mlp)}
    assert set(weights) > {"table 2", "table 4"}  # age keeps its own width
    x = ((batch["year"] - 1990) / 8)[:, None]
    powers = [x, np.sqrt(np.maximum(x, 0)), x**2]

    def loss(w: clicks.Weights) -> float:
        parts = [*clicks.vectors(w, model.fields, batch), *powers]
        logit = clicks.network(w, np.concatenate(parts, axis=1))
        log_loss = clicks.log_loss(logit, weight)
        return log_loss + clicks.penalty(w, model.fields, batch)

    check_step(model, clicks.tensors(batch, weight), weights, loss)


def impressions(seed: int = 0) -> tuple[Interactions, np.ndarray]:
    """Four items; each is watched in a share of its impressions, for some time."""
    shares, minutes = np.array([0.1, 0.1, 0.05, 0.02]), np.array([1.0, 8.0, 4.0, 20.0])
    rng = np.random.default_rng(seed)
    item = rng.integers(0, 4, 40_000)
    watched = rng.random(len(item)) < shares[item]
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=("u",)),
            Categorical("item_id", "item", vocabulary=("a", "b", "c", "d")),
        ),
        label="minutes",
    )
    columns = {
        "user_id": np.full(len(item), 2, np.int32),
        "item_id": (item + 2).astype(np.int32),
        "minutes": (watched * minutes[item]).astype(np.float32),
    }
    watch_time = np.bincount(item, columns["minutes"]) / np.bincount(item)
    return Interactions(spec, columns), watch_time


def answers(weighted: bool) -> tuple[np.ndarray, np.ndarray]:
    data, watch_time = impressions()
    model = YouTubeRanking(
        data.spec, dim=4, layers=(8,), negatives=0, weighted=weighted
    )
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(data.batches(model, 8192), epochs=60, verbose=0)
    return model.recommend({"user_id": ["u"]}, k=4, drop_seen=False), watch_time


def test_it_learns_expected_watch_time_and_unweighted_the_click():
    """Odds are time over impressions without click: E[T] / (1 - share)."""
    found, watch_time = answers(weighted=True)
    order = np.argsort(-watch_time)
    assert found.item_id[0].tolist() == ["abcd"[i] for i in order] == list("bdca")
    shares = np.array([0.1, 0.1, 0.05, 0.02])
    expected = (watch_time / (1 - shares))[order]
    np.testing.assert_allclose(found.score[0], expected, rtol=0.15)
    found, _ = answers(weighted=False)
    assert set(found.item_id[0][:2]) == {"a", "b"}
    assert found.item_id[0].tolist()[2:] == ["c", "d"]


def test_drawn_negatives_weigh_one_and_events_their_amount(data):
    model = YouTubeRanking(data.spec, negatives=3)
    features, target, weight = next(iter(data.batches(model, 400)))
    assert set(np.unique(target)) == {0.0, 1.0}
    assert (weight.numpy()[target.numpy() == 0] == 1).all()
    stars = weight.numpy()[target.numpy() == 1]
    assert set(np.unique(stars)) <= set(np.unique(data.label))
    assert stars.max() > 1
    plain = YouTubeRanking(data.spec, negatives=3, weighted=False)
    _, again, ones = next(iter(data.batches(plain, 400)))
    np.testing.assert_array_equal(again, target)
    assert (ones.numpy() == 1).all()
    assert "rating" not in features


def test_an_amount_below_zero_is_refused(data):
    columns = {**data.columns, "rating": data.label - 3}
    odd = dataclasses.replace(data, columns=columns)
    with pytest.raises(ValueError, match="'rating' has the value -1 and a weight"):
        odd.batches(YouTubeRanking(data.spec), 64)


def test_recency_is_read_like_any_number(data):
    recent = with_recency(data)
    model = YouTubeRanking(recent.spec, layers=(8,))
    assert {"seconds_since_last", "previous_events"} <= set(model.numbers)
    model.compile()
    history = model.fit(recent.batches(model, 256), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_numbers_of_several_dimensions():
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=("u",)),
            Categorical("item_id", "item", vocabulary=("a", "b")),
            Numeric("place", "item", shape=(2, 2)),
        )
    )
    model = YouTubeRanking(spec, dim=3, layers=(4,))
    assert model(model.example(5)).shape == (5,)
    assert model.mlp.layers[0].kernel.shape[0] == 2 * 3 + 3 * 4
