"""Which leaf an item gets: a tree is an order of the items, halved again and again.

Zhu et al. 2018, section 3.3. A set of m items goes to a left half of (m + 1) // 2 and a
right half of m // 2 until each has one item. All leaves are put on one last level, so
that a leaf is a number, and its ancestors are that number without its last bits; a set
that has one item before the last level goes on to the left.
"""

from __future__ import annotations

import numpy as np

from tfrec.errors import ConfigError

ROUNDS = 20


def depth_of(items: int) -> int:
    """Levels below the root that so many items need."""
    return max(1, (items - 1).bit_length())


def sizes(items: int, level: int) -> np.ndarray:
    """``(2 ** level,)`` int64 items below each node of a level, from left to right."""
    counts = np.array([items])
    for _ in range(level):
        counts = np.stack([(counts + 1) // 2, counts // 2], axis=1).ravel()
    return counts


def codes(items: int) -> np.ndarray:
    """``(items,)`` int32 leaf of each place of an order, ascending."""
    return np.flatnonzero(sizes(items, depth_of(items))).astype(np.int32)


def by_category(categories: np.ndarray, seed: int) -> np.ndarray:
    """An order in which items of a category stand together.

    Categories are in random order, and so are the items of one. An item of several is
    put to one of them by lot; items of none stand together too.

    Args:
        categories: ``(items,)`` or ``(items, any)`` int category indices, 0 is padding.
        seed: Seed of the order.

    Returns:
        ``(items,)`` int64 item numbers.
    """
    rng = np.random.default_rng(seed)
    bags = categories.reshape(len(categories), -1)
    lots = np.where(bags > 0, rng.random(bags.shape), -1.0)
    own = np.take_along_axis(bags, lots.argmax(axis=1)[:, None], axis=1)[:, 0]
    rank = rng.permutation(bags.max(initial=0) + 1)
    return np.lexsort((rng.random(len(bags)), rank[own]))


def by_clusters(vectors: np.ndarray, seed: int) -> np.ndarray:
    """An order in which similar items stand together.

    Every set of items is split by k-means with two clusters. So that the halves differ
    by one item at most, its items are sorted by how much nearer they are to the one
    centre than to the other, and cut in the middle. All sets of a level are split at
    once: there are as many of them as items.

    Args:
        vectors: ``(items, dim)`` float.
        seed: Seed of the first centres.

    Returns:
        ``(items,)`` int64 item numbers.

    Raises:
        ConfigError: A vector is not finite.
    """
    lost = int(np.sum(~np.isfinite(vectors).all(axis=1)))
    if lost:
        raise ConfigError(
            f"{lost} of {len(vectors)} vectors are not finite, so no tree can be "
            "learned from them: has training diverged? Lower the learning rate."
        )
    rng = np.random.default_rng(seed)
    items = len(vectors)
    order = rng.permutation(items)
    for level in range(depth_of(items)):
        counts = sizes(items, level)
        column = np.arange(counts.max())
        real = column < counts[:, None]
        place = (np.cumsum(counts) - counts)[:, None] + column
        members = order[np.minimum(place, items - 1)]
        lean = _leaning(vectors[members].astype(np.float32), real, rng)
        rank = np.argsort(np.where(real, lean, np.inf), axis=1, kind="stable")
        order = np.take_along_axis(members, rank, axis=1)[real]
    return order


def _leaning(x: np.ndarray, real: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``(sets, size)``: by how much a point is nearer to the left one of two centres.

    The less, the nearer; below 0 it belongs to the left one.

    Args:
        x: ``(sets, size, dim)`` points.
        real: ``(sets, size)`` bool, False where a set has no such point.
        rng: Where the first centres come from, as in k-means++.
    """
    rows = np.arange(len(x))
    left = x[rows, rng.integers(real.sum(axis=1))]
    far = np.where(real, np.square(x - left[:, None]).sum(axis=2), 0).cumsum(axis=1)
    right = x[rows, (far >= (1 - rng.random(len(x)))[:, None] * far[:, -1:]).argmax(1)]
    before = None
    for _ in range(ROUNDS):
        # |x - left|^2 - |x - right|^2, halved
        middle = (np.square(right) - np.square(left)).sum(axis=1) / 2
        lean = np.einsum("gsd,gd->gs", x, right - left) - middle[:, None]
        sides = (real & (lean < 0), real & (lean >= 0))
        if before is not None and np.array_equal(before, sides[0]):
            break
        before = sides[0]
        left, right = (
            _centre(x, side, old)
            for side, old in zip(sides, (left, right), strict=True)
        )
    return lean


def _centre(x: np.ndarray, side: np.ndarray, old: np.ndarray) -> np.ndarray:
    """``(sets, dim)`` means of the points of one side; the old centre where is none."""
    count = side.sum(axis=1)[:, None]
    mean = np.einsum("gsd,gs->gd", x, side.astype(x.dtype)) / np.maximum(count, 1)
    return np.where(count > 0, mean, old)
