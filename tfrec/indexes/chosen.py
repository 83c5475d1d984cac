"""The best of a few items for each query."""

from __future__ import annotations

import tensorflow as tf

from tfrec.models.rank import Wanted


def best_of(
    items: tf.Tensor, scores: tf.Tensor, wanted: Wanted
) -> tuple[tf.Tensor, tf.Tensor]:
    """The k best of the items, what is excluded left out.

    Args:
        items: ``(batch, any)`` int32 item indices, 0 for none; k of them at least.
        scores: ``(batch, any)`` float32.
        wanted: How many, and which not; its candidates are not looked at.

    Returns:
        Item indices ``(batch, k)`` int32, 0 where no item was left, and their scores,
        -inf there.
    """
    out = (items == 0) | member(items, wanted.exclude)
    values, order = tf.math.top_k(tf.where(out, -float("inf"), scores), wanted.k)
    found = tf.gather(items, order, batch_dims=1)
    return tf.where(tf.math.is_finite(values), found, 0), values


def member(values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Whether values stand in the row of the same number.

    Args:
        values: ``(batch, any)`` int32.
        rows: ``(batch, any)`` int32, in any order.

    Returns:
        Bool in the shape of ``values``.
    """
    # One entry more, so that every place exists and an empty row is no case of its own.
    after = tf.fill([tf.shape(rows)[0], 1], tf.int32.max)
    ordered = tf.sort(tf.concat([rows, after], axis=1), axis=1)
    place = tf.searchsorted(ordered, values)
    return tf.gather(ordered, place, batch_dims=1) == values


def distinct(rows: tf.Tensor) -> tf.Tensor:
    """``(batch, any)`` int32 rows in ascending order, repeated entries as 0."""
    ordered = tf.sort(rows, axis=1)
    repeated = ordered[:, 1:] == ordered[:, :-1]
    first = tf.zeros_like(ordered[:, :1], tf.bool)
    return tf.where(tf.concat([first, repeated], axis=1), 0, ordered)
