"""A user's vector from a history, with the vectors of items frozen."""

from __future__ import annotations

import tensorflow as tf


def infer(
    events: tf.Tensor,
    real: tf.Tensor,
    rivals: tf.Tensor,
    base: tf.Tensor,
    share: tf.Tensor,
    negatives: int,
    steps: int,
    rate: float,
) -> tf.Tensor:
    """Gradient descent on the negative sampling loss of ``h = base + share u``.

    The loss is convex in u, and averaged over the events, so that one step size suits
    histories of any length. The draw of rivals counts ``negatives / n`` times each.

    Args:
        events: ``(batch, length, dim)`` output vectors of the history.
        real: ``(batch, length)`` bool, False for padding.
        rivals: ``(n, dim)`` output vectors of negatives.
        base: ``(batch, length, dim)`` what other items add to each event's h.
        share: ``(batch, length)`` the share of u in it.
        negatives: Negatives for each event.
        steps: Steps from 0.
        rate: Step size.

    Returns:
        ``(batch, dim)``; 0 where no event is real.
    """
    counted = tf.cast(real, events.dtype)
    count = tf.reduce_sum(counted, axis=1, keepdims=True)
    counted = tf.math.divide_no_nan(counted, count) * share
    each = tf.cast(negatives / tf.shape(rivals)[0], events.dtype)

    def step(done: tf.Tensor, user: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        hidden = base + share[..., None] * user[:, None]
        wrong = tf.sigmoid(tf.reduce_sum(hidden * events, axis=2)) - 1
        pushed = tf.sigmoid(tf.einsum("bld,nd->bln", hidden, rivals))
        away = tf.einsum("bln,nd->bld", each * pushed, rivals)
        gradient = wrong[..., None] * events + away
        return done + 1, user - rate * tf.einsum("bl,bld->bd", counted, gradient)

    start = (tf.constant(0), tf.zeros_like(tf.reduce_sum(events, axis=1)))
    _, user = tf.while_loop(lambda done, _: done < steps, step, start)
    return user


def neighbours(history: tf.Tensor, window: int) -> tf.Tensor:
    """``(batch, length)`` indices to the ``(batch, length, 2 * window)`` around each.

    0 beyond either end; the entry itself is left out.
    """
    length = tf.shape(history)[1]
    padded = tf.pad(history, [[0, 0], [window, window]])
    step = tf.concat([tf.range(window), tf.range(window + 1, 2 * window + 1)], axis=0)
    return tf.gather(padded, tf.range(length)[:, None] + step, axis=1)
