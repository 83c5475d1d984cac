"""BiasBaseline against NumPy: each half of an epoch, and the joint minimum."""

import numpy as np
import pytest
from matrices import (
    FIRST,
    ITEMS,
    USERS,
    all_scores,
    check_round_trip,
    events_of,
    fitted,
    pair_scores,
    random_matrix,
    raw_pairs,
)

from tfrec import keras
from tfrec.data.interactions import Interactions
from tfrec.data.views import Pairs
from tfrec.models import BiasBaseline

MATRIX = random_matrix()
RATINGS = np.random.default_rng(3).integers(1, 6, MATRIX.shape).astype(float)


@pytest.fixture(scope="module")
def events():
    return events_of(MATRIX, RATINGS)


def epoch(events, user_bias, user_penalty, item_penalty):
    """Mean, user biases, item biases by index; the objective per event."""
    user, item, rating = events.user, events.item, events.label.astype(float)
    users, items = USERS + FIRST, ITEMS + FIRST
    mean = rating.mean()
    total = np.bincount(item, rating - mean - user_bias[user], minlength=items)
    item_bias = total / (item_penalty + np.bincount(item, minlength=items))
    item_bias[:FIRST] = 0
    total = np.bincount(user, rating - mean - item_bias[item], minlength=users)
    user_bias = total / (user_penalty + np.bincount(user, minlength=users))
    user_bias[:FIRST] = 0
    error = np.sum((rating - mean - user_bias[user] - item_bias[item]) ** 2)
    penalty = user_penalty * np.sum(user_bias**2) + item_penalty * np.sum(item_bias**2)
    return mean, user_bias, item_bias, (error + penalty) / len(rating)


@pytest.mark.parametrize("penalties", [(15.0, 10.0), (1.0, 3.0)])
@pytest.mark.parametrize("batch_size", [7, 4096])
def test_epochs(events, penalties, batch_size):
    """Items, then users; unknown ids have bias 0; the loss is the objective."""
    model, history = fitted(
        BiasBaseline,
        events,
        3,
        batch_size,
        user_regularisation=penalties[0],
        item_regularisation=penalties[1],
    )
    user_bias, losses = np.zeros(USERS + FIRST), []
    for _ in range(3):
        mean, user_bias, item_bias, loss = epoch(events, user_bias, *penalties)
        losses.append(loss)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)
    assert losses[0] > losses[1] > losses[2]
    assert float(model.mean) == pytest.approx(mean, rel=1e-6)
    np.testing.assert_allclose(model.user_bias, user_bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.item_bias, item_bias, rtol=1e-5, atol=1e-6)
    expected = mean + user_bias[FIRST:, None] + item_bias[FIRST:]
    np.testing.assert_allclose(all_scores(model), expected, rtol=1e-5)
    np.testing.assert_allclose(pair_scores(model), expected, rtol=1e-5)
    strangers = raw_pairs(["nobody", "u0"], ["i0", "nothing"])
    np.testing.assert_allclose(
        model(strangers), [mean + item_bias[FIRST], mean + user_bias[FIRST]], rtol=1e-5
    )


def test_many_epochs_reach_the_joint_minimum(events):
    """The ridge regression on one-hot users and items."""
    model, _ = fitted(
        BiasBaseline,
        events,
        25,
        4096,
        user_regularisation=2.0,
        item_regularisation=3.0,
    )
    rows = np.arange(len(events))
    design = np.zeros((len(events), USERS + ITEMS + 2 * FIRST))
    design[rows, events.user] = events.user >= FIRST
    design[rows, USERS + FIRST + events.item] = events.item >= FIRST
    penalty = np.repeat([2.0, 3.0], [USERS + FIRST, ITEMS + FIRST])
    residual = events.label.astype(float) - events.label.mean()
    biases = np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ residual)
    found = np.concatenate([model.user_bias, model.item_bias])
    np.testing.assert_allclose(found, biases, rtol=1e-4, atol=1e-5)


def test_no_regularisation_and_no_event_is_no_bias():
    events = events_of(MATRIX, RATINGS, strangers=False)
    model, _ = fitted(
        BiasBaseline, events, 2, user_regularisation=0.0, item_regularisation=0.0
    )
    assert float(model.user_bias[-1]) == float(model.item_bias[-1]) == 0
    assert np.isfinite(all_scores(model)).all()


def test_an_event_of_weight_two_counts_twice():
    events = events_of(MATRIX, RATINGS, strangers=False)
    double = events.take(np.concatenate([np.arange(len(events)), np.arange(40)]))
    expected, _ = fitted(BiasBaseline, double, 2, 4096)
    columns = {**events.columns}
    model = BiasBaseline(events.spec)
    model.compile()
    weight = 1 + (np.arange(len(events)) < 40).astype(np.float32)
    batches = Interactions(events.spec, columns).batches(model, 4096, shuffle=False)
    weighted = batches.map(lambda features, target: (features, target, weight))
    model.fit(weighted, epochs=2, verbose=0)
    np.testing.assert_allclose(model.user_bias, expected.user_bias, atol=1e-6)
    np.testing.assert_allclose(model.item_bias, expected.item_bias, atol=1e-6)


def test_validation_and_metrics_are_those_of_keras(events):
    model = BiasBaseline(events.spec)
    model.compile(metrics=[keras.metrics.RootMeanSquaredError(name="rmse")])
    other = events_of(random_matrix(1), RATINGS)
    history = model.fit(
        events.batches(model, 16),
        epochs=2,
        validation_data=other.batches(model, 16),
        verbose=0,
    ).history
    pairs = {"user_id/index": other.user, "item_id/index": other.item}
    error = np.mean((model(pairs).numpy() - other.label) ** 2)
    assert history["val_loss"][-1] == pytest.approx(error, rel=1e-5)
    assert history["val_rmse"][-1] == pytest.approx(error**0.5, rel=1e-5)
    plain = model.evaluate(other.batches(Pairs(), 16), verbose=0)
    assert plain[0] == pytest.approx(error, rel=1e-5)


@pytest.mark.usefixtures("graphs")
def test_predictions_are_not_cut():
    """A user who rates all 5 and an item that all rate 5 meet above 5."""
    ratings = np.full((USERS, ITEMS), 2.0)
    ratings[0] = ratings[:, 0] = 5.0
    matrix = np.ones((USERS, ITEMS), bool)
    model, _ = fitted(BiasBaseline, events_of(matrix, ratings, strangers=False), 5)
    assert all_scores(model)[0, 0] == pair_scores(model)[0, 0] > 5.5


def test_no_item_is_like_another(events):
    model, _ = fitted(BiasBaseline, events)
    with pytest.raises(ValueError, match="BiasBaseline has no notion of similar"):
        model.similar_items(["i0"], k=2)


def test_round_trip(events, tmp_path):
    check_round_trip(fitted(BiasBaseline, events, 2)[0], tmp_path)


def test_bad_input(events):
    with pytest.raises(ValueError, match=r"item_regularisation=-1\.0 must not be neg"):
        BiasBaseline(events.spec, item_regularisation=-1.0)
    model = BiasBaseline(events.spec)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="two passes over labelled events"):
        model.fit(events.batches(Pairs(), 16), verbose=0)
