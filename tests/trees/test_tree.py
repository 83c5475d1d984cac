"""The tree as arrays."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.trees.tree import Tree

FIRST, ITEMS = 2, 21  # 21 of the 32 leaves of five levels


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(FIRST, FIRST + ITEMS, seed=1)


def test_items_and_leaves_point_at_each_other(tree):
    item_of, leaf_of = tree.item_of.numpy(), tree.leaf_of.numpy()
    assert (tree.depth, item_of.shape, leaf_of.shape) == (5, (32,), (FIRST + ITEMS,))
    assert item_of.dtype == leaf_of.dtype == np.int32
    assert sorted(item_of[item_of > 0]) == list(range(FIRST, FIRST + ITEMS))
    np.testing.assert_array_equal(item_of[leaf_of[FIRST:]], range(FIRST, FIRST + ITEMS))
    assert not tree.trainable_variables


def test_another_seed_is_another_tree(tree):
    again, other = (Tree(FIRST, FIRST + ITEMS, seed).item_of for seed in (1, 2))
    np.testing.assert_array_equal(again, tree.item_of)
    assert np.any(other.numpy() != tree.item_of.numpy())


def test_ancestors_are_the_leaf_without_its_last_bits(tree):
    items = np.array([2, 9, 22])
    found = tree.ancestors(tf.constant(items)).numpy()
    rows = tree.inner_rows(tf.constant(items)).numpy()
    assert found.shape == (3, 5) and rows.shape == (3, 4)
    for row, item in enumerate(items):
        bits = f"{tree.leaf_of.numpy()[item]:05b}"
        assert found[row].tolist() == [int(bits[:level], 2) for level in range(1, 6)]
        # With a one in front, no two nodes of the inner levels have the same row.
        assert rows[row].tolist() == [int("1" + bits[:n], 2) for n in range(1, 5)]


@pytest.mark.parametrize(
    ("negatives", "expected"),
    [
        (30, (1, 3, 6, 8, 10)),  # 20 of 1, 2, 3, 4, and 10; the first has one other
        (60, (1, 3, 7, 15, 20)),
        (24, (1, 3, 5, 6, 8)),
        (1, (1, 1, 1, 1, 1)),
        (1000, (1, 3, 7, 15, 20)),  # all others of a level
    ],
)
def test_levels_get_more_negatives_the_nearer_to_the_leaves(tree, negatives, expected):
    assert tree.counts(negatives) == expected


def test_leaves_get_a_third_of_the_negatives_however_deep_the_tree():
    assert Tree(FIRST, FIRST + 1000).counts(90) == (1, 3, 4, 5, 7, 8, 9, 11, 12, 30)


def test_negatives_are_uniform_on_their_level_and_never_the_ancestor(tree):
    draws, counts, item = 4000, (1, 2, 3, 2, 4), 9
    items = tf.fill([draws], item)
    inner, leaves = tree.negatives(items, counts, tf.constant([5, 6]))
    assert inner.dtype == leaves.dtype == tf.int32
    assert inner.shape == (draws, 8) and leaves.shape == (draws, 4)
    own = tree.ancestors(items)[0].numpy()
    start = 0
    for level, count in enumerate(counts[:-1], start=1):
        codes = inner.numpy()[:, start : start + count] - 2**level
        start += count
        found = np.bincount(codes.ravel(), minlength=2**level)
        assert len(found) == 2**level and found[own[level - 1]] == 0
        expected = draws * count / (2**level - 1)
        others = np.delete(found, own[level - 1])
        assert np.all(np.abs(others - expected) < 5 * np.sqrt(expected))
    found = np.bincount(leaves.numpy().ravel(), minlength=FIRST + ITEMS)
    assert len(found) == FIRST + ITEMS and not found[[0, 1, item]].any()
    others = np.delete(found, [0, 1, item])
    expected = draws * 4 / (ITEMS - 1)
    assert np.all(np.abs(others - expected) < 5 * np.sqrt(expected))


def test_a_draw_is_that_of_its_seed_and_its_rows_differ(tree):
    items, counts = tf.constant([5, 5, 5]), (1, 1, 1, 4, 4)
    once, again, other = (
        np.concatenate(tree.negatives(items, counts, tf.constant(seed)), axis=1)
        for seed in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(once, again)
    assert np.any(once != other)
    assert np.any(once[0] != once[1])


@pytest.mark.parametrize("order", [np.arange(20), np.zeros(21, int), np.arange(1, 22)])
def test_an_order_that_misses_an_item_is_refused(tree, order):
    before = tree.item_of.numpy()
    with pytest.raises(ValueError, match="does not hold each of the 21 items once"):
        tree.plant(order)
    np.testing.assert_array_equal(tree.item_of, before)


def test_one_item_has_a_tree_and_no_negatives():
    tree = Tree(FIRST, FIRST + 1)
    assert tree.depth == 1 and tree.item_of.numpy().tolist() == [2, 0]
    assert tree.counts(100) == (0,)
    inner, leaves = tree.negatives(tf.constant([2, 2]), (0,), tf.constant([0, 0]))
    assert inner.shape == leaves.shape == (2, 0)
    np.testing.assert_array_equal(tree.means(np.ones((1, 3)))[1], [1, 1, 1])
