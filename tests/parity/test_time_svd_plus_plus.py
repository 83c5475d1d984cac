"""timeSVD++: Koren 2009, sections 4.2 and 4.3."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from timed import (
    DAY,
    ITEM,
    RATING,
    USER,
    Weights,
    batch,
    built,
    elapsed,
    moments,
    slices,
    squares,
)

from tfrec import models, serving
from tfrec.data.ratings import Ratings
from tfrec.data.timeline import SECOND
from tfrec.evaluation import Evaluator
from tfrec.evaluation.protocols import EventRanking, RatingPrediction
from tfrec.features import Numeric
from tfrec.models.factorization.time_svd_plus_plus import TimeSVDPlusPlus

BINS, BETA = 5, 0.4


def weights(model: TimeSVDPlusPlus) -> dict[str, tf.Variable]:
    return {
        "p": model.user_table.embeddings,
        "q": model.item_table.embeddings,
        "b_u": model.user_bias.embeddings,
        "b_i": model.item_bias.embeddings,
        "y": model.implicit,
        "drift": model.drift.embeddings,
        "daily": model.daily.embeddings,
        "bins": model.bin_bias.embeddings,
    }


def values(model: TimeSVDPlusPlus) -> Weights:
    return {name: v.numpy().astype(float) for name, v in weights(model).items()}


def days_seen(data) -> list[tuple[int, int]]:
    """(user, day) pairs of training in the order of their rows."""
    known = data.user >= data.spec.user_column.first
    days = data.seconds // DAY
    return sorted(set(zip(data.user[known], days[known], strict=True)))


def daily(w: Weights, data, user: int, time: int) -> np.ndarray:
    """``b_(u, t), c_(u, t), p_(u, t)``, or 0 on a day that training did not see."""
    seen = days_seen(data)
    if (user, time // DAY) not in seen:
        return np.zeros(w["daily"].shape[1])
    return w["daily"][seen.index((user, time // DAY)) % len(w["daily"])]


def deviation(data, user: int, time: int) -> float:
    """``sign(t - t_u) |t - t_u|^beta``, of nobody known around the end."""
    own = elapsed(data, data.seconds[data.user == user])
    away = elapsed(data, time) - (own.mean() if len(own) else 1.0)
    return np.sign(away) * np.abs(away) ** BETA


def rating(w: Weights, data, user=USER, item=ITEM, times=None) -> np.ndarray:
    times = moments(data) if times is None else times
    found, first = [], data.spec.item_column.first
    for u, i, t in zip(user, item, times, strict=True):
        dev, today = deviation(data, u, t), daily(w, data, u, t)
        a, c, alpha = w["drift"][u, 0], w["drift"][u, 1], w["drift"][u, 2:]
        b_u = w["b_u"][u, 0] + a * dev + today[0]
        b_i = w["b_i"][i, 0] + w["bins"][i, slices(data, t, BINS)]
        scale = 1 + c + today[1]
        taken = np.unique(data.item[data.user == u]) - first
        taken = taken if u >= data.spec.user_column.first else taken[:0]
        implicit = w["y"][taken].sum(0) / np.sqrt(max(len(taken), 1))
        p = w["p"][u] + alpha * dev + implicit
        if len(today) > 2:
            p = p + today[2:]
        found.append(data.label.mean() + b_u + b_i * scale + w["q"][i] @ p)
    return np.array(found)


@pytest.mark.parametrize("daily_factors", [False, True])
@pytest.mark.parametrize("days_per_user", [16, 1])
def test_prediction(data, randomise, daily_factors, days_per_user):
    """Also with more days than rows, where some share a row."""
    assert len(days_seen(data)) > 100
    model = built(
        TimeSVDPlusPlus,
        data,
        randomise,
        bins=BINS,
        beta=BETA,
        daily_factors=daily_factors,
        days_per_user=days_per_user,
    )
    found = model(batch(data))
    np.testing.assert_allclose(found, rating(values(model), data), rtol=1e-4)


@pytest.mark.parametrize(("l2", "l2_time"), [(0.0, 0.0), (0.05, 0.2)])
def test_loss_and_step(data, randomise, check_step, l2, l2_time):
    model = built(
        TimeSVDPlusPlus,
        data,
        randomise,
        bins=BINS,
        beta=BETA,
        daily_factors=True,
        days_per_user=3,
        l2=l2,
        l2_time=l2_time,
    )
    time, first = moments(data), data.spec.item_column.first

    def loss(w: Weights) -> float:
        constant = w["p"][USER], w["q"][ITEM], w["b_u"][USER], w["b_i"][ITEM]
        penalty = l2 * sum(squares(rows) for rows in constant)
        for u in USER[data.spec.user_column.first <= USER]:
            taken = np.unique(data.item[data.user == u]) - first
            penalty += l2 * squares(w["y"][taken])
        pairs = list(zip(USER, time, strict=True))
        today = np.array([daily(w, data, u, t) for u, t in pairs])
        moving = w["drift"][USER], today, w["bins"][ITEM, slices(data, time, BINS)]
        penalty += l2_time * sum(squares(rows) for rows in moving)
        return np.mean((RATING - rating(w, data)) ** 2) + penalty

    check_step(model, (batch(data), tf.constant(RATING)), weights(model), loss)


def test_it_starts_as_svd_plus_plus(data):
    """Nothing changes in time before training says so."""
    model = TimeSVDPlusPlus(data.spec)
    model.adapt(data)
    twin = models.SVDPlusPlus(data.spec, dim=model.config.dim)
    twin.adapt(data)
    twin.ensure_built()
    model.ensure_built()
    for ours, theirs in (
        (twin.user_table, model.user_table),
        (twin.item_table, model.item_table),
    ):
        ours.set_weights(theirs.get_weights())
    twin.implicit.assign(model.implicit)
    np.testing.assert_allclose(model(batch(data)), twin(batch(data)), rtol=1e-5)


def test_a_day_begins_at_midnight(data, randomise):
    """Whenever on its day the first event was: here it was at noon, UTC."""
    minute, noon = 60, 12_000 * DAY + DAY // 2
    times = noon + np.arange(len(data)) * 7 * minute
    mine = np.flatnonzero(data.user == 7)[:4]
    midnight = noon + DAY // 2
    late, early = midnight - 10 * minute, midnight + 10 * minute
    evening = midnight + DAY - 10 * minute  # more than a day after the first event
    times[mine] = [midnight - minute, midnight + minute, late, early]
    timed = data.take(np.arange(len(data)))
    timed.columns["timestamp"] = times * SECOND
    keep = (timed.user != 7) | np.isin(np.arange(len(data)), mine)
    timed = timed.take(np.flatnonzero(keep))
    assert timed.seconds.min() == noon
    assert [day for user, day in days_seen(timed) if user == 7] == [12_000, 12_001]
    model = built(TimeSVDPlusPlus, timed, randomise, bins=BINS, beta=BETA)

    def features(asked: np.ndarray) -> dict[str, tf.Tensor]:
        return {
            "user_id/index": tf.fill([len(asked)], 7),
            "movie_id/index": tf.fill([len(asked)], 9),
            "timestamp": tf.constant(asked, tf.int64),
        }

    asked = np.array([noon, late, early, evening, evening + DAY, noon - DAY])
    sevens, nines = np.full(len(asked), 7), np.full(len(asked), 9)
    expected = rating(values(model), timed, sevens, nines, asked)
    np.testing.assert_allclose(model(features(asked)), expected, rtol=1e-4)
    # What is left without all else that moves in time: two days, each the same all day.
    model.drift.set_weights([np.zeros_like(model.drift.get_weights()[0])])
    model.bin_bias.set_weights([np.zeros_like(model.bin_bias.get_weights()[0])])
    same = model(features(asked)).numpy()
    assert same[0] == same[1]
    assert same[2] == same[3]
    assert same[4] == same[5]
    assert min(abs(same[0] - same[2]), abs(same[2] - same[4])) > 1e-3


# Time as an input


def test_training_and_evaluation_give_the_time_of_the_event(data, randomise):
    model = built(TimeSVDPlusPlus, data, randomise)
    assert model.view() == Ratings(timed=True, by_user=True)
    features, target = next(iter(data.batches(model, 600, shuffle=False)))
    np.testing.assert_array_equal(features["timestamp"], data.seconds)
    np.testing.assert_array_equal(target, data.label)
    expected = np.sqrt(np.mean((model(features) - target) ** 2))
    found = Evaluator(data, RatingPrediction()).evaluate(model)
    assert found["rmse"] == pytest.approx(expected, rel=1e-5)
    without = {k: v for k, v in features.items() if k != "timestamp"}
    other = np.sqrt(np.mean((model(without) - target) ** 2))
    assert abs(other - expected) > 0.005


def test_event_ranking_takes_the_time_of_the_event(data, randomise):
    model = built(TimeSVDPlusPlus, data, randomise)
    few = data.take(np.arange(50), past=data)
    found = Evaluator(few, EventRanking(k=3)).evaluate(model)
    pairs = {
        "user_id/index": tf.constant(few.user),
        "timestamp": tf.constant(few.seconds),
    }
    scores = model.catalogue_scores(pairs, model.catalogue_state()).numpy()
    own = scores[np.arange(50), few.item - data.spec.item_column.first]
    place = np.sum(scores >= own[:, None], axis=1) - 1
    assert found["hit_rate@3"] == pytest.approx(np.mean(place < 3))


def test_recommend_takes_the_callers_time_or_the_latest(data, randomise):
    model = built(TimeSVDPlusPlus, data, randomise, bins=BINS)
    users = list(data.spec.user_column.vocabulary[:4])
    latest = int(data.seconds.max())

    def ask(**more):
        return model.recommend({"user_id": users, **more}, k=30, drop_seen=False)

    now, given = ask(), ask(timestamp=[latest] * 4)
    np.testing.assert_array_equal(now.item_id, given.item_id)
    np.testing.assert_allclose(now.score, given.score)
    then = ask(timestamp=[int(data.seconds.min())] * 4)
    assert np.any(then.item_id != now.item_id)
    column = data.spec.item_column
    for row, user in enumerate(users):
        for item, score in zip(then.item_id[row][:3], then.score[row], strict=False):
            pair = {
                "user_id": tf.constant([user]),
                "movie_id": tf.constant([item]),
                "timestamp": tf.constant([data.seconds.min()]),
            }
            assert float(model(pair)[0]) == pytest.approx(score, rel=1e-4)
    assert set(then.item_id[0]) == set(column.vocabulary)
    with pytest.raises(ValueError, match="'timestamp' has 3 rows for 4 queries"):
        ask(timestamp=[latest] * 3)
    with pytest.raises(ValueError, match="'timestamp' cannot be read as int64"):
        ask(timestamp=["yesterday"] * 4)


@pytest.mark.parametrize("time", [0, -1, 2**40, 2**62])
def test_any_time_is_answered_as_of_the_nearest_end(data, randomise, time):
    """But for the user's own days: at neither end is a day of training theirs."""
    model = built(TimeSVDPlusPlus, data, randomise)
    user = tf.constant([7], tf.int32)
    end = data.seconds.max() if time > 0 else data.seconds.min()
    assert end not in data.seconds[data.user == 7]
    features = {"user_id/index": user, "movie_id/index": user}
    found = model({**features, "timestamp": tf.constant([time], tf.int64)})
    model.daily.set_weights([np.zeros_like(model.daily.get_weights()[0])])
    expected = model({**features, "timestamp": tf.constant([end], tf.int64)})
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_clock_that_stood_still_is_learned_from(data):
    """All events at zero: one day, one bin, no distance."""
    still = data.take(np.arange(len(data)))
    still.columns["timestamp"] = np.zeros(len(data), np.int64)
    model = TimeSVDPlusPlus(data.spec)
    model.compile()
    batches = still.batches(model, 64)
    losses = model.fit(batches, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_declared_as_a_column_the_time_is_an_input_when_serving(
    data, randomise, tmp_path
):
    timed = data.with_spec(data.spec.select().replace(Numeric("timestamp")))
    model = built(TimeSVDPlusPlus, timed, randomise)
    assert model.query_columns == ("user_id", "timestamp")
    model.export(tmp_path / "model")
    served = serving.load(tmp_path / "model")
    users = list(data.spec.user_column.vocabulary[:3])
    for time in (data.seconds.min(), data.seconds.max()):
        query = {"user_id": users, "timestamp": [float(time)] * 3}
        expected = model.recommend(query, k=5, drop_seen=False)
        found = served.recommend(query, k=5)
        np.testing.assert_array_equal(found.item_id, expected.item_id)
        np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)
    undeclared = built(TimeSVDPlusPlus, data, randomise)
    exact = {"user_id": users, "timestamp": [int(data.seconds.max())] * 3}
    np.testing.assert_array_equal(
        undeclared.recommend(exact, k=5, drop_seen=False).item_id, expected.item_id
    )


def test_saved_and_exported_it_knows_the_days(data, randomise, tmp_path):
    model = built(TimeSVDPlusPlus, data, randomise)
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
    np.testing.assert_array_equal(found.cold, expected.cold)


def test_newer_events_leave_the_learned_days_alone(data, randomise):
    """The clock and the users' days are what the weights were learned with."""
    half = data.take(np.flatnonzero(data.seconds < np.median(data.seconds)))
    model = built(TimeSVDPlusPlus, half, randomise)
    clock = int(model.clock.first), int(model.clock.last)
    days = model.user_days.values.numpy()
    model.adapt(data)
    assert (int(model.clock.first), int(model.clock.last)) == clock
    np.testing.assert_array_equal(model.user_days.values.numpy(), days)
    w, user = model.implicit.numpy(), 4
    own = np.unique(data.item[data.user == user]) - data.spec.item_column.first
    expected = w[own].sum(0) / np.sqrt(len(own))
    found = model.taken_by(tf.constant([user]))[0][0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# Refusals


def test_a_timestamp_is_needed(data):
    from dataclasses import replace

    with pytest.raises(ValueError, match="TimeSVDPlusPlus learns from event times"):
        TimeSVDPlusPlus(replace(data.spec, timestamp=None))


@pytest.mark.parametrize("name", ["bins", "days_per_user"])
def test_at_least_one(data, name):
    with pytest.raises(ValueError, match=f"{name}=0 must be 1 or more"):
        TimeSVDPlusPlus(data.spec, **{name: 0})


def test_ratings_outside_the_declared_range_are_refused(data):
    with pytest.raises(ValueError, match=r"outside rating_range \[1, 4\], such as 5"):
        TimeSVDPlusPlus(data.spec, rating_range=(1, 4)).adapt(data)
