"""Sequences of any length as one vector."""

from __future__ import annotations

import tensorflow as tf


def beta_weights(place: tf.Tensor, total: tf.Tensor, a: float, b: float) -> tf.Tensor:
    """Weights of beta-pooling: the mass of a beta distribution on each step.

    Wang, Shi and Yeung 2016, "Collaborative Recurrent Autoencoder", section 3.4: step t
    of T weighs ``F(t / T) - F((t - 1) / T)``, F being the distribution function of
    Beta(a, b). ``a = b = 1`` is the mean; with a = b large the middle counts alone,
    with a large the end.

    Args:
        place: t, from 1, any shape, int32; steps beyond T weigh nothing.
        total: T, of a shape that fits, int32.
        a: First parameter, above 0.
        b: Second parameter, above 0.

    Returns:
        float32 of the shape of ``place``.
    """
    place, total = tf.cast(place, tf.float32), tf.cast(total, tf.float32)

    def mass(step: tf.Tensor) -> tf.Tensor:
        share = tf.clip_by_value(tf.math.divide_no_nan(step, total), 0.0, 1.0)
        return tf.math.betainc(tf.fill(tf.shape(share), float(a)), float(b), share)

    return mass(place) - mass(place - 1)
