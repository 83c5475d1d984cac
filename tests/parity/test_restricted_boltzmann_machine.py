"""The RBM of Salakhutdinov et al. 2007 against NumPy: statistics and predictions."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
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

from tfrec import keras, serving
from tfrec.data.views import Pairs
from tfrec.models import RestrictedBoltzmannMachine

MATRIX = random_matrix()
MATRIX[4] = False
MATRIX[4, 7] = True  # a user with one rating
UNITS = np.random.default_rng(3).integers(0, 4, MATRIX.shape)
VALUES = np.array([0.5, 2.0, 3.5, 5.0])
RATINGS = VALUES[UNITS]
KNOWN = random_matrix(5) & ~MATRIX  # rated, nobody knows how
HIDDEN, LEVELS, L2, RATE = 3, 6, 0.7, 10.0
both_sides = pytest.mark.parametrize("rows", ["user", "item"])


@pytest.fixture(scope="module")
def events():
    return events_of(MATRIX, RATINGS, strangers=False)


@pytest.fixture(scope="module")
def rated():
    return events_of(KNOWN, np.full(KNOWN.shape, np.nan), strangers=False)


def built(events, rated, randomise, conditional, **config):
    model = RestrictedBoltzmannMachine(
        events.spec,
        hidden=HIDDEN,
        levels=LEVELS,
        l2=L2,
        conditional=conditional,
        **config,
    )
    model.adapt(events, rated=rated if conditional else None)
    model.ensure_built()
    randomise(model)
    return model


def oriented(rows: str, *matrices: np.ndarray) -> list[np.ndarray]:
    """With the rows of the machine as rows."""
    return [m if rows == "user" else m.T for m in matrices]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def weights(model) -> dict[str, np.ndarray]:
    """W, b (with the logarithms of the shares), c, D, without the rows of no id."""
    w = {
        "W": model.weights_table.numpy()[FIRST:],
        "b": model.bias.numpy()[FIRST:] + model.log_share.numpy(),
        "c": model.hidden_bias.numpy(),
    }
    if model.config.conditional:
        w["D"] = model.rated_table.numpy()[FIRST:]
    return w


def into_hidden(w, mask, units, r) -> np.ndarray:
    """Equation 11 before the sigmoid, one row after the other."""
    total = np.repeat(w["c"][None].astype(float), len(mask), 0)
    for row, places in enumerate(mask):
        for i in np.flatnonzero(places):
            total[row] += w["W"][i, units[row, i]]
    return total + r @ w["D"] if "D" in w else total


def distributions(model, rows: str) -> np.ndarray:
    """``(users, items, levels)``: equations 1 and 11, the shares where nothing is."""
    w = weights(model)
    mask, units, known = oriented(rows, MATRIX, UNITS, KNOWN)
    hidden = sigmoid(into_hidden(w, mask, units, mask | known))
    logits = np.einsum("rj,ikj->rik", hidden, w["W"]) + w["b"]
    own = (mask | known) if "D" in w else mask
    logits[~own.any(1)] = model.log_share.numpy()
    logits[:, ~mask.any(0)] = model.log_share.numpy()
    found = softmax(logits)
    return found if rows == "user" else found.transpose(1, 0, 2)


@both_sides
@pytest.mark.parametrize("conditional", [False, True])
def test_predictions(events, rated, randomise, rows, conditional):
    model = built(events, rated, randomise, conditional, rows=rows)
    found = distributions(model, rows)
    expected = found[..., :4] @ VALUES
    np.testing.assert_allclose(found[..., 4:], 0, atol=1e-9)
    np.testing.assert_allclose(all_scores(model), expected, rtol=1e-4)
    np.testing.assert_allclose(pair_scores(model), expected, rtol=1e-4)
    user, item = np.divmod(np.arange(USERS * ITEMS, dtype=np.int32), ITEMS)
    answer = model.distribution(
        {"user_id/index": user + FIRST, "item_id/index": item + FIRST}
    )
    np.testing.assert_allclose(
        answer["probability"], found[..., :4].reshape(-1, 4), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(answer["score"], expected.ravel(), rtol=1e-4)
    np.testing.assert_array_equal(answer["rating"], np.tile(VALUES, (len(user), 1)))


def uniform(shape: tuple[int, ...], seed: np.ndarray) -> np.ndarray:
    return tf.random.stateless_uniform(shape, seed).numpy()


@both_sides
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize(("iterations", "steps"), [(0, 1), (3, 2), (4, 3), (90, 4)])
def test_contrastive_divergence(
    events, rated, randomise, rows, conditional, iterations, steps
):
    """Statistics of both phases with the same draws, and the step that they make."""
    model = built(
        events, rated, randomise, conditional, rows=rows, gibbs_steps=4, growth=2
    )
    model.compile(keras.optimizers.SGD(RATE), run_eagerly=True)
    model.optimizer.iterations.assign(iterations)
    seeds = 2 * (iterations * 4 + np.arange(4))
    w = weights(model)
    mask, units, known = oriented(rows, MATRIX, UNITS, KNOWN)
    batch = next(iter(events.batches(model, 7)))
    own = "user_id/index" if rows == "user" else "item_id/index"
    others = batch["items" if rows == "user" else "users"].numpy()
    chosen = batch[own].numpy() - FIRST
    mask, units, known = mask[chosen], units[chosen], known[chosen]
    r = (mask | known).astype(float)
    # The ratings of the batch, in its order: what is drawn goes to them in turn.
    row, place = np.nonzero(others)
    column = others[row, place] - FIRST

    start = total = into_hidden(w, mask, units, r)
    end, first = units.copy(), None
    for step in range(steps):
        seed = np.array([0, seeds[step]], np.int32)
        states = uniform(total.shape, seed) < sigmoid(total)
        logits = np.sum(states[row][:, None] * w["W"][column], axis=2) + w["b"][column]
        chance = softmax(logits)
        first = chance if first is None else first
        drawn = uniform((len(row),), seed + 1)
        end[row, column] = np.sum(np.cumsum(chance, 1) < drawn[:, None], axis=1)
        total = into_hidden(w, mask, end, r)

    n = len(chosen)
    change = {name: np.zeros_like(values, float) for name, values in w.items()}
    for sign, states, visible in (
        (1, sigmoid(start), units),  # positive phase
        (-1, sigmoid(total), end),  # negative phase
    ):
        for i, j in zip(row, column, strict=True):
            change["W"][j, visible[i, j]] += sign * states[i] / n
            change["b"][j, visible[i, j]] += sign / n
        change["c"] += sign * states.sum(0) / n
        if conditional:
            change["D"] += sign * r.T @ states / n
    everywhere = oriented(rows, MATRIX)[0].sum(0)
    share = mask.sum(0) / np.maximum(everywhere, 1) / n
    change["W"] -= L2 * share[:, None, None] * w["W"]
    if conditional:
        change["D"] -= L2 * share[:, None] * w["D"]

    loss = model.train_on_batch(batch, return_dict=True)["loss"]
    losses = -np.log(first[np.arange(len(row)), units[row, column]])
    assert loss == pytest.approx(losses.mean(), rel=1e-4)
    for name, values in weights(model).items():
        moved = (values - w[name]) / RATE
        if name == "b":  # shares of values that never occur are no numbers to subtract
            moved, change[name] = moved[:, :4], change[name][:, :4]
        assert np.abs(change[name]).max() > 1e-3
        np.testing.assert_allclose(
            moved, change[name], rtol=1e-3, atol=2e-5, err_msg=name
        )


@both_sides
def test_validation_is_the_log_loss_of_ratings_that_are_no_input(events, rows):
    held_out = np.random.default_rng(5).random(len(events)) < 0.3
    train, test = events.take(~held_out), events.take(held_out)
    model, _ = fitted(RestrictedBoltzmannMachine, train, 5, rows=rows, hidden=8)
    pairs = {"user_id/index": test.user, "item_id/index": test.item}
    chance = model.distribution(pairs)["probability"].numpy()
    true = chance[np.arange(len(test)), np.searchsorted(VALUES, test.label)]
    found = model.evaluate(test.batches(model, 1000), verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(-np.log(true).mean(), rel=1e-3)
    # The labels of the test do not come into any score.
    other = dataclasses.replace(
        test, columns={**test.columns, "rating": test.label[::-1]}
    )
    model.evaluate(other.batches(model, 1000), verbose=0)
    np.testing.assert_array_equal(chance, model.distribution(pairs)["probability"])


def test_what_was_rated_counts_and_how_does_not(events, rated, randomise):
    """Pairs of ``rated`` come in by D; their labels, here no numbers, do not."""
    model = built(events, rated, randomise, True)
    with_known = all_scores(model)
    model.adapt(events)
    assert np.abs(all_scores(model) - with_known)[KNOWN.any(1)].max() > 0.01
    other = dataclasses.replace(
        rated, columns={**rated.columns, "rating": np.ones(len(rated), np.float32)}
    )
    model.adapt(events, rated=other)
    np.testing.assert_array_equal(all_scores(model), with_known)
    with pytest.raises(ValueError, match="only a conditional machine reads what was"):
        built(events, rated, randomise, False).adapt(events, rated=rated)


@both_sides
def test_the_shares_answer_for_those_without_ratings(events, rows):
    model, _ = fitted(RestrictedBoltzmannMachine, events, 3, rows=rows, hidden=8)
    share = np.bincount(UNITS[MATRIX]) / MATRIX.sum()
    strangers = {
        "user_id/index": np.array([1, FIRST, USERS + FIRST - 1, FIRST]),
        "item_id/index": np.array([FIRST, 1, FIRST, ITEMS + FIRST - 1]),
    }
    found = model.distribution(strangers)["probability"]
    np.testing.assert_allclose(found, np.tile(share, (4, 1)), rtol=1e-5)
    scores, mean = all_scores(model), RATINGS[MATRIX].mean()
    np.testing.assert_allclose(scores[-1], mean, rtol=1e-5)  # rated nothing
    np.testing.assert_allclose(scores[:, -1], mean, rtol=1e-5)  # nobody rated it
    assert np.abs(scores[4, :-1] - mean).max() > 0.01  # a user with one rating


def test_half_stars_are_units_of_their_own():
    ratings = np.random.default_rng(0).integers(1, 11, MATRIX.shape) / 2
    events = events_of(MATRIX, ratings, strangers=False)
    model, _ = fitted(RestrictedBoltzmannMachine, events, 2, hidden=8)
    query = {"user_id": tf.constant(["u0"]), "item_id": tf.constant(["i1"])}
    answer = model.distribution(query)
    np.testing.assert_array_equal(answer["rating"][0], np.arange(1, 11) / 2)
    assert float(tf.reduce_sum(answer["probability"])) == pytest.approx(1, rel=1e-5)
    narrow = RestrictedBoltzmannMachine(events.spec, levels=5)
    with pytest.raises(ValueError, match="has 10 rating values and the model room for"):
        narrow.adapt(events)
    assert not narrow.adapted


@both_sides
def test_round_trip(events, tmp_path, rows):
    """The distribution is a signature of its own."""
    model, _ = fitted(RestrictedBoltzmannMachine, events, 2, rows=rows, hidden=8)
    check_round_trip(model, tmp_path)
    served = serving.load(tmp_path / "export")
    pairs = {
        "user_id": tf.constant(["u0", "nobody", "u3"]),
        "item_id": tf.constant(["i0", "i1", "nothing"]),
    }
    answer = served.signatures["distribution"](**pairs)
    for name, values in model.distribution(pairs).items():
        np.testing.assert_allclose(answer[name], values, rtol=1e-5)
    np.testing.assert_allclose(
        served.signatures["score"](**pairs)["score"], answer["score"], rtol=1e-5
    )


def test_conditional_round_trip(events, rated, randomise, tmp_path):
    model = built(events, rated, randomise, True)
    model.compile()
    check_round_trip(model, tmp_path)


def test_bad_input(events):
    model = RestrictedBoltzmannMachine(events.spec, hidden=8)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="learns from rows of ratings"):
        model.fit(events.batches(Pairs(), 16), verbose=0)
    model.adapt(events)
    for value in (3.25, 6.0):
        columns = {**events.columns, "rating": np.full_like(events.label, value)}
        wrong = dataclasses.replace(events, columns=columns)
        message = rf"has the value {value}.*none of the 4 that the model has units for"
        for use in (lambda w: w.batches(model, 16), model.adapt):
            with pytest.raises(ValueError, match=message.replace("6.0", "6")):
                use(wrong)
    with pytest.raises(ValueError, match="levels=0 must be 1 or more"):
        RestrictedBoltzmannMachine(events.spec, levels=0)
