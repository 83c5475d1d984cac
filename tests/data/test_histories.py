"""Histories of validation and test events, and of events without an order."""

import dataclasses

import numpy as np
import pytest

from tfrec.data.histories import histories
from tfrec.data.views import Positives


def past_of(data, user, when):
    """Items of the user strictly before, oldest first."""
    rows = np.flatnonzero((data.user == user) & (data.timestamp < when))
    return data.item[rows[np.argsort(data.timestamp[rows], kind="stable")]].tolist()


@pytest.mark.parametrize("how", ["temporal", "leave_last_out", "random"])
def test_what_happened_before_an_event_of_a_part_is_its_history(data, how):
    longest = 0
    for part in data.split(how):
        known = part if part.past is None else part.past.concat(part)
        found = histories(part)(np.arange(len(part)), 100).numpy()
        for row, items in enumerate(found):
            expected = past_of(known, part.user[row], part.timestamp[row])
            assert items[items > 0].tolist() == expected
            longest = max(longest, len(expected))
    assert longest > 5


def test_a_batch_of_test_events_holds_the_events_of_training(data):
    _, _, test = data.split("leave_last_out")
    expected = histories(test)(np.arange(len(test)), 6)
    narrow = test.with_spec(data.spec.select("user_id", "history"))
    batch = next(iter(narrow.batches(Positives(), len(test), shuffle=False)))
    np.testing.assert_array_equal(batch["history/index"], expected)
    assert (expected.numpy()[:, 0] > 0).all()


def test_without_an_order_a_history_is_the_user_s_other_events_in_a_circle(data):
    rows = np.flatnonzero(np.isin(data.user, [2, 3]))
    loose = dataclasses.replace(data.take(rows), ordered=False)
    own = {
        user: loose.timeline.items[start : start + 15].tolist()
        for user, start in ((user, loose.timeline.start[user]) for user in (2, 3))
    }
    for length in (1, 6, 14, 20):
        found = histories(loose)(np.arange(len(loose)), length).numpy()
        for user, item, history in zip(loose.user, loose.item, found, strict=True):
            place = own[user].index(item)
            circle = own[user][place + 1 :] + own[user][:place]
            assert history.tolist() == (circle + [0] * 6)[:length]
