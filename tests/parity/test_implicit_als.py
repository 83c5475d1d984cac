"""ImplicitALS against NumPy: both half-steps, the objective."""

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
)

from tfrec.models import ImplicitALS

MATRIX = random_matrix()
X = MATRIX.astype(float)
SETTINGS = [
    {"unobserved_weight": 0.1, "regularisation": 0.05, "frequency_scaling": 1.0},
    {"unobserved_weight": 0.5, "regularisation": 0.3, "frequency_scaling": 0.4},
    {"unobserved_weight": 1.0, "regularisation": 2.0, "frequency_scaling": 0.0},
]


@pytest.fixture(scope="module")
def events():
    return events_of(MATRIX)


def penalties(x, config):
    """``lambda (n + alpha * other side)^nu`` of every row."""
    alpha = config["unobserved_weight"]
    scale = (x.sum(axis=1) + alpha * x.shape[1]) ** config["frequency_scaling"]
    return config["regularisation"] * scale


def half_step(x, other, config):
    """Row by row, the least squares over the other side."""
    rows = []
    for row, penalty in zip(x, penalties(x, config), strict=True):
        matrix = config["unobserved_weight"] * other.T @ other
        matrix += penalty * np.eye(other.shape[1])
        matrix += other.T @ (row[:, None] * other)
        rows.append(np.linalg.solve(matrix, other.T @ row))
    return np.array(rows)


def objective(users, items, config):
    scores = users @ items.T
    return (
        np.sum(X * (1 - scores) ** 2)
        + config["unobserved_weight"] * np.sum(scores**2)
        + np.sum(penalties(X, config) * np.sum(users**2, axis=1))
        + np.sum(penalties(X.T, config) * np.sum(items**2, axis=1))
    )


@pytest.mark.parametrize("config", SETTINGS)
@pytest.mark.parametrize("batch_size", [1, 7, 4096])
def test_epochs(events, config, batch_size):
    """Users, then items, each event once, unknown ids never; loss is the objective."""
    items = ImplicitALS(events.spec, dim=4, **config).item_factors.numpy()
    assert items[FIRST:].std() == pytest.approx(0.05, rel=0.3)
    items = items[FIRST:].astype(float)
    model, history = fitted(ImplicitALS, events, 3, batch_size, dim=4, **config)
    losses = []
    for _ in range(3):
        users = half_step(X, items, config)
        items = half_step(X.T, users, config)
        losses.append(objective(users, items, config))
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-4)
    assert losses[0] > losses[1] > losses[2]
    close = {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(model.user_factors[FIRST:], users, **close)
    np.testing.assert_allclose(model.item_factors[FIRST:], items, **close)
    np.testing.assert_allclose(all_scores(model), users @ items.T, **close)
    np.testing.assert_allclose(pair_scores(model), users @ items.T, **close)


def test_unknown_padding_and_empty_rows_stay_zero(events):
    model, _ = fitted(ImplicitALS, events, dim=4)
    for factors, taken in (
        (model.user_factors, MATRIX.any(axis=1)),
        (model.item_factors, MATRIX.any(axis=0)),
    ):
        assert not taken.all()
        np.testing.assert_array_equal(
            np.any(factors, axis=1), [*[False] * FIRST, *taken]
        )


def test_the_objective_falls_to_a_stationary_point(events):
    config = SETTINGS[0]
    model, history = fitted(ImplicitALS, events, 60, 4096, dim=4, **config)
    losses = np.array(history["loss"])
    assert np.all(np.diff(losses) <= 1e-5 * losses[1:])
    users = model.user_factors.numpy()[FIRST:].astype(float)
    items = model.item_factors.numpy()[FIRST:].astype(float)
    residual = X * (users @ items.T - 1) + config["unobserved_weight"] * users @ items.T
    slopes = residual @ items + penalties(X, config)[:, None] * users
    start = ImplicitALS(events.spec, dim=4, **config).item_factors.numpy()[FIRST:]
    scale = np.abs((X * -1) @ start).max()
    assert np.abs(slopes).max() < 0.05 * scale


def test_evaluate_is_the_error_over_other_events(events):
    config = SETTINGS[1]
    model, _ = fitted(ImplicitALS, events, 2, dim=4, **config)
    matrix = random_matrix(1)
    scores, other = all_scores(model), matrix.astype(float)
    expected = np.sum(other * (1 - scores) ** 2) + 0.5 * np.sum(scores**2)
    reached = model.evaluate(events_of(matrix).batches(model, 6), verbose=0)
    assert reached == pytest.approx(expected, rel=1e-4)


def test_a_seed_is_a_model(events):
    def factors(seed):
        return fitted(ImplicitALS, events, 2, dim=4, seed=seed)[0].item_factors.numpy()

    np.testing.assert_array_equal(factors(1), factors(1))
    assert np.abs(factors(1) - factors(2)).max() > 1e-3


def test_fit_goes_on_where_it_stopped(events):
    once, _ = fitted(ImplicitALS, events, 4, dim=4)
    twice, _ = fitted(ImplicitALS, events, 2, dim=4)
    twice.fit(events.batches(twice, 7), epochs=2, verbose=0)
    np.testing.assert_allclose(
        once.item_factors, twice.item_factors, rtol=1e-4, atol=1e-6
    )


def test_similar_items_have_similar_factors(events):
    model, _ = fitted(ImplicitALS, events, 5, dim=4)
    items = model.item_factors.numpy()[FIRST:-1]
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    cosine = unit @ unit[3]
    cosine[3] = -np.inf
    best = np.argsort(-cosine)[:4]
    answer = model.similar_items(["i3"], k=4)
    np.testing.assert_array_equal(answer.item_id[0], [f"i{j}" for j in best])
    np.testing.assert_allclose(answer.score[0], cosine[best], rtol=1e-4)


def test_round_trip(events, tmp_path):
    check_round_trip(fitted(ImplicitALS, events, 2, dim=4)[0], tmp_path)


@pytest.mark.parametrize("name", ["unobserved_weight", "regularisation", "stddev"])
def test_bad_hyper_parameters(events, name):
    with pytest.raises(ValueError, match=rf"{name}=0\.0 must be more than 0"):
        ImplicitALS(events.spec, **{name: 0.0})


def test_batches_are_bounded(events):
    """No batch has more rows or entries than asked, unless one row alone has."""
    from tfrec.models.baselines._views import BothSides

    seen = {0: [], 1: []}
    for batch in BothSides(rows=5, entries=24).batches(events, 4096):
        rows, longest = batch["others"].shape
        assert rows <= 5
        assert rows * longest <= 24 or rows == 1
        (side,) = np.unique(batch["second"])
        seen[side] += batch["row"].numpy().tolist()
    assert sorted(seen[0]) == list(range(FIRST, FIRST + USERS))
    assert sorted(seen[1]) == list(range(FIRST, FIRST + ITEMS))
