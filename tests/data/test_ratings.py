"""Ratings whose users stay together."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.ratings import Ratings, user_reader

NAMES = ("user_id", "movie_id", "rating", "timestamp")


def rows(block) -> set[tuple]:
    return set(zip(*(block[name].numpy().tolist() for name in NAMES), strict=True))


def blocks(data, seed: int, shuffle: bool = True) -> list[dict[str, tf.Tensor]]:
    return list(user_reader(data, NAMES)(90, shuffle, tf.constant([seed, 1]), None))


def test_a_block_holds_whole_users_and_an_epoch_every_event(data):
    """40 users of 15 events each: six users to a block of 90."""
    every = set(zip(*(data.inputs(name).tolist() for name in NAMES), strict=True))
    found = blocks(data, 3)
    assert [len(b["user_id"]) for b in found] == [90] * 6 + [60]
    assert all(len(np.unique(b["user_id"])) == len(b["user_id"]) // 15 for b in found)
    assert set.union(*map(rows, found)) == every
    assert sum(len(rows(b)) for b in found) == len(every)


def test_users_and_their_events_come_in_another_order_each_time(data):
    first, again, other = (blocks(data, seed) for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one["movie_id"], two["movie_id"])
    assert rows(first[0]) != rows(other[0])
    users = first[0]["user_id"].numpy()
    assert np.sum(np.diff(users) != 0) > 40  # six users in a row would have 5


def test_unshuffled_they_are_as_they_came(data):
    found = blocks(data, 3, shuffle=False)
    items = np.concatenate([b["movie_id"] for b in found])
    np.testing.assert_array_equal(items, data.item)


@pytest.mark.parametrize("by_user", [False, True])
@pytest.mark.parametrize("timed", [False, True])
def test_batches(data, by_user, timed):
    view = Ratings(timed=timed, by_user=by_user)
    batches = list(view.batches(data, 64))
    assert [len(target) for _, target in batches] == [64] * 9 + [24]
    assert ("timestamp" in batches[0][0]) == timed
    known = list(zip(data.user, data.item, strict=True))
    label = dict(zip(known, data.label, strict=True))
    time = dict(zip(known, data.seconds, strict=True))
    for features, target in batches:
        ids = (features[f"{name}_id/index"].numpy() for name in ("user", "movie"))
        pairs = list(zip(*ids, strict=True))
        assert [label[pair] for pair in pairs] == target.numpy().tolist()
        if timed:
            assert [time[p] for p in pairs] == features["timestamp"].numpy().tolist()


def test_time_is_needed_where_it_is_asked_for(data):
    spec = dataclasses.replace(data.spec, timestamp=None)
    with pytest.raises(ValueError, match="no time to learn from: name the timestamp"):
        Ratings(timed=True).batches(data.with_spec(spec), 64)
