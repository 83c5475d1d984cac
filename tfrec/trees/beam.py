"""Beam search over a tree, past nodes below which nothing is left to answer."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfrec.trees import arrange
from tfrec.trees.tree import Tree

_COLUMN = [[0, 0], [0, 1]]  # padding by a column, as no search is in none


class Open:
    """Which nodes have an item below them that a query does not exclude.

    Items below a node are counted in sorted leaves by binary search, so that the cost
    grows with what a query excludes, and not with the catalogue.

    Args:
        tree: The tree.
        exclude: ``(batch, any)`` int32 item indices never to return, 0 is padding.
    """

    def __init__(self, tree: Tree, exclude: tf.Tensor) -> None:
        self.depth, end = tree.depth, 2**tree.depth
        leaves = tf.gather(tree.leaf_of, exclude)
        leaves = tf.where(exclude >= tree.first, leaves, end)
        leaves = tf.sort(tf.pad(leaves, _COLUMN, constant_values=end), axis=1)
        self.excluded = tf.sort(tf.where(_again(leaves), end, leaves), axis=1)

    def lead_on(self, level: int, codes: tf.Tensor, below: tf.Tensor) -> tf.Tensor:
        """Whether a node leads to an answer.

        Args:
            level: Level of the nodes.
            codes: ``(batch, nodes)`` int32.
            below: ``(batch, nodes)`` int32 items below each node.

        Returns:
            ``(batch, nodes)`` bool.
        """
        height = self.depth - level
        start = tf.bitwise.left_shift(codes, height)
        bounds = tf.concat([start, start + 2**height], axis=1)
        before, upto = tf.split(tf.searchsorted(self.excluded, bounds), 2, axis=1)
        return below > upto - before


def beam_search(
    tree: Tree,
    score: Callable[[int, tf.Tensor], tf.Tensor],
    beam: int,
    k: tf.Tensor,
    paths: Open,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Zhu et al. 2018, Algorithm 1: the best nodes of a level, then their children.

    Only nodes that lead to an answer are kept. Such a node has such a child, so a
    search comes back with k answers, or with all there are. Levels that the beam holds
    whole are passed over.

    Args:
        tree: The tree.
        score: Level and codes ``(batch, nodes)`` to scores ``(batch, nodes)`` float32.
        beam: Nodes of a level to keep, 1 or more; k where that is more.
        k: Scalar int32.
        paths: The nodes that lead to an answer.

    Returns:
        Item indices ``(batch, k)`` int32, 0 where no item was left, and scores
        ``(batch, k)`` float32, -inf there.
    """
    width = tf.maximum(beam, k)
    start = min(beam.bit_length() - 1, tree.depth)
    batch = tf.shape(paths.excluded)[0]
    codes = tf.repeat(tf.range(2**start)[None], batch, axis=0)
    below = tf.constant(arrange.sizes(tree.items, start), tf.int32)
    below = tf.repeat(below[None], batch, axis=0)
    for level in range(start, tree.depth + 1):
        if level > start:
            codes, below = _children(codes, below)
        scores = score(level, codes)
        usable = paths.lead_on(level, codes, below) & tf.math.is_finite(scores)
        scores = tf.where(usable, scores, -float("inf"))
        scores, codes, below = _best(scores, width, codes, below)
    return _answers(tf.gather(tree.item_of, codes), scores, k)


def best_named(
    score: Callable[[tf.Tensor], tf.Tensor],
    candidates: tf.Tensor,
    exclude: tf.Tensor,
    first: int,
    k: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The k best of named items, every one of them scored.

    Args:
        score: Item indices ``(batch, any)`` to scores ``(batch, any)`` float32.
        candidates: ``(batch, any)`` int32 item indices, 0 is padding.
        exclude: ``(batch, any)`` int32 item indices never to return, 0 is padding.
        first: Index of the first item.
        k: Scalar int32.

    Returns:
        As :func:`beam_search`.
    """
    items = tf.sort(candidates, axis=1)
    excluded = tf.sort(tf.pad(exclude, _COLUMN), axis=1)
    before, upto = (tf.searchsorted(excluded, n) for n in (items, items + 1))
    usable = (items >= first) & ~_again(items) & (before == upto)
    scores = score(items)
    usable &= tf.math.is_finite(scores)
    return _answers(items, tf.where(usable, scores, -float("inf")), k)


def _again(ascending: tf.Tensor) -> tf.Tensor:
    """``(batch, any)`` bool: whether an entry of a row is the one before it again."""
    return tf.pad(ascending[:, 1:] == ascending[:, :-1], [[0, 0], [1, 0]])


def _answers(
    items: tf.Tensor, scores: tf.Tensor, k: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The k best ``(batch, k)`` items, 0 where no score was finite, and scores."""
    scores, items = _best(scores, k, items)
    short = [[0, 0], [0, k - tf.shape(scores)[1]]]
    scores = tf.pad(scores, short, constant_values=-float("inf"))
    return tf.where(tf.math.is_inf(scores), 0, tf.pad(items, short)), scores


def _best(scores: tf.Tensor, width: tf.Tensor, *of: tf.Tensor) -> list[tf.Tensor]:
    """The highest scores of each row, best first, and their entries of ``of``."""
    width = tf.minimum(width, tf.shape(scores)[1])
    values, place = tf.math.top_k(scores, width)
    return [values, *(tf.gather(one, place, batch_dims=1) for one in of)]


def _children(codes: tf.Tensor, below: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Codes and items below ``(batch, nodes)`` to those of ``(batch, 2 nodes)``."""
    shape = [tf.shape(codes)[0], -1]
    children = tf.stack([2 * codes, 2 * codes + 1], axis=2)
    halves = tf.stack([(below + 1) // 2, below // 2], axis=2)
    return tf.reshape(children, shape), tf.reshape(halves, shape)
