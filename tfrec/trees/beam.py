"""Beam search over a tree, past nodes below which there is no answer."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfrec.trees import arrange
from tfrec.trees.tree import Tree


class Open:
    """Which nodes have an item below them that may be an answer to a query.

    Items below a node are counted in sorted leaves by binary search, so that the cost
    grows with what a query excludes or names, and not with the catalogue.

    Args:
        tree: The tree.
        exclude: ``(batch, any)`` int32 item indices never to return, 0 is padding.
        candidates: ``(batch, any)`` int32 item indices to stay within, 0 is padding; a
            row of padding restricts nothing.
    """

    def __init__(self, tree: Tree, exclude: tf.Tensor, candidates: tf.Tensor) -> None:
        self.tree, self.end = tree, 2**tree.depth
        self.restricted = tf.reduce_any(candidates != 0, axis=1)
        self.excluded = self._sorted(self._leaves(exclude))
        named = self._sorted(self._leaves(candidates))
        before, upto = (self._before(self.excluded, n) for n in (named, named + 1))
        taken = upto > before
        self.named = tf.sort(tf.where(taken, self.end, named), axis=1)

    def _leaves(self, items: tf.Tensor) -> tf.Tensor:
        """Leaves of items, or the end of the tree, with one such column more."""
        leaves = tf.gather(self.tree.leaf_of, items)
        leaves = tf.where(items >= self.tree.first, leaves, self.end)
        return tf.pad(leaves, [[0, 0], [0, 1]], constant_values=self.end)

    def _sorted(self, leaves: tf.Tensor) -> tf.Tensor:
        """Ascending, each once."""
        leaves = tf.sort(leaves, axis=1)
        again = tf.pad(leaves[:, 1:] == leaves[:, :-1], [[0, 0], [1, 0]])
        return tf.sort(tf.where(again, self.end, leaves), axis=1)

    def _before(self, leaves: tf.Tensor, bounds: tf.Tensor) -> tf.Tensor:
        """How many of sorted ``(batch, n)`` leaves are less than ``(batch, m)``."""
        return tf.searchsorted(leaves, tf.minimum(bounds, self.end), side="left")

    def lead_on(self, level: int, codes: tf.Tensor, below: tf.Tensor) -> tf.Tensor:
        """Whether a node leads to an answer.

        Args:
            level: Level of the nodes.
            codes: ``(batch, nodes)`` int32.
            below: ``(batch, nodes)`` int32 items below each node.

        Returns:
            ``(batch, nodes)`` bool.
        """
        height = self.tree.depth - level
        start = tf.bitwise.left_shift(codes, height)
        bounds = tf.concat([start, start + 2**height], axis=1)

        def within(leaves: tf.Tensor) -> tf.Tensor:
            before, upto = tf.split(self._before(leaves, bounds), 2, axis=1)
            return upto - before

        left = tf.where(
            self.restricted[:, None],
            within(self.named),
            below - within(self.excluded),
        )
        return left > 0


def beam_search(
    tree: Tree,
    score: Callable[[int, tf.Tensor], tf.Tensor],
    beam: int,
    k: tf.Tensor,
    paths: Open,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Zhu et al. 2018, Algorithm 1: the best nodes of a level, then their children.

    Only nodes that lead to an answer are kept. Such a node has such a child, so a
    search comes back with ``max(beam, k)`` answers before the cut to k, or with all
    there are. Levels that the beam holds whole are passed over.

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
    batch = tf.size(paths.restricted)
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
    short = tf.maximum(k - tf.shape(scores)[1], 0)
    scores = tf.pad(scores, [[0, 0], [0, short]], constant_values=-float("inf"))
    items = tf.pad(tf.gather(tree.item_of, codes), [[0, 0], [0, short]])
    scores, items = scores[:, :k], items[:, :k]
    return tf.where(tf.math.is_inf(scores), 0, items), scores


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
