"""Every item is scored, a block of them at a time."""

from __future__ import annotations

import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.models.rank import Wanted, best

BLOCK = 131_072


class Exact(tf.Module):
    """The items of largest inner product, all of them compared.

    Memory is that of one block of scores, however many items there are.

    Args:
        block: Items that are scored at once.

    Raises:
        ConfigError: ``block`` is less than 1.
    """

    def __init__(self, block: int = BLOCK) -> None:
        super().__init__(name="exact")
        if block < 1:
            raise ConfigError(f"block={block} scores nothing at once: give 1 or more.")
        self.block = block

    def fit(self, vectors: tf.Tensor) -> None:
        """Takes over ``(items, dim)`` float32 vectors."""
        self.vectors = tf.Variable(vectors, trainable=False)

    def search(
        self, queries: tf.Tensor, wanted: Wanted, first: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The k best items of each query, in the graph.

        Args:
            queries: ``(batch, dim)`` float32.
            wanted: How many, and which not.
            first: Index of the first item.

        Returns:
            Item indices ``(batch, k)`` int32, 0 where no item was left, and inner
            products ``(batch, k)`` float32, -inf there.
        """
        vectors, batch = self.vectors.read_value(), tf.shape(queries)[0]
        count = vectors.shape[0]
        if count <= self.block:
            return best(tf.matmul(queries, vectors, transpose_b=True), wanted, first)

        def next_block(
            start: tf.Tensor, items: tf.Tensor, scores: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            some = vectors[start : start + self.block]
            k = tf.minimum(wanted.k, tf.shape(some)[0])
            here = Wanted(k, wanted.exclude, wanted.candidates)
            products = tf.matmul(queries, some, transpose_b=True)
            new = best(products, here, first + start)
            # Of equal scores the earlier comes first, as when all are compared at once.
            items = tf.concat([items, new[0]], axis=1)
            scores, order = tf.math.top_k(tf.concat([scores, new[1]], 1), wanted.k)
            items = tf.gather(items, order, batch_dims=1)
            return start + self.block, items, scores

        start = (
            tf.constant(0),
            tf.zeros([batch, wanted.k], tf.int32),
            tf.fill([batch, wanted.k], -float("inf")),
        )
        shapes = (tf.TensorShape([]), *[tf.TensorShape([None, None])] * 2)
        _, items, scores = tf.while_loop(
            lambda start, *found: start < count,
            next_block,
            start,
            shape_invariants=shapes,
        )
        return items, scores
