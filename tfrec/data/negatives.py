"""Negative items, drawn in batches in the graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfrec.columns import Categorical
from tfrec.data.alias import AliasTable
from tfrec.data.key_set import KeySet
from tfrec.data.pipeline import Source, taken_so_far, training_counts
from tfrec.errors import ConfigError, DataError

MAX_ROUNDS = 100


class NegativeSampler:
    """Draws items that a user has not (or not known to have) taken.

    Uniform over the item vocabulary, or proportional to ``count ** alpha``.

    Args:
        first: Index of the first vocabulary item.
        size: Rows of the item table, so items are ``first .. size - 1``.
        counts: ``(size,)`` events per item index, needed with ``alpha``.
        alpha: Exponent of the popularity; None for uniform.
        known: Sorted int64 keys ``user * size + item`` never to draw, users being
            people; None to allow known positives.

    Raises:
        ValueError: There is nothing to draw from.
    """

    def __init__(
        self,
        first: int,
        size: int,
        counts: np.ndarray | None = None,
        alpha: float | None = None,
        known: np.ndarray | None = None,
    ) -> None:
        if size <= first:
            raise ConfigError(
                "negatives need an item vocabulary, and the item column has none: give "
                "it a vocabulary instead of hash_bins."
            )
        self.first, self.size = first, size
        self.table: AliasTable | None = None
        if alpha is not None:
            if counts is None:
                raise ConfigError(f"alpha={alpha} needs the items' counts.")
            occurring = counts[first:].astype(np.float64)
            weights = np.zeros_like(occurring)
            np.power(occurring, alpha, where=occurring > 0, out=weights)
            if not weights.any():
                raise DataError(
                    f"alpha={alpha} has nothing to draw: no item of the vocabulary "
                    "occurs in the events; check their item ids."
                )
            self.table = AliasTable(weights)
            self.share = tf.constant((weights / weights.sum()).astype(np.float32))
        self.known: KeySet | None = None
        if known is not None:
            known = known[known % size >= first]  # an unknown item is never drawn
        if known is not None and len(known):
            _, taken = np.unique(known // size, return_counts=True)
            if taken.max() >= size - first:
                raise DataError(
                    f"a user has taken all {size - first} items, so no negative is "
                    "left for that user: leave the user out of known."
                )
            self.known = KeySet(known)

    def draw_items(self, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draws ``(n,)`` int32 item indices, known positives or not."""
        if self.table is None:
            return tf.random.stateless_uniform(
                [n], seed, self.first, self.size, dtype=tf.int32
            )
        return self.first + self.table.draw(n, seed)

    def probability(self, items: tf.Tensor) -> tf.Tensor:
        """``(n,)`` item indices to the float32 probability that a draw is that item."""
        if self.table is None:
            share = 1.0 / (self.size - self.first)
            return tf.fill(tf.shape(items), tf.constant(share, tf.float32))
        return tf.gather(self.share, tf.maximum(items - self.first, 0))

    def is_known(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """``(n,)`` users and items to ``(n,)`` bool: a known positive."""
        if self.known is None:
            return tf.zeros_like(users, tf.bool)
        keys = tf.cast(users, tf.int64) * self.size + tf.cast(items, tf.int64)
        return self.known.contains(keys)

    def draw(self, users: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """One negative for each user.

        A draw that is a known positive is drawn again, up to 100 rounds; what is still
        one then is replaced by the next item index that is none.

        Args:
            users: ``(n,)`` int32 people, as in ``known``.
            seed: ``(2,)`` integers; the same seed gives the same draw.

        Returns:
            ``(n,)`` int32 item indices.
        """
        items = self.draw_items(tf.size(users), seed)
        if self.known is None:
            return items

        def redraw(round_: tf.Tensor, items: tf.Tensor, bad: tf.Tensor) -> tuple:
            places = bad[:, 0]
            some = tf.gather(users, places)
            fresh = self.draw_items(tf.size(places), seed + tf.stack([0, round_]))
            step = 1 + (tf.gather(items, places) - self.first)
            walk = self.first + step % (self.size - self.first)
            fresh = tf.where(round_ > MAX_ROUNDS, walk, fresh)
            items = tf.tensor_scatter_nd_update(items, bad, fresh)
            still = tf.boolean_mask(bad, self.is_known(some, fresh))
            return round_ + 1, items, still

        _, items, _ = tf.while_loop(
            lambda round_, items, bad: tf.size(bad) > 0,
            redraw,
            (tf.constant(1), items, tf.where(self.is_known(users, items))),
            shape_invariants=(
                tf.TensorShape([]),
                tf.TensorShape([None]),
                tf.TensorShape([None, 1]),
            ),
        )
        return items


def sampler_of(
    source: Source, alpha: float | None = None, avoid_known: bool = True
) -> NegativeSampler:
    """The negative sampler over a source's item vocabulary.

    Held-out events draw as training does: by the popularity in training, and no item
    that the user took in training.

    Args:
        source: The events.
        alpha: Exponent of the popularity in training; None for uniform.
        avoid_known: Whether items that a person took in the events, or in their past,
            are never drawn; of :func:`exhausted` people any item may be.
    """
    column = source.spec.item_column
    known = _known_pairs(source) if avoid_known else None
    if known is not None:
        known = known[~np.isin(known // column.size, _with_all_items(known, column))]
    return NegativeSampler(
        column.first if column.hash_bins is None else column.size,
        column.size,
        training_counts(source) if alpha is not None else None,
        alpha,
        known,
    )


def exhausted(source: Source) -> np.ndarray:
    """``(n,)`` int64 people who have taken every item, ascending.

    In the events or before them; no item is left that could be a negative of theirs.
    """
    return _with_all_items(_known_pairs(source), source.spec.item_column)


def _known_pairs(source: Source) -> np.ndarray:
    """Keys of what people have taken; unknown items are never drawn."""
    column, keys = source.spec.item_column, taken_so_far(source)
    return keys[keys % column.size >= column.first]


def _with_all_items(keys: np.ndarray, column: Categorical) -> np.ndarray:
    taken = np.bincount(keys // column.size)
    return np.flatnonzero(taken >= column.size - column.first)
