import numpy as np
import pytest

from tfrec.data import split
from tfrec.data.interactions import Interactions
from tfrec.data.sides import leave_last_out_sides, random_cuts, temporal_sides
from tfrec.features import Categorical, FeatureSpec


def events(users, times, timestamp="time"):
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=tuple("abcdefgh")),
            Categorical("item_id", "item", vocabulary=("x",)),
        ),
        timestamp=timestamp,
    )
    columns = {
        "user_id": np.asarray(users, np.int32) + 2,
        "item_id": np.full(len(users), 2, np.int32),
    }
    if timestamp:
        columns[timestamp] = np.asarray(times, np.int64)
    return Interactions(spec, columns, name="hand-made")


def test_temporal_split_by_hand():
    # Ten events, shares 0.2 and 0.1: the three latest are held out.
    data = events([0] * 10, [50, 10, 90, 30, 70, 20, 100, 40, 80, 60])
    train, valid, test = split.temporal(data, valid=0.2, test=0.1)
    np.testing.assert_array_equal(train, [0, 1, 3, 4, 5, 7, 9])
    np.testing.assert_array_equal(valid, [2, 8])
    np.testing.assert_array_equal(test, [6])


def test_temporal_ties_at_the_cut_fall_on_its_later_side():
    # The cut is at the eighth event, whose time the seventh and ninth share.
    data = events([0] * 10, [1, 2, 3, 4, 5, 6, 7, 7, 7, 9])
    train, valid, test = split.temporal(data, valid=0.2, test=0.1)
    np.testing.assert_array_equal(train, np.arange(6))
    np.testing.assert_array_equal(valid, [6, 7, 8])
    np.testing.assert_array_equal(test, [9])


def test_temporal_split_leaks_no_time():
    rng = np.random.default_rng(0)
    data = events(rng.integers(0, 8, 1000), rng.integers(0, 300, 1000))
    train, valid, test = data.split("temporal")
    assert train.timestamp.max() < valid.timestamp.min()
    assert valid.timestamp.max() < test.timestamp.min()
    assert len(train) + len(valid) + len(test) == len(data)
    assert test.past is not None
    assert test.past.timestamp.max() < test.timestamp.min()


def test_temporal_refuses_one_time_for_all():
    with pytest.raises(ValueError, match="leaves train empty: too many events share"):
        split.temporal(events([0, 1, 2], [5, 5, 5]), valid=0, test=0.3)
    with pytest.raises(ValueError, match="leaves valid empty"):
        temporal_sides(np.array([1, 2, 3, 9, 9]), 0.2, 0.2)


def test_leave_last_out_by_hand():
    # User 0: times 5, 1, 9 (rows 0, 2, 5); user 1 has two events and stays in train;
    # user 2 has a tie at 4, which row order breaks.
    data = events([0, 1, 0, 2, 2, 0, 1, 2], [5, 1, 1, 4, 4, 9, 2, 3])
    train, valid, test = split.leave_last_out(data)
    np.testing.assert_array_equal(train, [1, 2, 6, 7])
    np.testing.assert_array_equal(valid, [0, 3])
    np.testing.assert_array_equal(test, [4, 5])


def test_leave_last_out_needs_three_events():
    with pytest.raises(ValueError, match="no user has three events"):
        leave_last_out_sides(np.array([0, 0, 1]), np.array([1, 2, 3]))


def test_random_split_has_exact_shares_and_is_seeded():
    data = events(np.zeros(1001, int), np.zeros(1001, int))
    parts = split.random(data, valid=0.1, test=0.25, seed=3)
    assert [len(p) for p in parts] == [651, 100, 250]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1001))
    again = split.random(data, valid=0.1, test=0.25, seed=3)
    other = split.random(data, valid=0.1, test=0.25, seed=4)
    np.testing.assert_array_equal(parts[2], again[2])
    assert not np.array_equal(parts[2], other[2])


def test_random_cuts_do_not_depend_on_the_block():
    assert random_cuts(5000, 0.1, 0.1, 1, block=37) == random_cuts(5000, 0.1, 0.1, 1)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.1), (0.2, 0.9)])
def test_shares_are_checked(shares):
    with pytest.raises(ValueError, match="must sum to less than 1"):
        split.random(events([0] * 10, range(10)), *shares)


def test_split_without_times_or_with_another_name():
    data = events([0, 0, 0], [], timestamp=None)
    with pytest.raises(ValueError, match=r"needs event times and hand-made has none"):
        data.split("temporal")
    with pytest.raises(ValueError, match="did you mean 'temporal'"):
        data.split("temporl")
