"""Session-parallel batches, against orders written by hand and a plain loop."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from tfrec.data.interactions import Interactions
from tfrec.data.session_parallel import SessionParallel
from tfrec.features import Categorical, FeatureSpec

FIRST = 2


def clicks(*sessions, times=None, shuffle=None) -> Interactions:
    """Sessions of item numbers, -1 for an unknown item."""
    spec = FeatureSpec(
        (
            Categorical(
                "user_id", "user", vocabulary=tuple(f"s{n}" for n in range(300))
            ),
            Categorical("item_id", "item", vocabulary=tuple(map(str, range(100)))),
        ),
        timestamp=None if times is None else "time",
    )
    user = np.repeat(np.arange(len(sessions)), [len(s) for s in sessions]) + FIRST
    item = np.concatenate(sessions) + FIRST
    columns = {"user_id": user.astype(np.int32), "item_id": item.astype(np.int32)}
    if times is not None:
        columns["time"] = np.concatenate(times)
    return Interactions(spec, columns)


FIVE = clicks([1, 2, 3], [11, 12], [21, 22, 23, 24], [31, 32], [41, 42, 43])


def steps(data: Interactions, lanes: int, **options) -> list:
    """(item, next) of every lane in every step, ``!`` where the session is fresh."""
    found = []
    for batch in data.batches(SessionParallel(), lanes, **options):
        item, following, fresh = (
            batch[name].numpy() for name in ("item_id/index", "next/index", "fresh")
        )
        found.append(
            [
                (int(i) - FIRST, int(n) - FIRST, *("!" * int(f)))
                for i, n, f in zip(item, following, fresh, strict=True)
            ]
        )
    return found


def test_five_sessions_in_two_lanes():
    assert steps(FIVE, 2, shuffle=False) == [
        [(1, 2, "!"), (11, 12, "!")],
        [(2, 3), (21, 22, "!")],  # the second session has ended, the third comes
        [(31, 32, "!"), (22, 23)],  # the first has ended, the fourth comes
        [(41, 42, "!"), (23, 24)],
        [(42, 43), (1, 2, "!")],  # all have begun: the first again, to fill the lane
    ]


def test_lanes_that_end_together_take_the_next_sessions_in_order():
    data = clicks([1, 2], [11, 12], [21, 22, 23], [31, 32], [41, 42])
    assert steps(data, 3, shuffle=False) == [
        [(1, 2, "!"), (11, 12, "!"), (21, 22, "!")],
        [(31, 32, "!"), (41, 42, "!"), (22, 23)],
    ]


def test_sessions_come_in_order_of_their_first_click():
    data = clicks([1, 2], [11, 12], [21, 22], times=([50, 60], [10, 90], [20, 30]))
    assert steps(data, 1, shuffle=False) == [
        [(11, 12, "!")],
        [(21, 22, "!")],
        [(1, 2, "!")],
    ]


def test_a_session_of_one_click_teaches_nothing():
    data = clicks([7], [1, 2], [8], [3, -1, 4], [-1, 9])
    assert steps(data, 8, shuffle=False) == [[(1, 2, "!"), (3, 4, "!")]]
    with pytest.raises(ValueError, match="no user with two events of known items"):
        clicks([7], [8]).batches(SessionParallel(), 4)


def test_users_outside_the_vocabulary_share_no_session():
    data = clicks([1, 2], [11, 12])
    columns = {**data.columns, "user_id": np.array([1, 1, 2, 2], np.int32)}
    strangers = Interactions(data.spec, columns)
    assert steps(strangers, 4, shuffle=False) == [[(11, 12, "!")]]


def test_an_epoch_visits_what_there_is_and_another_epoch_in_another_order():
    rng = np.random.default_rng(0)
    data = clicks(*(rng.integers(0, 100, rng.integers(2, 9)) for _ in range(200)))
    batches = data.batches(SessionParallel(), 16, seed=3)
    epochs = [
        [batch["item_id/index"].numpy().tolist() for batch in batches] for _ in range(2)
    ]
    assert epochs[0] != epochs[1]
    assert len(epochs[0]) == len(epochs[1]) == int(batches.cardinality())
    items = [(data.item[data.user == u + FIRST] - FIRST).tolist() for u in range(200)]
    expected = Counter(pair for session in items for pair in pairwise(session))
    seen = Counter(pair[:2] for step in steps(data, 16) for pair in step)
    missed = sum((expected - seen).values())
    assert missed < 16 * 8  # what is left of the sessions that the epoch cuts
    assert sum(seen.values()) - sum(expected.values()) < 16


def test_every_lane_holds_one_session_from_its_start_without_a_gap():
    rng = np.random.default_rng(1)
    lengths = rng.integers(2, 9, 100)
    data = clicks(*(np.arange(n) for n in lengths))
    lanes = list(zip(*steps(data, 7), strict=True))
    for lane in lanes:
        for before, now in pairwise(lane):
            if now[-1] == "!":
                assert now[0] == 0
            else:
                assert now[:2] == (before[1], before[1] + 1)


def test_a_session_of_ten_thousand_clicks_fills_a_lane():
    long = np.arange(10_000) % 100
    data = clicks([1, 2], long, [3, 4])
    found = steps(data, 2, shuffle=False)
    assert len(found) == (9_999 + 2 + 1) // 2
    assert [lane[1][0] for lane in found[:200]] == long[:200].tolist()
    assert sum(lane[1][-1] == "!" for lane in found) == 1


def test_events_without_an_order_are_refused():
    data = Interactions(FIVE.spec, FIVE.columns, ordered=False)
    with pytest.raises(ValueError, match="have no order, and what follows what"):
        data.batches(SessionParallel(), 2)
