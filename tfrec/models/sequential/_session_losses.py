"""Losses of a next item among others, as pure functions of scores.

All take ``positive`` ``(batch,)`` scores of the next items, ``negative`` ``(batch, n)``
scores of others and ``real`` ``(batch, n)`` bool, False for those that count for none,
and return ``(batch,)``, 0 where no negative is real. Equations of Hidasi & Karatzoglou
2018: r are the scores, i is the next item, j are the N others, s is the softmax over
the scores of the others.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

NOTHING = -1e9


def cross_entropy(
    positive: tf.Tensor, negative: tf.Tensor, real: tf.Tensor
) -> tf.Tensor:
    """``-log(exp(r_i) / (exp(r_i) + sum over j of exp(r_j)))``."""
    below = tf.reduce_logsumexp(_masked(negative, real), axis=1) - positive
    return tf.nn.softplus(below)


def top1(positive: tf.Tensor, negative: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    """``1/N sum over j of (sigmoid(r_j - r_i) + sigmoid(r_j^2))``."""
    return _mean(_top1(positive, negative), real)


def bpr(positive: tf.Tensor, negative: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    """``-1/N sum over j of log sigmoid(r_i - r_j)``."""
    return _mean(tf.nn.softplus(negative - positive[:, None]), real)


def top1_max(positive: tf.Tensor, negative: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    """``sum over j of s_j (sigmoid(r_j - r_i) + sigmoid(r_j^2))``."""
    return tf.reduce_sum(_shares(negative, real) * _top1(positive, negative), axis=1)


def bpr_max(
    positive: tf.Tensor, negative: tf.Tensor, real: tf.Tensor, weight: float = 0.0
) -> tf.Tensor:
    """``-log(sum over j of s_j sigmoid(r_i - r_j)) + weight sum over j of s_j r_j^2``.

    The second term is the regularisation of scores.
    """
    logits = _masked(negative, real)
    highest = tf.stop_gradient(tf.reduce_max(logits, axis=1, keepdims=True))
    # s_j sigmoid(r_i - r_j) = exp(r_i) sigmoid(r_j - r_i) / sum of exp(r_j): two passes
    # over the scores, and no underflow but far above all others, where the loss is 0.
    own = tf.minimum(positive[:, None], highest + 30)
    above = tf.reduce_sum(tf.sigmoid(logits - own), axis=1)
    weights = tf.exp(logits - highest)
    total = tf.reduce_sum(weights, axis=1)
    loss = tf.math.log(total) - tf.math.log(above) + (highest - own)[:, 0]
    squares = tf.reduce_sum(weights * tf.square(negative), axis=1) / total
    return tf.where(highest[:, 0] > NOTHING / 2, loss + weight * squares, 0.0)


def _top1(positive: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
    return tf.sigmoid(negative - positive[:, None]) + tf.sigmoid(tf.square(negative))


def _mean(values: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    count = tf.reduce_sum(tf.cast(real, values.dtype), axis=1)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.where(real, values, 0.0), 1), count)


def _shares(negative: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    shares = tf.nn.softmax(_masked(negative, real), axis=1)
    return tf.where(real, shares, 0.0)


def _masked(negative: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    # A sum and no choice: its gradient costs nothing.
    low = tf.constant(NOTHING, negative.dtype)
    return negative + tf.where(real, tf.zeros_like(low), low)


LOSSES: dict[str, Callable[..., tf.Tensor]] = {
    "cross_entropy": cross_entropy,
    "top1": top1,
    "bpr": bpr,
    "top1_max": top1_max,
    "bpr_max": bpr_max,
}
