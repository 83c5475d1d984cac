"""Losses as pure functions of scores; no model inside."""

from __future__ import annotations

import tensorflow as tf

from tfrec import keras


def bpr(positive: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
    """Bayesian personalised ranking: ``-log sigmoid(positive - negative)``.

    Rendle et al. 2009, "BPR", section 4.2 (BPR-OPT), mean over the negatives.

    Args:
        positive: ``(batch,)`` scores of taken items.
        negative: ``(batch, negatives)`` scores of drawn items.

    Returns:
        ``(batch,)`` losses.
    """
    return tf.reduce_mean(tf.nn.softplus(negative - positive[:, None]), axis=1)


def weighted_mean(losses: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    """Mean over the batch of ``(batch,)`` losses times ``(batch,)`` weights.

    0 for an empty batch, as a subsampled epoch may hold.
    """
    size = tf.cast(tf.size(losses), losses.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(_weighted(losses, weight)), size)


def weighted_sum(losses: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    """Sum over the batch of ``(batch,)`` losses times ``(batch,)`` weights."""
    return tf.reduce_sum(_weighted(losses, weight))


def _weighted(losses: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    if weight is None:
        return losses
    return losses * tf.cast(tf.reshape(weight, [-1]), losses.dtype)


def sum_of_squares(*rows: tf.Tensor) -> tf.Tensor:
    """Mean over the batch of the squared norm of the rows a batch touches.

    Args:
        *rows: ``(batch, ...)`` tensors.

    Returns:
        Scalar float32; times lambda it is L2 regularisation of touched rows only.
    """
    total = tf.constant(0.0)
    for tensor in rows:
        batch = tf.cast(tf.shape(tensor)[0], tf.float32)
        squares = tf.reduce_sum(tf.square(tf.cast(tensor, tf.float32)))
        total += tf.math.divide_no_nan(squares, batch)
    return total


@keras.utils.register_keras_serializable(package="tfrec")
class OddsLogLoss(keras.losses.Loss):
    """Log loss of odds: ``log(1 + o) - y log(o)``.

    With clicks (y = 1) weighted by watch time and other impressions by 1, the odds that
    minimise it are the expected watch time (Covington 2016, section 4.2).
    """

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Targets 0 or 1 and positive odds ``(batch, 1)`` to ``(batch,)`` losses."""
        losses = tf.math.log1p(y_pred) - y_true * tf.math.log(y_pred)
        return tf.reduce_mean(losses, axis=-1)
