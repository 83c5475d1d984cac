"""Attention of a candidate over a history, and the activation Dice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfrec import keras


class Dice(keras.layers.Layer):
    """PReLU whose turning point follows the data: Zhou et al. 2018, section 5.3.

    Equation 9::

        f(s) = p(s) s + (1 - p(s)) alpha s
        p(s) = sigmoid((s - E[s]) / sqrt(Var[s] + eps))

    alpha is learned for each unit, from 0. Mean and variance are those of the batch in
    training, and moving averages of them otherwise.

    Args:
        momentum: Share of the moving averages that a batch leaves. An epoch of large
            batches is too short for Keras's 0.99.
        epsilon: Added to the variance.

    Call: ``(..., units)`` and optionally a mask ``(...)`` bool, True where an entry
    counts for mean and variance, to ``(..., units)``.
    """

    def __init__(
        self, momentum: float = 0.9, epsilon: float = 1e-8, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, shape: tf.TensorShape) -> None:
        """Creates alpha and the moving averages."""
        units = (shape[-1],)
        self.alpha = self.add_weight("alpha", units, initializer="zeros")

        def average(name: str, initial: str) -> tf.Variable:
            return self.add_weight(
                name,
                units,
                initializer=initial,
                trainable=False,
                experimental_autocast=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.MEAN,
            )

        self.moving_mean = average("moving_mean", "zeros")
        self.moving_variance = average("moving_variance", "ones")

    def call(
        self,
        inputs: tf.Tensor,
        mask: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """Equation 9."""
        # A variance, and epsilon all the more, is nothing in 16 bits.
        s = tf.cast(inputs, tf.float32)
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            mean, variance = self._batch_moments(s, mask)
        p = tf.sigmoid((s - mean) * tf.math.rsqrt(variance + self.epsilon))
        alpha = tf.cast(self.alpha, tf.float32)
        return tf.cast((p + (1 - p) * alpha) * s, self.compute_dtype)

    def _batch_moments(
        self, s: tf.Tensor, mask: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and variance ``(units,)`` of a batch, noted in the moving averages."""
        counted = tf.ones_like(s[..., :1])
        if mask is not None:
            counted = tf.cast(mask, tf.float32)[..., None]
        axes = list(range(s.shape.rank - 1))
        count = tf.reduce_sum(counted)
        mean = tf.math.divide_no_nan(tf.reduce_sum(s * counted, axes), count)
        squares = tf.reduce_sum(tf.square(s - mean) * counted, axes)
        variance = tf.math.divide_no_nan(squares, count)
        # A batch without a single entry says nothing of the data.
        share = (1 - self.momentum) * tf.cast(count > 0, tf.float32)
        for average, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            average.assign_add(share * (tf.stop_gradient(value) - average))
        return mean, variance


def activation_layer(name: str, sequence: bool = False) -> keras.layers.Layer:
    """A layer of ``dice``, ``prelu`` or any activation of Keras by name.

    Args:
        name: Which.
        sequence: Whether inputs are ``(batch, length, units)``, of which all entries
            share the learned values.
    """
    if name == "dice":
        return Dice()
    if name == "prelu":
        return keras.layers.PReLU(shared_axes=[1] if sequence else None)
    return keras.layers.Activation(name)


def masked_softmax(logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Softmax over the entries that count; exactly 0 for the others.

    Args:
        logits: ``(batch, length)``.
        mask: ``(batch, length)`` bool, True where an entry counts.

    Returns:
        ``(batch, length)`` in the type of the logits; all 0 where no entry counts.
    """
    values = tf.cast(logits, tf.float32)
    values = tf.where(mask, values, tf.float32.min)
    # A history may have no column at all, and then no maximum.
    highest = tf.maximum(tf.reduce_max(values, axis=1, keepdims=True), tf.float32.min)
    powers = tf.where(mask, tf.exp(values - tf.stop_gradient(highest)), 0.0)
    total = tf.reduce_sum(powers, axis=1, keepdims=True)
    return tf.cast(tf.math.divide_no_nan(powers, total), logits.dtype)


def weighted_sum(weights: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """``(batch, length)`` weights of ``(batch, length, dim)`` to ``(batch, dim)``."""
    return tf.linalg.matvec(vectors, weights, transpose_a=True)


class ActivationUnit(keras.layers.Layer):
    """How much each entry of a history matters to a candidate.

    Zhou et al. 2018, "Deep Interest Network", section 4.3 and figure 2: an MLP over
    the history entry h, the candidate c and how they interact::

        a(h, c) = MLP([h; c; h - c; h * c])

    The weights are no distribution: several entries may matter much, or none, so that
    their sum is the strength of the interest. Padding has weight 0.

    Args:
        units: Hidden widths of the MLP.
        seeds: Where the layers draw their seeds from.
        activation: ``dice``, ``prelu`` or a name of Keras.
        softmax: Whether the weights are normalised to a distribution nevertheless.

    Call: history ``(batch, length, dim)``, candidate ``(batch, dim)`` and mask
    ``(batch, length)`` bool, True where an entry is no padding, to weights
    ``(batch, length)``.
    """

    def __init__(
        self,
        units: tuple[int, ...],
        seeds: Iterator[int],
        activation: str = "dice",
        softmax: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.softmax = softmax
        self.widths = (*units, 1)
        self.initial = [
            keras.initializers.GlorotUniform(seed=next(seeds)) for _ in self.widths
        ]
        self.activations = [activation_layer(activation, True) for _ in units]
        self.dense = [
            keras.layers.Dense(width, kernel_initializer=initial)
            for width, initial in zip(self.widths[1:], self.initial[1:], strict=True)
        ]

    def build(self, shape: tf.TensorShape) -> None:
        """Creates the first layer: a kernel ``(4 dim, units)`` and its bias."""
        size, width = 4 * shape[-1], self.widths[0]
        self.kernel = self.add_weight(
            "kernel", (size, width), initializer=self.initial[0]
        )
        self.bias = self.add_weight("bias", (width,), initializer="zeros")

    def call(
        self,
        history: tf.Tensor,
        candidate: tf.Tensor,
        mask: tf.Tensor,
        training: bool | None = None,
    ) -> tf.Tensor:
        """Weights ``(batch, length)``."""
        candidate = tf.cast(candidate, self.compute_dtype)
        # [h; c; h - c; h * c] W, without ever holding the joined vectors.
        own, other, difference, product = tf.split(
            tf.cast(self.kernel, self.compute_dtype), 4
        )
        hidden = tf.tensordot(history, own + difference, 1)
        hidden += tf.tensordot(history * candidate[:, None], product, 1)
        fixed = tf.matmul(candidate, other - difference)
        hidden += (fixed + tf.cast(self.bias, fixed.dtype))[:, None]
        for activation, dense in zip(self.activations, self.dense, strict=True):
            if isinstance(activation, Dice):
                hidden = activation(hidden, mask=mask, training=training)
            else:
                hidden = activation(hidden)
            hidden = dense(hidden)
        logits = hidden[..., 0]
        if self.softmax:
            return masked_softmax(logits, mask)
        return tf.where(mask, logits, tf.zeros_like(logits))


class BilinearAttention(keras.layers.Layer):
    """Softmax attention by a bilinear form: Zhou et al. 2019, equation 13.

    ``a_t = exp(h_t W e) / sum_j exp(h_j W e)`` over the steps that are no padding.

    Args:
        dim: Width of the candidate.
        seed: Seed of W.

    Call: states ``(batch, length, units)``, candidate ``(batch, dim)`` and mask
    ``(batch, length)`` bool, True where a step is no padding, to weights
    ``(batch, length)``; all 0 where all is padding.
    """

    def __init__(self, dim: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.initial = keras.initializers.GlorotUniform(seed=seed)

    def build(self, shape: tf.TensorShape) -> None:
        """Creates ``W``: ``(units, dim)``."""
        shape = (shape[-1], self.dim)
        self.kernel = self.add_weight("kernel", shape, initializer=self.initial)

    def call(
        self, states: tf.Tensor, candidate: tf.Tensor, mask: tf.Tensor
    ) -> tf.Tensor:
        """Weights ``(batch, length)``."""
        kernel = tf.cast(self.kernel, self.compute_dtype)
        candidate = tf.cast(candidate, self.compute_dtype)
        asked = tf.matmul(candidate, kernel, transpose_b=True)
        return masked_softmax(tf.linalg.matvec(states, asked), mask)
