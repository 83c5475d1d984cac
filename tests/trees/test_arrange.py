"""The order of items that makes a tree."""

import itertools

import numpy as np
import pytest
from sklearn.cluster import KMeans

from tfrec.trees import arrange

COUNTS = (1, 2, 3, 5, 16, 17, 30, 31, 1000)


@pytest.mark.parametrize("items", COUNTS)
def test_halves_differ_by_one_item_at_most_on_every_level(items):
    depth = arrange.depth_of(items)
    assert 2 ** (depth - 1) < max(items, 2) <= 2**depth
    for level in range(depth + 1):
        sizes = arrange.sizes(items, level)
        assert sizes.shape == (2**level,)
        assert sizes.sum() == items
        assert np.ptp(sizes) <= 1
        if level < depth:
            halves = arrange.sizes(items, level + 1).reshape(-1, 2)
            np.testing.assert_array_equal(halves.sum(1), sizes)
            assert np.all(halves[:, 0] - halves[:, 1] == sizes % 2)


@pytest.mark.parametrize("items", COUNTS)
def test_every_place_has_a_leaf_of_its_own(items):
    codes = arrange.codes(items)
    assert codes.dtype == np.int32
    assert len(codes) == items == len(set(codes))
    assert codes.max() < 2 ** arrange.depth_of(items)
    # A node has as many leaves below it as its set has items.
    for level in range(arrange.depth_of(items)):
        above = codes >> (arrange.depth_of(items) - level)
        below = np.bincount(above, minlength=2**level)
        np.testing.assert_array_equal(below, arrange.sizes(items, level))


def test_a_category_stands_together_in_an_order_by_lot():
    categories = np.repeat([0, 2, 5, 3], [5, 40, 30, 25])[:, None]
    categories = np.concatenate([np.zeros_like(categories), categories], axis=1)
    orders = [arrange.by_category(categories, seed) for seed in range(20)]
    for order in orders:
        assert sorted(order) == list(range(100))
        blocks = [key for key, _ in itertools.groupby(categories[order, 1])]
        assert sorted(blocks) == [0, 2, 3, 5]
    firsts = {int(categories[order[0], 1]) for order in orders}
    assert len(firsts) > 2  # of the categories
    within = {tuple(order[categories[order, 1] == 5]) for order in orders}
    assert len(within) == 20  # and of the items of one
    again = arrange.by_category(categories, 3)
    np.testing.assert_array_equal(again, orders[3])
    flat, bags = (arrange.by_category(categories[:, c], 3) for c in (1, slice(1, 2)))
    np.testing.assert_array_equal(flat, bags)


def test_an_item_of_several_categories_is_put_to_any_of_them():
    """The only item of both stands at the border of the two, or inside neither's."""
    categories = np.array([[2, 0]] * 10 + [[3, 0]] * 10 + [[2, 3]])
    beside = []
    for seed in range(60):
        order = list(arrange.by_category(categories, seed))
        place = order.index(20)
        near = order[place - 1] if place else order[1]
        inside = [order[p] for p in (place - 1, place + 1) if 0 <= p < 21]
        if len({n < 10 for n in inside}) == 1:
            beside.append(near < 10)
    assert 0.2 < np.mean(beside) < 0.8


@pytest.mark.parametrize("items", COUNTS)
def test_clusters_hold_every_item_once(items):
    vectors = np.random.default_rng(0).normal(size=(items, 3))
    assert sorted(arrange.by_clusters(vectors, 0)) == list(range(items))
    same = arrange.by_clusters(np.ones((items, 3)), 0)  # nothing to tell them apart
    assert sorted(same) == list(range(items))


def test_every_split_is_that_of_k_means():
    """Groups of groups far apart: no split by two centres cuts through one."""
    rng = np.random.default_rng(1)
    far = np.array(
        [[sign * 100.0, other * 10.0] for sign in (-1, 1) for other in (-1, 1)]
    )
    group = rng.permutation(np.repeat(np.arange(4), 16))
    vectors = far[group] + rng.normal(size=(64, 2))
    order = arrange.by_clusters(vectors, 5)
    for size in (32, 16):
        for start in range(0, 64, 2 * size):
            members = order[start : start + 2 * size]
            expected = KMeans(2, n_init=5, random_state=0).fit_predict(vectors[members])
            assert len(set(expected[:size])) == len(set(expected[size:])) == 1
            assert expected[0] != expected[size]


def test_a_split_that_k_means_would_make_uneven_is_made_even():
    """The left-over items of the large cluster go where they are the nearest."""
    vectors = np.concatenate([np.linspace(0, 1, 12), np.linspace(9, 10, 4)])[:, None]
    for seed in range(5):
        order = arrange.by_clusters(vectors, seed)
        halves = [set(order[:8]), set(order[8:])]
        assert set(range(8, 16)) in halves


def test_the_clusters_depend_on_the_seed_alone():
    vectors = np.random.default_rng(0).normal(size=(50, 4))
    once, again, other = (arrange.by_clusters(vectors, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert np.any(once != other)


def test_vectors_of_a_training_that_diverged_are_refused():
    vectors = np.ones((5, 2))
    vectors[[1, 3], 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"2 of 5 vectors are not finite, .* Lower"):
        arrange.by_clusters(vectors, 0)


def test_similar_items_get_near_leaves():
    """Halving along a line that is the first of many directions finds the line."""
    rng = np.random.default_rng(2)
    line = rng.permutation(256) / 25.6
    vectors = np.stack([line, *rng.normal(0, 0.01, (3, 256))], axis=1)
    order = arrange.by_clusters(vectors, 0)
    pairs = np.abs(np.diff(line[order].reshape(-1, 2), axis=1))
    assert pairs.mean() < 0.1  # of a random pair it is 3.3
