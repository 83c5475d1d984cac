"""Recurrent recommender networks: Wu et al. 2017, section 3."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from timed import DAY, IDS, ITEM, RATING, USER, Weights, batch, built, moments, squares

from tfrec import models, serving
from tfrec.data.crossed import Crossed
from tfrec.data.timeline import SECOND
from tfrec.features import Numeric
from tfrec.models.sequential.recurrent_recommender_network import (
    RecurrentRecommenderNetwork,
)

STEP, UNITS = 5, 4
SETTINGS = {"step_days": STEP, "units": UNITS}


def make(data, randomise, **more):
    return built(RecurrentRecommenderNetwork, data, randomise, **SETTINGS, **more)


def weights(model: RecurrentRecommenderNetwork) -> dict[str, tf.Variable]:
    found = {
        "p": model.user_table.embeddings,
        "q": model.item_table.embeddings,
        "b_u": model.user_bias.embeddings,
        "b_i": model.item_bias.embeddings,
    }
    for side, steps, affine in zip("um", model.sides, model.affine, strict=True):
        kernel, recurrent, bias = steps.network.trainable_weights
        found |= {
            f"W_{side}": steps.kernel,
            f"tau_{side}": steps.moment,
            f"kernel_{side}": kernel,
            f"recurrent_{side}": recurrent,
            f"bias_{side}": bias,
            f"A_{side}": affine.kernel,
            f"a_{side}": affine.bias,
        }
    return found


def values(model: RecurrentRecommenderNetwork) -> Weights:
    return {name: v.numpy().astype(float) for name, v in weights(model).items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step_of(data, time) -> np.ndarray:
    return np.maximum(time - data.seconds.min(), 0) // (STEP * DAY)


def moved(w: Weights, data, side: str, row: int, step: int) -> np.ndarray:
    """The state of a user or item before a step, one rating after the other."""
    own, other = (data.user, data.item) if side == "u" else (data.item, data.user)
    steps, period = step_of(data, data.seconds), step_of(data, data.seconds).max()
    scores = (data.label - data.label.mean()) / data.label.std()
    h, c, last = np.zeros(UNITS), np.zeros(UNITS), None
    for now in np.unique(steps[(own == row) & (steps < step)]):
        rated = np.flatnonzero((own == row) & (steps == now))
        x = np.zeros(len(w[f"W_{side}"]))
        x[other[rated]] = scores[rated]
        tau = np.array([now, now if last is None else last]) / (period + 1)
        y = x @ w[f"W_{side}"] / np.sqrt(len(rated))
        y += np.array([last is None, *tau]) @ w[f"tau_{side}"]
        gates = y @ w[f"kernel_{side}"] + h @ w[f"recurrent_{side}"] + w[f"bias_{side}"]
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h, last = sigmoid(o) * np.tanh(c), now
    return h @ w[f"A_{side}"] + w[f"a_{side}"]


def states(w: Weights, data, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    users = [
        moved(w, data, "u", u, s)
        for u, s in zip(USER, step_of(data, time), strict=True)
    ]
    items = [
        moved(w, data, "m", i, s)
        for i, s in zip(ITEM, step_of(data, time), strict=True)
    ]
    return np.array(users), np.array(items)


def rating(w: Weights, data, time: np.ndarray) -> np.ndarray:
    users, items = states(w, data, time)
    biases = data.label.mean() + w["b_u"][USER, 0] + w["b_i"][ITEM, 0]
    return biases + (users * items).sum(1) + (w["p"][USER] * w["q"][ITEM]).sum(1)


def test_prediction(data, randomise):
    model = make(data, randomise)
    found, expected = model(batch(data)), rating(values(model), data, moments(data))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_without_a_time_it_is_after_all_steps(data, randomise):
    model, future = make(data, randomise), np.full(len(USER), 2**40)
    expected = rating(values(model), data, future)
    np.testing.assert_allclose(model(IDS), expected, rtol=1e-4)


@pytest.mark.parametrize(("l2", "l2_state"), [(0.0, 0.0), (0.05, 0.2)])
def test_loss_and_step(data, randomise, check_step, l2, l2_state):
    """The gradient flows through all steps of both networks."""
    few = data.take(np.isin(data.user, USER) & np.isin(data.item, np.arange(33)))
    model = make(few, randomise, l2=l2, l2_state=l2_state)
    time = moments(data)

    def loss(w: Weights) -> float:
        still = w["p"][USER], w["q"][ITEM], w["b_u"][USER], w["b_i"][ITEM]
        penalty = l2 * sum(squares(rows) for rows in still)
        penalty += l2_state * sum(squares(rows) for rows in states(w, few, time))
        return np.mean((RATING - rating(w, few, time)) ** 2) + penalty

    check_step(model, (batch(data), tf.constant(RATING)), weights(model), loss)


# Nothing later than t


def changed(data, later: np.ndarray):
    """The same events, other ratings of later ones."""
    label = np.where(later, 6 - data.label, data.label).astype(np.float32)
    return replace(data, columns={**data.columns, "rating": label})


def test_a_later_rating_changes_no_earlier_prediction(data, randomise):
    """Nor does one of the same step, but those of the step after it change."""
    model = make(data, randomise)
    pairs = {"user_id/index": data.user, "movie_id/index": data.item}
    pairs = {**pairs, "timestamp": data.seconds}
    before = model(pairs).numpy()
    steps = step_of(data, data.seconds)
    model.adapt(changed(data, steps >= 10))
    after = model(pairs).numpy()
    early = steps <= 10
    assert early.any() and not early.all()
    np.testing.assert_array_equal(after[early], before[early])
    assert np.mean(after[~early] != before[~early]) > 0.9


def test_the_order_of_rows_is_of_no_account(data, randomise):
    """Time runs backwards in the file, not in the states."""
    model = make(data, randomise)
    before = model(batch(data)).numpy()
    model.adapt(data.take(np.arange(len(data))[::-1]))
    np.testing.assert_allclose(model(batch(data)), before, rtol=1e-6)


# Moving on without training


def halves(data):
    cut = np.median(data.seconds)
    return data.take(data.seconds < cut), data.take(data.seconds >= cut)


def test_observed_ratings_move_states_and_no_weight(data, randomise):
    past, newer = halves(data)
    model = make(past, randomise)
    start = [w.numpy() for w in model.trainable_variables]
    still = model(IDS).numpy()
    shuffled = np.random.default_rng(0).permutation(len(newer))
    for part in np.array_split(shuffled, 3):
        model.observe(newer.take(part))
    assert np.abs(model(IDS).numpy() - still).max() > 0.01
    for before, variable in zip(start, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(before, variable.numpy())
    at_once = make(past, randomise)
    at_once.adapt(data)
    np.testing.assert_allclose(model(batch(data)), at_once(batch(data)), rtol=1e-5)
    query = {"user_id": list(data.spec.user_column.vocabulary[:5])}
    ours, theirs = model.recommend(query, k=9), at_once.recommend(query, k=9)
    np.testing.assert_array_equal(ours.item_id, theirs.item_id)
    np.testing.assert_array_equal(
        model.catalogue.popularity(), at_once.catalogue.popularity()
    )


def test_ratings_observed_twice_count_once(data, randomise):
    past, newer = halves(data)
    model = make(past, randomise)
    model.observe(newer)
    once = model(batch(data)).numpy()
    model.observe(newer)
    np.testing.assert_array_equal(model(batch(data)), once)


def test_a_rating_given_again_in_the_step_replaces_the_first(data, randomise):
    model, one = make(data, randomise), data.take(np.array([5]))
    again = changed(one, np.array([True]))
    again.columns["timestamp"] = again.columns["timestamp"] + SECOND
    assert step_of(data, again.seconds) == step_of(data, one.seconds)
    model.observe(again)
    found = model(batch(data)).numpy()
    twin = make(data, randomise)
    twin.adapt(changed(data, np.arange(len(data)) == 5))
    np.testing.assert_allclose(found, twin(batch(data)), rtol=1e-6)


def test_a_stranger_who_is_observed_is_one_no_more(data, randomise):
    stranger = data.user == 7
    model = make(data.take(~stranger), randomise)
    query = {"user_id": [data.spec.user_column.vocabulary[7 - 2]]}
    with pytest.warns(UserWarning, match="nothing is known of 1 of 1"):
        assert model.recommend(query, k=3).cold.all()
    model.observe(data.take(stranger))
    found = model.recommend(query, k=30)
    assert not found.cold.any()
    taken = set(data.raw("movie_id")[stranger])
    assert taken.isdisjoint(found.item_id[0])


def test_exported_it_answers_from_what_it_observed(data, randomise, tmp_path):
    past, newer = halves(data)
    model = make(past, randomise)
    model.observe(newer)
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(batch(data)), model(batch(data)), rtol=1e-6)
    model.export(tmp_path / "model")
    query = {"user_id": [*data.spec.user_column.vocabulary[:3], "nobody"]}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "nothing is known of")
        expected = model.recommend(query, k=5, drop_seen=False)
    found = serving.load(tmp_path / "model").recommend(query, k=5)
    np.testing.assert_array_equal(found.item_id, expected.item_id)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)


# Ranking at a time


@pytest.mark.parametrize("mixed", [False, True])
def test_ranking_takes_items_as_they_were(data, randomise, tmp_path, mixed):
    timed = data.with_spec(data.spec.select().replace(Numeric("timestamp")))
    model = make(timed, randomise)
    users = list(data.spec.user_column.vocabulary[:3])
    early, late = float(data.seconds.min() + 20 * DAY), float(2**31)
    when = [early, late if mixed else early, early]
    query = {"user_id": users, "timestamp": when}
    found = model.recommend(query, k=30, drop_seen=False)
    for row, user in enumerate(users):
        pairs = {
            "user_id": tf.constant([user] * 30),
            "movie_id": tf.constant(found.item_id[row]),
            "timestamp": tf.constant([when[row]] * 30),
        }
        np.testing.assert_allclose(found.score[row], model(pairs), rtol=1e-4, atol=1e-5)
    model.export(tmp_path / "model")
    served = serving.load(tmp_path / "model").recommend(query, k=30)
    np.testing.assert_array_equal(served.item_id, found.item_id)


# The view


def test_batches_are_between_few_users_and_few_items(data):
    view = Crossed(timed=True, work=(1.0, 1.0))
    seen, distinct = [], []
    for features, target in data.batches(view, 25, seed=1):
        user, item = features["user_id/index"], features["movie_id/index"]
        moment = features["timestamp"].numpy().tolist()
        seen += list(
            zip(user.numpy(), item.numpy(), moment, target.numpy(), strict=True)
        )
        distinct.append((len(np.unique(user)), len(np.unique(item))))
    everything = zip(data.user, data.item, data.seconds, data.label, strict=True)
    assert sorted(seen) == sorted(everything)
    users, items = np.mean(distinct, axis=0)
    assert users < 16 and items < 14  # of 25 events anywhere: 19 and 17
    first, second = (
        [batch[1].numpy().tolist() for batch in data.batches(view, 25, seed=s)]
        for s in (1, 2)
    )
    assert first != second


@pytest.mark.parametrize(
    ("work", "cells", "groups"),
    [
        ((1, 1), 16, (4, 4)),
        ((4, 1), 16, (8, 2)),
        ((1, 100), 9, (1, 9)),
        ((1, 1), 1, (1, 1)),
    ],
)
def test_the_dearer_side_is_in_fewer_batches(work, cells, groups):
    assert Crossed(timed=True, work=work, cells=cells).groups == groups


def test_without_shuffling_events_come_in_order(data):
    batches = data.batches(Crossed(timed=True), 100, shuffle=False)
    found = np.concatenate([features["user_id/index"] for features, _ in batches])
    np.testing.assert_array_equal(found, data.user)


# Refusals


def test_a_timestamp_is_needed(data):
    with pytest.raises(ValueError, match="Network learns from event times"):
        RecurrentRecommenderNetwork(replace(data.spec, timestamp=None))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"units": 0}, "units=0 must be 1 or more"),
        ({"step_days": 0.0}, "step_days=0.0 must be a second or more"),
        ({"step_days": float("nan")}, "step_days=nan must be a second or more"),
    ],
)
def test_settings_that_cannot_be(data, wrong, message):
    with pytest.raises(ValueError, match=message):
        RecurrentRecommenderNetwork(data.spec, **wrong)


def test_times_in_other_units_than_microseconds_are_refused(data):
    too_late = data.timestamp * 1_000
    wrong = replace(data, columns={**data.columns, "timestamp": too_late})
    model = RecurrentRecommenderNetwork(data.spec, step_days=2e-5)
    with pytest.raises(ValueError, match="are its times microseconds"):
        model.adapt(wrong)


def test_nothing_follows_nothing(data):
    with pytest.raises(ValueError, match="has met no data that newer events could"):
        RecurrentRecommenderNetwork(data.spec).observe(data)


def test_ids_of_other_numbers_are_refused(data, randomise):
    column = data.spec.item_column
    other = replace(column, vocabulary=column.vocabulary[::-1])
    model = make(data, randomise)
    with pytest.raises(ValueError, match="'movie_id' of the model is not that of"):
        model.observe(replace(data, spec=data.spec.replace(other)))


def test_observed_ratings_are_checked(data, randomise):
    model = make(data, randomise, rating_range=(1, 5))
    wrong = changed(data, np.ones(len(data), bool))
    wrong.columns["rating"] = wrong.columns["rating"] + 2
    before = model(batch(data)).numpy()
    with pytest.raises(ValueError, match=r"outside rating_range \[1, 5\]"):
        model.observe(wrong)
    np.testing.assert_array_equal(model(batch(data)), before)


# Served, with the newest ratings


@pytest.fixture(scope="module")
def served(data, randomise, tmp_path_factory):
    """A model of the first half; three users' ratings of the step after it."""
    past, newer = halves(data)
    model = make(past, randomise)
    path = tmp_path_factory.mktemp("served") / "rrn"
    model.export(path)
    return model, newer, serving.load(path)


def ask(served, users, items, ratings, seconds, k=30, exclude=None):
    return served.signatures["observe"](
        user_id=tf.constant(users),
        movie_id=tf.constant(items),
        ratings=tf.constant(ratings, tf.float32),
        seconds=tf.constant(seconds, tf.int64),
        k=tf.constant(k),
        exclude=tf.constant(exclude or [[""]] * len(users)),
    )


def test_served_the_newest_ratings_move_the_user_on(served, data, randomise):
    """As if the model had observed them; only the items stay as they were exported."""
    model, newer, signatures = served
    rows = [np.flatnonzero(newer.user == user)[:n] for user, n in ((2, 1), (5, 3))]
    when = int(newer.seconds.max()) + 30 * DAY
    names = [newer.raw("movie_id")[r].tolist() for r in rows]
    names = [[*row, "never seen", "", ""][:4] for row in names]
    ratings = [[*newer.label[r], 3, 0, 0][:4] for r in rows]
    users = [newer.raw("user_id")[r[0]] for r in rows]
    found = ask(signatures, users, names, ratings, [when] * 2)
    twin = make(halves(data)[0], randomise)
    both = newer.take(np.concatenate(rows))
    both.columns["timestamp"] = np.full(len(both), when * SECOND)
    twin.observe(both)
    query = {"user_id": tf.constant(users)}
    scores = tf.matmul(
        twin.query_embedding(query), model.catalogue_state()["item"], transpose_b=True
    )
    column = data.spec.item_column
    for row, score in enumerate(scores.numpy()):
        best = np.argsort(-score, kind="stable")
        expected = [column.vocabulary[place] for place in best]
        assert [i.decode() for i in found["item_id"].numpy()[row]] == expected
        np.testing.assert_allclose(found["score"][row], score[best], rtol=1e-4)
    before = signatures.recommend({"user_id": users}, k=30).score
    assert np.abs(before - found["score"]).max() > 0.01


def test_served_no_rating_is_no_step(served):
    _, newer, signatures = served
    when = int(newer.seconds.max())
    users, nothing = ["u1", "u2"], [["", ""], ["never seen", ""]]
    found = ask(signatures, users, nothing, np.zeros((2, 2)), [when] * 2)
    plain = signatures.recommend({"user_id": users}, k=30)
    np.testing.assert_allclose(found["score"], plain.score, rtol=1e-4)


def test_served_a_stranger_who_rates_is_cold_no_more(served):
    _, newer, signatures = served
    when = [int(newer.seconds.max())] * 2
    items = [["m3", "m4"], ["", ""]]
    found = ask(signatures, ["nobody", "else"], items, [[5, 1], [0, 0]], when, k=3)
    assert found["cold"].numpy().tolist() == [False, True]
    without = ask(
        signatures, ["nobody"], [["m3"]], [[5]], when[:1], k=29, exclude=[["m3"]]
    )
    assert b"m3" not in without["item_id"].numpy()


@pytest.mark.parametrize(
    ("ratings", "seconds", "k", "message"),
    [
        ([[5.0]], [0], 3, "ratings has not the shape of movie_id"),
        ([[5.0, np.nan]], [0], 3, "ratings holds what is no number"),
        ([[5.0, 1.0]], [0, 0], 3, "need one row for each user"),
        ([[5.0, 1.0]], [0], 31, "k is not between 1 and the 30 items"),
    ],
)
def test_served_what_cannot_be_asked_is_refused(served, ratings, seconds, k, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(served[2], ["u1"], [["m1", "m2"]], ratings, seconds, k)
