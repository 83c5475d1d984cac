"""DeepCoevolve: Dai et al. 2016, sections 3 and 4."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from timed import DAY

from tfrec import keras, models, serving
from tfrec.data.t_batches import FIRST, FRESH, TBatches, runs, t_batches
from tfrec.data.timeline import SECOND
from tfrec.models.sequential._rayleigh import cumulative
from tfrec.models.sequential.deep_coevolve import DeepCoevolve

DIM, HOUR = 3, 3_600
INTEGRAL = getattr(np, "trapezoid", None) or np.trapz


def make(data, randomise, **more):
    model = DeepCoevolve(data.spec, dim=DIM, negatives=50, **more)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    return model


def weights(model):
    return {
        "W": model.users.kernel,
        "V": model.items.kernel,
        "e_u": model.users.base.embeddings,
        "e_i": model.items.base.embeddings,
        "b": model.item_bias.embeddings,
    }


def values(model):
    return {name: v.numpy().astype(float) for name, v in weights(model).items()}


class Replay:
    """Events one after the other, in plain NumPy."""

    def __init__(self, w, first, unit, mean, spread):
        self.w, self.first, self.unit = w, first, unit
        self.mean, self.spread = mean, spread
        self.terms, self.last = {}, {}

    @classmethod
    def of(cls, model, data):
        user = data.user
        order = np.lexsort((data.seconds, user))
        gaps = np.diff(data.seconds[order])[np.diff(user[order]) == 0]
        unit = max(np.maximum(gaps, 1).mean(), HOUR)
        first = data.seconds.min()
        return cls(values(model), first, unit, data.label.mean(), data.label.std())

    def state(self, side, row, w=None):
        w = w or self.w
        terms = self.terms.get((side, row), np.zeros(2 * DIM + 2))
        kernel, base = (w["W"], w["e_u"]) if side == "u" else (w["V"], w["e_i"])
        return np.tanh(terms @ kernel + base[row])

    def time(self, side, row):
        return self.last.get((side, row), 0)

    def event(self, user, item, time, label):
        f, g, now = self.state("u", user), self.state("i", item), time - self.first
        q = (label - self.mean) / self.spread
        for key, own, other in ((("u", user), f, g), (("i", item), g, f)):
            since = np.log1p((now - self.time(*key)) / self.unit)
            self.terms[key] = np.array([since, *own, *other, q])
        self.last["u", user] = self.last["i", item] = now

    def run(self, data):
        rows = np.argsort(data.seconds, kind="stable")
        columns = data.user, data.item, data.seconds, data.label
        for event in zip(*(column[rows] for column in columns), strict=True):
            self.event(*event)
        return self


def halves(data):
    cut = np.median(data.seconds)
    return data.take(data.seconds < cut), data.take(data.seconds >= cut)


# Batches in time


def test_t_batches_by_hand():
    """Each event after the batches of its user's and of its item's last event."""
    events = [(1, 1), (2, 2), (1, 2), (3, 3), (2, 1), (1, 1), (1, 1), (4, 4)]
    user, item = np.array(events).T
    assert t_batches(user, item).tolist() == [0, 0, 1, 0, 1, 2, 3, 0]
    assert runs(user, item) == [(0, 2), (2, 5), (5, 6), (6, 8)]
    assert t_batches(user[:0], item[:0]).tolist() == runs(user[:0], item[:0]) == []


def test_t_batches_hold_nobodys_past():
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 50, 2_000), rng.integers(0, 80, 2_000) ** 2 // 80
    found = t_batches(user, item)
    last: dict = {}
    for u, i, number in zip(user, item, found, strict=True):
        past = [last.get(("u", u), -1), last.get(("i", i), -1)]
        assert number == 1 + max(past)
        last["u", u] = last["i", i] = number
    assert found.max() < 500
    for low, high in runs(user, item):
        for ids in (user, item):
            assert len(np.unique(ids[low:high])) == high - low
    assert runs(user, item)[-1][1] == 2_000


@pytest.mark.parametrize("size", [4, 1_000])
def test_the_view_is_every_event_once_in_order(data, size):
    mixed = data.take(np.random.default_rng(0).permutation(len(data)))
    mixed.columns["user_id"][::50] = 1  # unknown users
    seen, latest = [], {}
    for step, batch in enumerate(mixed.batches(TBatches(), size)):
        user, item = batch["user_id/index"].numpy(), batch["movie_id/index"].numpy()
        assert len(np.unique(user)) == len(np.unique(item)) == len(user) <= size
        assert np.all(batch[FRESH].numpy() == (step == 0))
        time, label = batch["timestamp"].numpy(), batch["rating"].numpy()
        for u, i, t, y, first in zip(
            user, item, time, label, batch[FIRST].numpy(), strict=True
        ):
            assert first == (("u", u) not in latest)
            assert t >= max(latest.get(("u", u), 0), latest.get(("i", i), 0))
            latest["u", u] = latest["i", i] = t
            seen.append((u, i, t, y))
    known = mixed.user > 1
    columns = mixed.user, mixed.item, mixed.seconds, mixed.label
    assert sorted(seen) == sorted(zip(*(c[known] for c in columns), strict=True))


# States


def test_states_are_those_of_events_in_turn(data, randomise):
    """Rows are in any order, which decides among events of one time alone."""
    model = make(data, randomise)
    mixed = data.take(np.random.default_rng(1).permutation(len(data)))
    replay = Replay.of(model, data).run(mixed)
    model.observe(mixed)
    users, items = np.unique(data.user), np.unique(data.item)
    expected = [replay.state("u", u) for u in users]
    np.testing.assert_allclose(model.users(users), expected, rtol=1e-4, atol=1e-5)
    expected = [replay.state("i", i) for i in items]
    np.testing.assert_allclose(model.items(items), expected, rtol=1e-4, atol=1e-5)
    assert float(model.unit) == pytest.approx(replay.unit)


def test_part_after_part_is_all_at_once(data, randomise):
    parts, whole = make(data, randomise), make(data, randomise)
    start = [w.numpy() for w in parts.trainable_variables]
    whole.observe(data)
    for part in halves(data):
        parts.observe(part)
    for ours, theirs in zip(parts.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for before, variable in zip(start, parts.trainable_variables, strict=True):
        np.testing.assert_array_equal(before, variable.numpy())


def test_a_later_event_changes_no_earlier_state(data, randomise):
    past, _ = halves(data)
    later = data.seconds >= np.median(data.seconds)
    label = np.where(later, 6 - data.label, data.label).astype(np.float32)
    other = replace(data, columns={**data.columns, "rating": label})
    ours, theirs = make(data, randomise), make(data, randomise)
    ours.observe(past)
    theirs.observe(other.take(~later))
    np.testing.assert_array_equal(ours.users.memory, theirs.users.memory)


@pytest.mark.usefixtures("graphs")
def test_training_leaves_the_states_of_the_events(data, randomise):
    """With a learning rate of nothing, those of the last epoch alone."""
    model = make(data, randomise)
    model.compile(keras.optimizers.SGD(0.0))
    model.fit(data.batches(model, 64), epochs=2, verbose=0)
    replay = Replay.of(model, data).run(data)
    users = np.unique(data.user)
    expected = [replay.state("u", u) for u in users]
    np.testing.assert_allclose(model.users(users), expected, rtol=1e-4, atol=1e-5)


# The process


@pytest.mark.parametrize("exponent", [-3.0, 0.0, 1.5])
def test_intensity_survival_and_return_time(data, exponent):
    """Against numeric integration, in mean times between events."""
    model = DeepCoevolve(data.spec, dim=DIM, resolution=1e-9)
    model.adapt(data)
    time = np.linspace(0, 60, 600_001)
    s = tf.fill([len(time)], exponent)
    intensity = np.exp(model.log_intensity(s, tf.constant(time, tf.float32)).numpy())
    np.testing.assert_allclose(intensity[1:], np.exp(exponent) * time[1:], rtol=1e-4)
    survival = np.exp(-cumulative(s, tf.constant(time, tf.float32)).numpy())
    steps = (intensity[1:] + intensity[:-1]) / 2 * np.diff(time)
    steps[0] = intensity[1] * time[1] / 2
    integral = np.append(0, np.cumsum(steps))
    np.testing.assert_allclose(survival, np.exp(-integral), rtol=1e-3, atol=1e-5)
    density = np.append(0, intensity[1:]) * survival
    assert INTEGRAL(density, time) == pytest.approx(1, rel=1e-3)
    hours = float(model.expected_hours(tf.constant(exponent)))
    expected = INTEGRAL(time * density, time) * float(model.unit) / HOUR
    assert hours == pytest.approx(expected, rel=1e-3)


def test_scores_and_return_times_of_pairs(data, randomise):
    past, newer = halves(data)
    model = make(data, randomise)
    replay, w = Replay.of(model, data).run(past), values(model)
    model.observe(past)
    user, item = newer.user[:40], newer.item[:40]
    time = newer.seconds[:40]
    constant = float(model.constant)
    scores, hours = [], []
    for u, i, t in zip(user, item, time, strict=True):
        exponent = replay.state("u", u) @ replay.state("i", i) + w["b"][i, 0] + constant
        last = max(replay.time("u", u), replay.time("i", i))
        elapsed = max((t - replay.first - last) / replay.unit, HOUR / replay.unit)
        scores.append(exponent + np.log(elapsed))
        hours.append(np.sqrt(np.pi / (2 * np.exp(exponent))) * replay.unit / HOUR)
    features = {
        "user_id/index": tf.constant(user),
        "movie_id/index": tf.constant(item),
        "timestamp": tf.constant(time),
    }
    np.testing.assert_allclose(model(features), scores, rtol=1e-4, atol=1e-4)
    found = model.return_time(features)["hours"]
    np.testing.assert_allclose(found, hours, rtol=1e-3)
    state = model.catalogue_state()
    ranked = model.catalogue_scores(features, state).numpy()
    own = ranked[np.arange(40), item - data.spec.item_column.first]
    np.testing.assert_allclose(own, scores, rtol=1e-4, atol=1e-4)
    exponents = [
        [
            replay.state("u", u) @ replay.state("i", i) + w["b"][i, 0] + constant
            for i in range(data.spec.item_column.first, data.spec.item_column.size)
        ]
        for u in user
    ]
    total = np.exp(exponents).sum(axis=1)
    expected = np.sqrt(np.pi / (2 * total)) * replay.unit / HOUR
    np.testing.assert_allclose(model.next_hours(features, state), expected, rtol=1e-3)


def likelihood(w, model, data, replay, batch, items, users):
    """Mean over a batch of ``-log lambda - log S``, of drawn rows scaled up."""
    constant, total = float(model.constant), []
    ids = batch["user_id/index"], batch["movie_id/index"], batch["timestamp"]
    there = {}
    for u in np.unique(data.user):
        own = data.seconds[data.user == u] - replay.first
        there[u] = own.min(), own.max()
    for u, i, t, first in zip(*(x.numpy() for x in (*ids, batch[FIRST])), strict=True):
        now = t - replay.first

        def met(u, i, now=now):
            exponent = replay.state("u", u, w) @ replay.state("i", i, w)
            exponent += w["b"][i, 0] + constant
            last = max(replay.time("u", u), replay.time("i", i))
            return exponent, max(now - last, 0) / replay.unit

        def survived(u, i, met=met):
            exponent, elapsed = met(u, i)
            return np.exp(exponent) * elapsed**2 / 2

        loss = 0.0
        if not first:
            exponent, elapsed = met(u, i)
            loss -= exponent + np.log(max(elapsed, HOUR / replay.unit))
            loss += survived(u, i)
            loss += np.mean([survived(u, j) if j != i else 0.0 for j in items]) * 30
        others = [
            survived(v, i) if v != u and there[v][0] < now <= there[v][1] else 0.0
            for v in users
        ]
        total.append(loss + np.mean(others) * 40)
    return np.mean(total)


def following(data, past):
    """A batch of events after those of ``past``, each user and item once."""
    rows = np.flatnonzero(~np.isin(data.seconds, past.seconds))[:200]
    rows = rows[np.unique(data.user[rows], return_index=True)[1]]
    rows = rows[np.unique(data.item[rows], return_index=True)[1]]
    batch = next(iter(data.take(rows).batches(TBatches(), 64)))
    n = len(batch[FRESH])
    return {**batch, FRESH: tf.zeros(n, tf.bool), FIRST: tf.range(n) == 2}


def test_loss_and_step(data, randomise, check_step):
    past, _ = halves(data)
    model = make(data, randomise)
    model.observe(past)
    replay = Replay.of(model, data).run(past)
    batch = following(data, past)
    model.compile()
    items, users = model._drawn(1).numpy(), model._drawn(0).numpy()
    assert len(batch[FRESH]) > 5 and set(items) != set(users)

    def loss(w):
        return likelihood(w, model, data, replay, batch, items, users)

    check_step(model, (batch,), weights(model), loss)


@pytest.mark.usefixtures("graphs")
def test_drawn_rows_stand_for_all(data, randomise):
    """The mean over draws is the sum over all other items and users."""
    past, _ = halves(data)
    model = make(data, randomise)
    model.observe(past)
    replay, batch = Replay.of(model, data).run(past), following(data, past)
    model.compile()
    everything = np.arange(2, 32), np.arange(2, 42)
    expected = likelihood(values(model), model, data, replay, batch, *everything)
    found = []
    for step in range(300):
        model.optimizer.iterations.assign(step)
        found.append(float(model.batch_loss(batch, None, False)))
    error = np.std(found) / np.sqrt(len(found))
    assert error < 0.05 * abs(expected)
    assert abs(np.mean(found) - expected) < 4 * error


# Serving


def test_exported_it_answers_from_its_states(data, randomise, tmp_path):
    past, newer = halves(data)
    model = make(data, randomise)
    model.observe(past)
    query = {"user_id": [*data.spec.user_column.vocabulary[:4], "nobody"]}

    def answer():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "nothing is known of")
            return model.recommend(query, k=6, drop_seen=False)

    before = answer()
    model.observe(newer)
    after = answer()
    assert np.abs(before.score[:4] - after.score[:4]).max() > 0.01
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.users.memory, model.users.memory)
    np.testing.assert_array_equal(loaded.items.last, model.items.last)
    model.export(tmp_path / "model")
    served = serving.load(tmp_path / "model")
    found = served.recommend(query, k=6)
    np.testing.assert_array_equal(found.item_id, after.item_id)
    pair = {"user_id": tf.constant(["u1"]), "movie_id": tf.constant(["m3"])}
    hours = served.signatures["return_time"](**pair)["hours"]
    np.testing.assert_allclose(hours, model.return_time(pair)["hours"], rtol=1e-5)


def test_time_is_an_argument_of_the_answer(data, randomise):
    model = make(data, randomise)
    model.observe(data)
    users, end = ["u1", "u2"], int(data.seconds.max())
    latest = model.recommend({"user_id": users}, k=30, drop_seen=False)
    same = model.recommend(
        {"user_id": users, "timestamp": [end] * 2}, k=30, drop_seen=False
    )
    np.testing.assert_array_equal(latest.score, same.score)
    later = model.recommend(
        {"user_id": users, "timestamp": [end + 90 * DAY] * 2}, k=30, drop_seen=False
    )
    assert np.all(later.score > latest.score)


# Refusals


def test_time_does_not_run_backwards(data, randomise):
    past, newer = halves(data)
    model = make(data, randomise)
    model.observe(newer)
    before = model.users.memory.numpy()
    with pytest.raises(ValueError, match="of 300 events of small are before what the"):
        model.observe(past)
    np.testing.assert_array_equal(model.users.memory, before)


def test_nothing_follows_nothing(data):
    with pytest.raises(ValueError, match="DeepCoevolve has met no data that newer"):
        DeepCoevolve(data.spec).observe(data)


def test_ids_of_other_numbers_are_refused(data, randomise):
    column = data.spec.user_column
    other = replace(column, vocabulary=column.vocabulary[::-1])
    model = make(data, randomise)
    with pytest.raises(ValueError, match="'user_id' of the model is not that of small"):
        model.observe(replace(data, spec=data.spec.replace(other)))


def test_events_of_nobody_known_are_refused(data):
    nobody = data.take(np.arange(20))
    nobody.columns["user_id"] = np.ones(20, np.int32)
    with pytest.raises(ValueError, match="no event of a known user and a known item"):
        nobody.batches(TBatches(), 8)


def test_a_timestamp_is_needed(data):
    bare = replace(data.spec, timestamp=None)
    with pytest.raises(ValueError, match="DeepCoevolve learns from event times"):
        DeepCoevolve(bare)
    with pytest.raises(ValueError, match="told by time, of all events together"):
        replace(data, spec=bare).batches(TBatches(), 8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dim": 0}, "dim=0 must be 1 or more"),
        ({"negatives": 0}, "negatives=0 must be 1 or more"),
        ({"resolution": 0.0}, "resolution=0.0 must be more than 0"),
    ],
)
def test_settings_that_cannot_be(data, wrong, message):
    with pytest.raises(ValueError, match=message):
        DeepCoevolve(data.spec, **wrong)


@pytest.mark.usefixtures("graphs")
def test_all_events_at_one_time_are_learned_from(data):
    still = data.take(np.arange(len(data)))
    still.columns["timestamp"] = np.full(len(data), 10**9 * SECOND)
    model = DeepCoevolve(data.spec)
    model.compile()
    losses = model.fit(still.batches(model, 64), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
