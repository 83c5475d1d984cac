"""Blocks of items against a sort of all in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.indexes import Exact
from tfrec.indexes.chosen import best_of, distinct, member
from tfrec.models.rank import Wanted

FIRST, ITEMS = 2, 23
NONE = np.zeros((3, 0), np.int32)


@pytest.fixture(scope="module")
def vectors():
    # Whole numbers, so that equal scores are equal, and there are many.
    return np.random.default_rng(0).integers(-2, 3, (ITEMS, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def queries():
    return np.random.default_rng(1).integers(-2, 3, (3, 4)).astype(np.float32)


def sorted_by_hand(queries, vectors, k, exclude=NONE, candidates=NONE):
    found, values = [], []
    for row, scores in enumerate(queries @ vectors.T):
        named = {c for c in candidates[row] if c}
        allowed = [
            i
            for i in range(ITEMS)
            if i + FIRST not in set(exclude[row]) and (not named or i + FIRST in named)
        ]
        best = sorted(allowed, key=lambda i: (-scores[i], i))[:k]
        padding = k - len(best)
        found.append([i + FIRST for i in best] + [0] * padding)
        values.append([scores[i] for i in best] + [-np.inf] * padding)
    return found, values


def searched(index, queries, k, exclude=NONE, candidates=NONE):
    @tf.function
    def search(k):
        wanted = Wanted(k, tf.constant(exclude), tf.constant(candidates))
        return index.search(tf.constant(queries), wanted, FIRST)

    items, scores = search(tf.constant(k))
    return items.numpy().tolist(), scores.numpy().tolist()


@pytest.mark.parametrize("block", [1, 5, 22, 23, 100])
@pytest.mark.parametrize("k", [1, 7, ITEMS])
def test_any_block_gives_the_order_of_all(vectors, queries, block, k):
    index = Exact(block)
    index.fit(tf.constant(vectors))
    assert searched(index, queries, k) == sorted_by_hand(queries, vectors, k)


@pytest.mark.parametrize("block", [4, 100])
def test_what_is_excluded_or_no_candidate_stays_out(vectors, queries, block):
    index = Exact(block)
    index.fit(tf.constant(vectors))
    exclude = np.array([[2, 24, 9, 9], [0, 0, 0, 0], [1, 3, 4, 0]], np.int32)
    candidates = np.array([[0, 0, 0], [24, 3, 3], [4, 9, 1]], np.int32)
    for lists in ((exclude, NONE), (NONE, candidates), (exclude, candidates)):
        expected = sorted_by_hand(queries, vectors, 6, *lists)
        assert searched(index, queries, 6, *lists) == expected


def test_a_block_of_nothing_is_refused():
    with pytest.raises(ValueError, match="block=0 scores nothing at once: give 1 or"):
        Exact(0)


def test_members_of_a_row():
    values = tf.constant([[1, 5, 0], [7, 2, 2]])
    rows = tf.constant([[5, 3, 0, 5], [9, 1, 2, 0]])
    expected = [[False, True, True], [False, True, True]]
    assert member(values, rows).numpy().tolist() == expected
    assert not member(values, tf.zeros([2, 0], tf.int32)).numpy().any()


def test_repeated_entries_are_one():
    rows = tf.constant([[4, 2, 4, 4], [0, 3, 0, 3]])
    assert distinct(rows).numpy().tolist() == [[2, 4, 0, 0], [0, 0, 3, 0]]


def test_the_best_of_a_few_is_padded():
    items, scores = tf.constant([[7, 0, 4, 9]]), tf.constant([[1.0, 9.0, 3.0, 2.0]])
    wanted = Wanted(tf.constant(3), tf.constant([[9]]), tf.constant(NONE[:1]))
    found, values = best_of(items, scores, wanted)
    assert found.numpy().tolist() == [[4, 7, 0]]
    assert values.numpy().tolist() == [[3.0, 1.0, -np.inf]]
