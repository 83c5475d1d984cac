"""A complete binary tree over the items, as two arrays."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.trees import arrange


class Tree(keras.layers.Layer):
    """Which leaf is whose, both ways; saved and exported with the model.

    The root is level 0, leaves are on level ``depth``. A node is its level and its
    code, 0 for the one to the left; its children have the codes ``2 c`` and ``2 c + 1``
    on the next level, and its ancestor n levels above is ``c >> n``. In a table of all
    inner nodes its row is ``2 ** level + c``.

    Args:
        first: Index of the first item.
        size: Rows of the item table, so items are ``first .. size - 1``.
        seed: Seed of the order that items have until ``plant`` gives another.

    Attributes:
        items: How many items there are.
        depth: Level of the leaves.
        leaf_of: ``(size,)`` int32 leaf of each item index; 0 for what is no item.
        item_of: ``(2 ** depth,)`` int32 item index of each leaf; 0 where there is none.
    """

    def __init__(self, first: int, size: int, seed: int = 0) -> None:
        super().__init__(trainable=False)
        self.first, self.items = first, size - first
        self.depth = arrange.depth_of(self.items)
        self.leaf_of = self._integers("leaf_of", size)
        self.item_of = self._integers("item_of", 2**self.depth)
        self.plant(np.random.default_rng(seed).permutation(self.items))

    def _integers(self, name: str, length: int) -> tf.Variable:
        return self.add_weight(
            name, (length,), tf.int32, initializer="zeros", trainable=False
        )

    def plant(self, order: np.ndarray) -> None:
        """Gives the items leaves.

        Args:
            order: ``(items,)`` item numbers from left to right, 0 for the first item.

        Raises:
            ConfigError: An item is missing or stands there twice.
        """
        if not np.array_equal(np.sort(order), np.arange(self.items)):
            raise ConfigError(
                f"an order of {len(order)} entries does not hold each of the "
                f"{self.items} items once: give a permutation of their numbers."
            )
        codes = arrange.codes(self.items)
        leaf_of = np.zeros(self.leaf_of.shape, np.int32)
        item_of = np.zeros(self.item_of.shape, np.int32)
        leaf_of[self.first + order] = codes
        item_of[codes] = self.first + order
        self.leaf_of.assign(leaf_of)
        self.item_of.assign(item_of)

    def ancestors(self, items: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` item indices to ``(batch, depth)`` codes, levels 1 to depth."""
        leaves = tf.gather(self.leaf_of, items)
        return tf.bitwise.right_shift(
            leaves[:, None], np.arange(self.depth, dtype=np.int32)[::-1]
        )

    def inner_rows(self, items: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` item indices to ``(batch, depth - 1)`` rows of their ancestors.

        The root is left out: it is everybody's.
        """
        levels = np.arange(1, self.depth, dtype=np.int32)
        return self.ancestors(items)[:, :-1] + 2**levels

    def counts(self, negatives: int) -> tuple[int, ...]:
        """How many of ``negatives`` each level gets, levels 1 to depth.

        The leaves a third, as in the authors' configuration, and the levels above the
        rest in proportion to their number; at least one, and no more than there are
        other nodes.
        """
        inner = np.arange(1, self.depth)
        share = inner / max(1, inner.sum()) * 2 / 3
        wanted = np.maximum(1, np.round(negatives * np.append(share, 1 / 3)))
        others = np.append(2**inner, self.items) - 1
        return tuple(np.minimum(wanted, others).astype(int).tolist())

    def negatives(
        self, items: tf.Tensor, counts: tuple[int, ...], seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Other nodes of each level: uniform, and never the ancestor of the item.

        Args:
            items: ``(batch,)`` item indices.
            counts: Draws on each of the levels 1 to depth.
            seed: ``(2,)`` integers; the same seed gives the same draw.

        Returns:
            Rows of inner nodes ``(batch, sum(counts[:-1]))``, level after level, and
            item indices of leaves ``(batch, counts[-1])``, both int32.
        """
        levels = np.repeat(np.arange(1, self.depth + 1), counts)
        own = tf.gather(self.ancestors(items), levels - 1, axis=1)
        # Leaves without an item are no nodes: on the last level items are drawn.
        inner = levels < self.depth
        own = tf.where(inner, own, items[:, None] - self.first)
        others = np.where(inner, 2**levels, self.items) - 1
        shape = [tf.shape(items)[0], len(levels)]
        draw = tf.random.stateless_uniform(shape, seed, None, None, tf.int64)
        draw = tf.cast(tf.math.floormod(draw, others), tf.int32)
        draw += tf.cast(draw >= own, tf.int32)
        draw += np.where(inner, 2**levels, self.first).astype(np.int32)
        return draw[:, : len(levels) - counts[-1]], draw[:, len(levels) - counts[-1] :]

    def means(self, vectors: np.ndarray) -> np.ndarray:
        """Means of what is below each inner node.

        Args:
            vectors: ``(items, dim)`` vectors of the items.

        Returns:
            ``(2 ** depth, dim)`` by row; row 0, which is no node, is 0.
        """
        item_of = self.item_of.numpy()
        sums = np.zeros((len(item_of), vectors.shape[1]), vectors.dtype)
        sums[item_of > 0] = vectors[item_of[item_of > 0] - self.first]
        result = np.zeros_like(sums)
        for level in range(self.depth - 1, -1, -1):
            sums = sums.reshape(-1, 2, sums.shape[1]).sum(axis=1)
            below = arrange.sizes(self.items, level)[:, None]
            result[2**level : 2 ** (level + 1)] = sums / below
        return result
