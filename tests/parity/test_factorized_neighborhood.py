"""Factored item-item weights: Koren 2010, sections 2.1 and 3 to 5."""

import dataclasses
import warnings

import numpy as np
import pytest
import tensorflow as tf
from timed import DAY, ITEM, RATING, USER, Weights, batch, built, moments, squares

from tfrec import models, serving
from tfrec.data.ratings import Ratings
from tfrec.data.timeline import SECOND
from tfrec.models.factorization.factorized_neighborhood import FactorizedNeighborhood

DECAY, OF_USERS, OF_ITEMS = 0.02, 7.0, 4.0
CONFIG = {
    "decay": DECAY,
    "user_regularisation": OF_USERS,
    "item_regularisation": OF_ITEMS,
}


def weights(model: FactorizedNeighborhood) -> dict[str, tf.Variable]:
    found = {
        "q": model.item_table.embeddings,
        "b_u": model.user_bias.embeddings,
        "b_i": model.item_bias.embeddings,
        "x": model.explicit,
        "y": model.implicit,
    }
    if model.decays:
        found["theta"] = model.forgetting.embeddings
    return found


def values(model: FactorizedNeighborhood) -> Weights:
    return {name: v.numpy().astype(float) for name, v in weights(model).items()}


def baseline(data) -> tuple[float, dict[int, float], dict[int, float]]:
    """Mean, item and user constants of section 2.1."""
    mean = data.label.astype(float).mean()
    of_item = {
        i: np.sum(data.label[data.item == i] - mean)
        / (OF_ITEMS + np.sum(data.item == i))
        for i in np.unique(data.item)
    }
    rest = data.label - mean - np.array([of_item[i] for i in data.item])
    of_user = {
        u: np.sum(rest[data.user == u]) / (OF_USERS + np.sum(data.user == u))
        for u in np.unique(data.user)
    }
    return mean, of_item, of_user


def rated_by(data, user: int) -> list[tuple[int, float, int]]:
    """Item, ``r_uj - b_uj`` and day of all distinct items, the latest rating each."""
    if user < data.spec.user_column.first:
        return []
    mean, of_item, of_user = baseline(data)
    found = {}
    for row in np.argsort(data.seconds, kind="stable"):
        item = data.item[row]
        if data.user[row] == user and item >= data.spec.item_column.first:
            rest = data.label[row] - mean - of_item[item] - of_user[user]
            found[item] = (item, rest, data.seconds[row] // DAY)
    return list(found.values())


def rating(w: Weights, data, hide: bool = False) -> np.ndarray:
    found, time = [], data.seconds
    for u, i, t in zip(USER, ITEM, moments(data), strict=True):
        day = np.clip(t, time.min(), time.max()) // DAY
        rated = rated_by(data, u)
        total = np.zeros(3)
        for j, rest, then in rated:
            column = j - data.spec.item_column.first
            kept = 1.0
            if "theta" in w:
                kept = np.exp(-DECAY * np.exp(w["theta"][u, 0]) * abs(day - then))
            if not (hide and j == i):
                total += kept * rest * w["x"][column]
            total += kept * w["y"][column]
        total /= np.sqrt(max(len(rated), 1))
        bias = w["b_u"][u, 0] + w["b_i"][i, 0]
        found.append(data.label.mean() + bias + w["q"][i] @ total)
    return np.array(found)


@pytest.fixture(scope="module")
def events(data):
    """With a pair that is rated twice, and two of the batch that are rated at all."""
    again = data.take(np.arange(5))
    again.columns["rating"] = 6 - again.label
    again.columns["timestamp"] = again.timestamp + 9 * DAY * SECOND
    both = data.concat(again)
    both.columns["movie_id"] = both.item.copy()
    for user, item in zip(USER[:2], ITEM[:2], strict=True):
        both.columns["movie_id"][np.argmax(both.user == user)] = item
    return both


def test_the_batch_asks_for_ratings_that_are_known(events):
    assert any(
        i in [j for j, *_ in rated_by(events, u)]
        for u, i in zip(USER, ITEM, strict=True)
    )


@pytest.mark.parametrize(
    ("decay", "min_label"), [(0.0, None), (DECAY, None), (DECAY, 4), (DECAY, 9)]
)
def test_prediction(events, randomise, decay, min_label):
    ruled = events.with_min_label(min_label)  # of what is liked, ratings know nothing
    model = built(
        FactorizedNeighborhood, ruled, randomise, **{**CONFIG, "decay": decay}
    )
    found = model(batch(events))
    np.testing.assert_allclose(found, rating(values(model), events), rtol=1e-4)


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_loss_and_step(events, randomise, check_step, hide, l2):
    model = built(
        FactorizedNeighborhood, events, randomise, l2=l2, leave_own_out=hide, **CONFIG
    )

    def loss(w: Weights) -> float:
        rows = w["q"][ITEM], w["b_u"][USER], w["b_i"][ITEM]
        penalty = sum(squares(values) for values in rows)
        for user in USER:
            for item, *_ in rated_by(events, user):
                column = item - events.spec.item_column.first
                penalty += squares(w["x"][column]) + squares(w["y"][column])
        error = RATING - rating(w, events, hide)
        return np.mean(error**2) + l2 * penalty

    check_step(model, (batch(events), tf.constant(RATING)), weights(model), loss)


def test_a_new_rating_counts_without_learning(data, randomise):
    """There are no user factors: ``adapt`` moves the user on."""
    half = data.take(np.flatnonzero(data.seconds < np.median(data.seconds)))
    model = built(FactorizedNeighborhood, half, randomise, **CONFIG)
    first, last = int(model.clock.first), int(model.clock.last)
    model.adapt(data)
    assert (int(model.clock.first), int(model.clock.last)) == (first, last)
    w, user, item = values(model), 7, 9
    total = np.zeros(3)
    rated = rated_by(data, user)
    for j, rest, then in rated:
        away = abs(last // DAY - then)
        kept = np.exp(-DECAY * np.exp(w["theta"][user, 0]) * away)
        column = j - data.spec.item_column.first
        total += kept * (rest * w["x"][column] + w["y"][column])
    expected = half.label.mean() + w["b_u"][user] + w["b_i"][item]
    expected = expected + w["q"][item] @ total / np.sqrt(len(rated))
    ids = {
        "user_id/index": tf.constant([user], tf.int32),
        "movie_id/index": tf.constant([item], tf.int32),
    }
    np.testing.assert_allclose(model(ids), expected, rtol=1e-4)


def test_without_timestamps_nothing_decays(data):
    spec = dataclasses.replace(data.spec, timestamp=None)
    columns = {k: v for k, v in data.columns.items() if k != "timestamp"}
    untimed = dataclasses.replace(data, spec=spec, columns=columns)
    model = FactorizedNeighborhood(spec, dim=4)
    model.compile()
    assert model.view() == Ratings(by_user=True)
    losses = model.fit(untimed.batches(model, 64), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert not model.decays


def test_saved_and_exported_it_knows_how_and_when(data, randomise, tmp_path):
    model = built(FactorizedNeighborhood, data, randomise, **CONFIG)
    assert model.view() == Ratings(timed=True, by_user=True)
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
    np.testing.assert_array_equal(found.cold, [False, False, False, True])


@pytest.mark.parametrize("time", [0, 2**40])
def test_one_rating_in_any_year(data, time):
    """A user whose only rating has another time than everybody's."""
    keep = data.user != 2
    keep[np.argmin(keep)] = True
    few = data.take(keep)
    few.columns["timestamp"] = np.where(few.user == 2, time, few.seconds) * SECOND
    model = FactorizedNeighborhood(data.spec, dim=4)
    model.compile()
    losses = model.fit(few.batches(model, 64), epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    scores = model.recommend({"user_id": ["u0"]}, k=30, drop_seen=False).score
    assert np.isfinite(scores).all()


def test_refusals(data):
    for name in CONFIG:
        with pytest.raises(ValueError, match=rf"{name}=-1\.0 must not be negative"):
            FactorizedNeighborhood(data.spec, **{name: -1.0})
    with pytest.raises(ValueError, match=r"outside rating_range \[2, 4\], such as 5"):
        FactorizedNeighborhood(data.spec, rating_range=(2, 4)).adapt(data)
