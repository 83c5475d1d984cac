"""Exact membership behind a filter."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.key_set import KeySet


@pytest.mark.parametrize("n", [0, 1, 2, 1_000, 200_000])
def test_every_member_and_nothing_else_is_found(n):
    rng = np.random.default_rng(n)
    keys = np.unique(rng.integers(0, 40 * n + 1, n))
    asked = np.concatenate([keys, rng.integers(0, 40 * n + 10, 5_000)])
    rng.shuffle(asked)
    members = KeySet(keys)
    assert len(members) == len(keys)
    contains = tf.function(members.contains)(tf.constant(asked))
    np.testing.assert_array_equal(contains, np.isin(asked, keys))
    np.testing.assert_array_equal(
        members.places(tf.constant(asked)), np.flatnonzero(np.isin(asked, keys))
    )


def test_keys_near_the_largest_integer_and_no_keys_at_all():
    largest = np.iinfo(np.int64).max
    members = KeySet(np.array([0, 5, largest]))
    asked = tf.constant([largest, largest - 1, 5, 0, 1], tf.int64)
    assert members.contains(asked).numpy().tolist() == [True, False, True, True, False]
    assert members.contains(asked[:0]).shape == (0,)


def test_the_filter_leaves_little_to_the_search():
    rng = np.random.default_rng(0)
    # Keys as the library makes them: user * items + item.
    keys = np.unique(rng.integers(0, 6_040, 300_000) * 3_708 + rng.integers(0, 3_708))
    members = KeySet(keys)
    others = rng.integers(0, 6_040 * 3_708, 50_000)
    others = others[~np.isin(others, keys)]
    passed = members._maybe(tf.constant(others)).numpy().mean()
    assert passed < 0.1
