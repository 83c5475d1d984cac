"""EASE against NumPy."""

import numpy as np
import pytest
from matrices import (
    ITEMS,
    all_scores,
    check_round_trip,
    events_of,
    fitted,
    pair_scores,
    random_matrix,
    raw_pairs,
)

from tfrec.models import EASE

MATRIX = random_matrix()
X = MATRIX.astype(float)


@pytest.fixture(scope="module")
def events():
    return events_of(MATRIX)


def closed_form(x, penalty):
    """B of equation 8."""
    inverse = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize("penalty", [0.5, 20.0, 500.0])
@pytest.mark.parametrize(("epochs", "batch_size"), [(1, 3), (2, 3), (1, 4096)])
def test_weights_and_scores(events, penalty, epochs, batch_size):
    """Each event once, unknown ids never, all of the history; pairs score alike."""
    assert MATRIX.sum(axis=1).max() > 2 * events.spec.history.max_len
    model, _ = fitted(EASE, events, epochs, batch_size, regularisation=penalty)
    weights = closed_form(X, penalty)
    np.testing.assert_allclose(model.item_weights, weights, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(all_scores(model), X @ weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pair_scores(model), X @ weights, rtol=1e-4, atol=1e-5)
    assert float(model(raw_pairs(["u0"], ["unknown"]))[0]) == 0


def test_each_column_is_a_ridge_regression_on_the_others(events):
    """Equation 4, item by item, without the trick of equation 8."""
    model, _ = fitted(EASE, events, regularisation=3.0)
    for item in range(ITEMS):
        others = np.delete(X, item, axis=1)
        gram = others.T @ others + 3.0 * np.eye(ITEMS - 1)
        expected = np.insert(np.linalg.solve(gram, others.T @ X[:, item]), item, 0)
        np.testing.assert_allclose(
            model.item_weights[:, item], expected, rtol=1e-4, atol=1e-6
        )


def test_loss_is_the_objective(events):
    _, history = fitted(EASE, events, epochs=2, regularisation=7.0)
    weights = closed_form(X, 7.0)
    expected = np.sum((X - X @ weights) ** 2) + 7.0 * np.sum(weights**2)
    np.testing.assert_allclose(history["loss"], [expected] * 2, rtol=1e-5)


def test_evaluate_is_the_squared_error_of_other_rows(events):
    model, _ = fitted(EASE, events, regularisation=7.0)
    matrix = random_matrix(1)
    other, weights = matrix.astype(float), closed_form(X, 7.0)
    reached = model.evaluate(events_of(matrix).batches(model, 6), verbose=0)
    assert reached == pytest.approx(np.sum((other - other @ weights) ** 2), rel=1e-4)


def test_many_pairs_score_as_few(events):
    model, _ = fitted(EASE, events)
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 30, 5000), rng.integers(0, ITEMS, 5000)
    pairs = {
        "user_id/index": (user + 2).astype(np.int32),
        "item_id/index": (item + 2).astype(np.int32),
    }
    np.testing.assert_allclose(model(pairs), all_scores(model)[user, item], atol=1e-6)


def test_similar_items_are_those_of_somebody_who_took_one(events):
    model, _ = fitted(EASE, events, regularisation=7.0)
    weights = closed_form(X, 7.0)
    order = np.argsort(-np.where(np.arange(ITEMS) == 5, -np.inf, weights[5]))[:3]
    answer = model.similar_items(["i5"], k=3)
    np.testing.assert_array_equal(answer.item_id[0], [f"i{j}" for j in order])
    np.testing.assert_allclose(answer.score[0], weights[5, order], rtol=1e-4)


def test_who_took_nothing_is_cold(events):
    model, _ = fitted(EASE, events)
    with pytest.warns(UserWarning, match="popularity"):
        answer = model.recommend({"user_id": ["u0", "u29", "nobody"]}, k=2)
    np.testing.assert_array_equal(answer.cold, [False, True, True])


def test_round_trip(events, tmp_path):
    check_round_trip(fitted(EASE, events)[0], tmp_path)


def test_bad_regularisation(events):
    with pytest.raises(ValueError, match=r"regularisation=0\.0 must be more than 0"):
        EASE(events.spec, regularisation=0.0)
