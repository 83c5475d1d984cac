"""AutoRec against NumPy: equations 1 and 2 of Sedhain et al. 2015, and one step."""

import dataclasses

import numpy as np
import pytest
from matrices import (
    FIRST,
    all_scores,
    check_round_trip,
    events_of,
    fitted,
    pair_scores,
    random_matrix,
)

from tfrec.data.views import Pairs
from tfrec.evaluation import Evaluator, RatingPrediction
from tfrec.evaluation.protocols import natural
from tfrec.layers import sparse_rows
from tfrec.models import AutoRec

MATRIX = random_matrix()
MATRIX[4] = False
MATRIX[4, 7] = True  # a user with one rating
RATINGS = np.random.default_rng(3).integers(1, 11, MATRIX.shape) / 2  # half stars
HIDDEN, L2 = 3, 0.7
both_sides = pytest.mark.parametrize("rows", ["user", "item"])


@pytest.fixture(scope="module")
def events():
    return events_of(MATRIX, RATINGS, strangers=False)


def built(data, randomise, **config) -> AutoRec:
    model = AutoRec(data.spec, hidden=HIDDEN, l2=L2, **config)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: AutoRec) -> dict:
    return {
        "V": model.encoder,
        "W": model.decoder,
        "mu": model.hidden_bias,
        "b": model.bias,
    }


def values(model: AutoRec) -> dict[str, np.ndarray]:
    return {name: weight.numpy() for name, weight in weights(model).items()}


def oriented(rows: str) -> tuple[np.ndarray, np.ndarray]:
    """Mask and ratings with the rebuilt rows as rows."""
    return (MATRIX, RATINGS) if rows == "user" else (MATRIX.T, RATINGS.T)


def rebuilt(w: dict[str, np.ndarray], mask, ratings, mean: float) -> np.ndarray:
    """``h(r)`` of every row; W, V and b have two rows that stand for no id."""
    row = np.where(mask, ratings, 0)
    hidden = 1 / (1 + np.exp(-(row @ w["V"][FIRST:] + w["mu"])))
    return hidden @ w["W"][FIRST:].T + w["b"][FIRST:] + mean


def predictions(model: AutoRec, rows: str) -> np.ndarray:
    """``(users, items)``: the mean for those without ratings."""
    mask, ratings = oriented(rows)
    mean = float(model.mean)
    found = rebuilt(values(model), mask, ratings, mean)
    found[~mask.any(1)] = found[:, ~mask.any(0)] = mean
    return found if rows == "user" else found.T


@both_sides
def test_equation_1(events, randomise, rows):
    model = built(events, randomise, rows=rows)
    assert float(model.mean) == pytest.approx(RATINGS[MATRIX].mean())
    expected = predictions(model, rows)
    np.testing.assert_allclose(all_scores(model), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pair_scores(model), expected, rtol=1e-4, atol=1e-5)


@both_sides
@pytest.mark.parametrize("dense", [0, 64])
def test_equation_2_and_its_step(
    events, randomise, check_step, rows, dense, monkeypatch
):
    """Errors of ratings alone; the penalty of W and V, spread over the ratings."""
    monkeypatch.setattr(sparse_rows, "DENSE", dense)
    model = built(events, randomise, rows=rows)
    mask, ratings = oriented(rows)
    mean = float(model.mean)
    batch = next(iter(events.batches(model, 7)))
    own = "user_id/index" if rows == "user" else "item_id/index"
    chosen = batch[own].numpy() - FIRST
    share = mask[chosen].sum(0) / np.maximum(mask.sum(0), 1)

    def loss(w: dict[str, np.ndarray]) -> float:
        error = np.where(mask, ratings - rebuilt(w, mask, ratings, mean), 0)[chosen]
        norms = np.sum(w["W"][FIRST:] ** 2 + w["V"][FIRST:] ** 2, axis=1)
        return (np.sum(error**2) + L2 / 2 * share @ norms) / len(chosen)

    check_step(model, (batch,), weights(model), loss)


@both_sides
def test_an_epoch_is_the_objective(events, randomise, rows):
    """Summed over all rows, the loss is equation 2 over their number."""
    model = built(events, randomise, rows=rows)
    mask, ratings = oriented(rows)
    w = values(model)
    error = (ratings - rebuilt(w, mask, ratings, float(model.mean)))[mask]
    norms = np.sum(w["W"][FIRST:] ** 2 + w["V"][FIRST:] ** 2, axis=1)
    objective = np.sum(error**2) + L2 / 2 * norms[mask.any(0)].sum()
    total = 0.0
    for batch in events.batches(model, 7):
        total += float(model.batch_loss(batch, None, True)) * len(batch["ratings"])
    assert total == pytest.approx(objective, rel=1e-4)


@both_sides
def test_validation_predicts_ratings_that_are_no_input(events, rows):
    """Errors of held-out ratings, from the rows of the training ratings."""
    held_out = np.random.default_rng(5).random(len(events)) < 0.3
    train, test = events.take(~held_out), events.take(held_out)
    model, _ = fitted(AutoRec, train, 3, rows=rows, hidden=8, l2=0.1)
    pairs = {"user_id/index": test.user, "item_id/index": test.item}
    error = np.sum((model(pairs).numpy() - test.label) ** 2)
    own = test.user if rows == "user" else test.item
    found = model.evaluate(test.batches(model, 1000), verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(error / len(np.unique(own)), rel=1e-4)


@both_sides
def test_ratings_of_the_test_change_no_prediction(events, rows):
    """Whatever the test ratings are, the scores of a fitted model are the same."""
    held_out = np.random.default_rng(5).random(len(events)) < 0.3
    train, test = events.take(~held_out), events.take(held_out)
    other = dataclasses.replace(
        test, columns={**test.columns, "rating": 5.5 - test.label}
    )
    scores = []
    for valid in (test, other):
        model = AutoRec(train.spec, rows=rows, hidden=8)
        model.compile()
        batches = train.batches(model, 7)
        model.fit(batches, validation_data=valid.batches(model, 7), verbose=0)
        scores.append(all_scores(model))
    np.testing.assert_array_equal(*scores)


@both_sides
def test_the_mean_answers_for_those_without_ratings(events, rows):
    model, _ = fitted(AutoRec, events, 3, rows=rows, hidden=8, l2=0.1)
    mean = RATINGS[MATRIX].mean()
    scores = all_scores(model)
    np.testing.assert_allclose(scores[-1], mean)  # a user who rated nothing
    np.testing.assert_allclose(scores[:, -1], mean)  # an item nobody rated
    assert np.abs(scores[4, :-1] - mean).max() > 0.01  # a user with one rating
    strangers = {"user_id/index": np.array([1, FIRST]), "item_id/index": [FIRST, 1]}
    np.testing.assert_allclose(model(strangers), mean)


def test_newer_events_move_the_rows_on(events):
    model, _ = fitted(AutoRec, events, 1, rows="user", hidden=8)
    before, mean = all_scores(model), float(model.mean)
    model.adapt(events.take(events.user != FIRST + 1))
    after = all_scores(model)
    np.testing.assert_allclose(after[1], mean)
    np.testing.assert_allclose(np.delete(after, 1, 0), np.delete(before, 1, 0))


def test_ratings_are_its_natural_protocol(events):
    """The squared errors of the protocol are those of the validation loss."""
    held_out = np.random.default_rng(5).random(len(events)) < 0.3
    train, test = events.take(~held_out), events.take(held_out)
    model, _ = fitted(AutoRec, train, 2, rows="user", hidden=8)
    assert natural(model, test) == RatingPrediction()
    rmse = Evaluator(test, natural(model, test)).evaluate(model)["rmse"]
    found = model.evaluate(test.batches(model, 1000), verbose=0, return_dict=True)
    total = found["loss"] * len(np.unique(test.user))
    assert rmse**2 * len(test) == pytest.approx(total, rel=1e-4)


@both_sides
def test_round_trip(events, tmp_path, rows):
    check_round_trip(fitted(AutoRec, events, 2, rows=rows, hidden=8)[0], tmp_path)


def test_bad_input(events, data):
    model = AutoRec(events.spec, hidden=8)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="learns from rows of ratings"):
        model.fit(events.batches(Pairs(), 16), verbose=0)
    model.adapt(events)
    columns = {**events.columns, "rating": events.label + 3}
    wrong = dataclasses.replace(events, columns=columns)
    with pytest.raises(ValueError, match=r"not between 0\.5 and 5, the range that"):
        wrong.batches(model, 16)
    with pytest.raises(ValueError, match=r"not between 0\.5 and 5, the range that"):
        model.adapt(wrong)
    columns["rating"] = np.where(columns["rating"] > 7, np.nan, events.label)
    with pytest.raises(ValueError, match=r"values of 'rating' in .* are not numbers"):
        AutoRec(events.spec).adapt(dataclasses.replace(events, columns=columns))
    unlabelled = dataclasses.replace(events.spec, label=None)
    with pytest.raises(ValueError, match=r"learns ratings and .* has no label"):
        AutoRec(unlabelled).adapt(events.with_spec(unlabelled))
