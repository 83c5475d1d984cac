"""Clicks as sessions, against counts by hand."""

import warnings

import numpy as np
import pytest

from tfrec.data.interactions import Interactions
from tfrec.data.sessions import in_order, sessions, with_prefixes
from tfrec.data.timeline import SECOND
from tfrec.features import Categorical, FeatureSpec, Sequence


def clicks(users, items, times=None, **more) -> Interactions:
    """Events of users a.. (-1 is unknown) on items 0.. with an age of each user."""
    spec = FeatureSpec(
        (
            Categorical("user", "user", vocabulary=tuple("abcdefgh")),
            Categorical("item", "item", vocabulary=tuple(str(n) for n in range(100))),
            Categorical("age", "user", vocabulary=("young", "old")),
            Sequence("history", of="item", max_len=3),
        ),
        user="user",
        item="item",
        timestamp=None if times is None else "time",
    )
    first = spec.user_column.first
    columns = {
        "user": np.array(users, np.int32) + first,
        "item": np.array(items, np.int32) + first,
    }
    if times is not None:
        columns["time"] = np.rint(np.array(times) * SECOND).astype(np.int64)
    ages = np.array([0, 0, 2, 3, 2, 3, 2, 3, 2, 3], np.int32)
    return Interactions(spec, columns, users={"age": ages}, **more)


def items(data: Interactions) -> list[int]:
    return [int(item) for item in data.raw("item")]


def test_clicks_out_of_order_are_sorted_counted_and_said():
    data = clicks([1, 0, 1, 0, 0], [10, 1, 11, 2, 3], [70, 50, 60, 40, 45])
    with pytest.warns(UserWarning, match="2 events stood after a later one .* of 5"):
        found = in_order(data)
    assert items(found) == [2, 3, 1, 11, 10]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = in_order(found)
    assert items(again) == items(found)


def test_a_time_that_runs_backwards_is_an_order_like_any_other():
    with pytest.warns(UserWarning, match="4 events stood after a later one"):
        found = in_order(clicks([0] * 5, range(5), [9, 8, 7, 6, 5]))
    assert items(found) == [4, 3, 2, 1, 0]


def test_clicks_of_one_second_are_in_the_order_of_their_fractions():
    data = clicks([0] * 4, [1, 2, 3, 2], [7.75, 7.5, 7.25, 7.125])
    with pytest.warns(UserWarning, match="3 events .* sorted, 1 repeated"):
        found = in_order(data)
    assert items(found) == [2, 3, 1]  # the first click on 2 stays
    pause = clicks([0, 0, 0], [1, 2, 3], [0, 3.000001, 6.000001]).sessions(gap=3)
    assert pause.raw("session_id").tolist() == ["a/0", "a/1", "a/1"]


def test_a_double_click_is_one_and_others_of_the_second_keep_their_order():
    data = clicks([0, 0, 0, 0, 1], [5, 4, 5, 5, 5], [1, 1, 1, 2, 1])
    with pytest.warns(UserWarning, match="1 repeated an item within the second"):
        found = in_order(data)
    assert items(found) == [5, 4, 5, 5]
    assert found.raw("user").tolist() == ["a", "a", "a", "b"]


def test_without_times_rows_are_in_order_and_sessions_side_by_side():
    found = in_order(clicks([1, 0, 1, 0], [1, 2, 1, 2]))
    assert found.raw("user").tolist() == ["b", "b", "a", "a"]


def test_a_session_ends_with_a_pause_longer_than_the_gap():
    data = clicks([0, 1, 0, 0, 1, -1, 0], range(7), [0, 5, 10, 21, 5, 6, 500])
    found = data.sessions(gap=10)
    assert found.spec.user == "session_id"
    assert found.spec.user_column.vocabulary == ("a/0", "a/1", "a/2", "b/0")
    assert dict(zip(items(found), found.raw("session_id"), strict=True)) == {
        0: "a/0",
        2: "a/0",
        3: "a/1",
        6: "a/2",
        1: "b/0",
        4: "b/0",
        5: "",
    }
    owner = found.spec.decode("user", found.users["user"])
    assert owner.tolist() == ["", "", "a", "a", "a", "b"]
    ages = found.spec.decode("age", found.users["age"])
    assert ages.tolist() == ["", "", "young", "young", "young", "old"]
    assert "user" not in found.columns


def test_a_history_is_what_came_before_in_the_session():
    data = clicks([0, 0, 0, 0], [1, 2, 3, 4], [0, 5, 100, 101]).sessions(gap=10)
    found = data.queries(np.array([2, 3]), ("history",))["history/index"]
    first = data.spec.item_column.first
    np.testing.assert_array_equal(found - first * (found > 0), [[1, 2, 0], [3, 4, 0]])


def test_prefixes_hold_what_came_before_also_in_the_same_second():
    data = clicks([0, 1, 0, 0, 0, 0], [1, 9, 2, 3, 4, 5], [0, 0, 7, 7, 8, 9])
    found = with_prefixes(data).columns["history"]
    own = found - data.spec.item_column.first * (found > 0)
    expected = [[0] * 3, [0] * 3, [1, 0, 0], [1, 2, 0], [1, 2, 3], [2, 3, 4]]
    np.testing.assert_array_equal(own, expected)
    assert found.dtype == np.int32


def test_a_session_of_ten_thousand_clicks_is_one():
    times = np.arange(10_000) * 30
    data = clicks([0] * 10_000, np.arange(10_000) % 100, times).sessions(gap=30)
    assert data.spec.user_column.vocabulary == ("a/0",)
    assert with_prefixes(data).columns["history"].shape == (10_000, 3)


def test_what_makes_no_sessions_is_refused_in_words():
    timed = clicks([0, 0], [1, 2], [1, 2])
    with pytest.raises(ValueError, match="has no timestamp, and pauses are a matter"):
        sessions(clicks([0], [1]), 10)
    with pytest.raises(ValueError, match="gap=0 seconds must be more than 0"):
        sessions(timed, 0)
    with pytest.raises(ValueError, match="has a column 'session_id' already"):
        sessions(timed.sessions(1), 10)
    with pytest.raises(ValueError, match="is part of a split"):
        sessions(clicks([0], [1], [1], past=timed), 10)
    bare = timed.with_spec(timed.spec.select("user"))
    with pytest.raises(ValueError, match="has no column for what came before"):
        with_prefixes(bare)
