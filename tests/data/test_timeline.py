"""Events by user in time order, against loops over Python lists."""

import numpy as np
import pytest

from tfrec.data.timeline import Timeline


def random_events(n: int = 200, ticks: int = 40, seed: int = 1):
    rng = np.random.default_rng(seed)
    return rng.integers(2, 9, n), rng.integers(2, 30, n), rng.integers(0, ticks, n)


def done_before(row: int, user, item, time) -> list[int]:
    earlier = [
        r for r in range(len(user)) if user[r] == user[row] and time[r] < time[row]
    ]
    return [int(item[r]) for r in sorted(earlier, key=lambda r: (time[r], r))]


@pytest.mark.parametrize("ticks", [1, 5, 1000])
def test_before_a_row_stands_what_the_user_did_strictly_earlier(ticks):
    user, item, time = random_events(ticks=ticks)
    line = Timeline.of(user, item, time, users=12)
    for row in range(len(user)):
        found = line.items[line.start[user[row]] : line.before[row]]
        assert found.tolist() == done_before(row, user, item, time)


def test_tied_events_do_not_see_each_other():
    user, item = np.array([2, 2, 2, 2]), np.array([10, 11, 12, 13])
    line = Timeline.of(user, item, np.array([5, 7, 7, 9]), users=4)
    seen = [line.items[line.start[2] : end].tolist() for end in line.before]
    assert seen == [[], [10], [10], [10, 11, 12]]


def test_without_times_rows_are_in_order():
    user, item = np.array([3, 2, 3, 3]), np.array([7, 8, 9, 6])
    line = Timeline.of(user, item, None, users=5)
    assert line.items[line.start[3] : line.start[4]].tolist() == [7, 9, 6]
    assert [int(end - line.start[3]) for end in line.before[[0, 2, 3]]] == [0, 1, 2]


def test_order_is_user_then_time_then_row():
    user, item, time = random_events(ticks=6)
    line = Timeline.of(user, item, time, users=12)
    expected = sorted(range(len(user)), key=lambda r: (user[r], time[r], r))
    assert line.order.tolist() == expected
    assert np.diff(line.start).tolist() == np.bincount(user, minlength=12).tolist()


@pytest.mark.parametrize("length", [1, 3, 100])
def test_latest_is_oldest_first_and_padded_at_the_right(length):
    user, item, time = random_events()
    line = Timeline.of(user, item, time, users=12)
    users = np.array([0, 2, 5, 11, 2])
    found = line.latest(users, length)
    assert found.shape == (5, length)
    assert found.dtype == np.int32
    for row, one in zip(found, users, strict=True):
        mine = sorted(np.flatnonzero(user == one), key=lambda r: (time[r], r))
        expected = item[mine].tolist()[-length:]
        assert row.tolist() == expected + [0] * (length - len(expected))


def test_of_no_events_nothing_is_latest():
    none = np.empty(0, np.int64)
    line = Timeline.of(none, none, none, users=4)
    assert line.latest(np.array([1, 3]), 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("timed", [True, False])
def test_events_in_order_already_have_the_timeline_of_any_others(timed):
    rng = np.random.default_rng(0)
    user, item = np.sort(rng.integers(0, 6, 60)), rng.integers(0, 20, 60)
    time = np.concatenate(
        [np.sort(rng.integers(0, 9, n)) for n in np.bincount(user, minlength=6)]
    )
    time = time if timed else None
    line = Timeline.of(user, item, time, 6)
    np.testing.assert_array_equal(line.order, np.arange(60))
    np.testing.assert_array_equal(line.items, item)
    when = np.arange(60) if time is None else time
    for row in range(60):
        earlier = np.sum((user == user[row]) & (when < when[row]))
        assert line.before[row] - line.start[user[row]] == earlier
