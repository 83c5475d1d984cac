"""Sequences read at several rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.layers.embedding import masked_mean


class RateLSTM(keras.layers.Layer):
    """An LSTM of which one step is the mean of several entries.

    Song et al. 2016, "Multi-Rate Deep Learning for Temporal Recommendation", section
    3.3: a fast LSTM steps often and a slow one sees more at each step. The scan is one
    loop in the graph; steps of padding alone leave the state as it was.

    Args:
        units: Width of the state.
        rate: Entries of a step, the oldest first.
        seeds: Where the layer draws its seeds from.

    Call: vectors ``(batch, length, any)`` and indices ``(batch, length)``, 0 for
    padding at the end, to the last state ``(batch, units)``, 0 for padding alone.
    """

    def __init__(
        self, units: int, rate: int, seeds: Iterator[int], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        cell = keras.layers.LSTMCell(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
            unit_forget_bias=False,
        )
        self.scan = keras.layers.RNN(cell)

    def call(self, vectors: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        """The last state."""
        steps = -(-vectors.shape[1] // self.rate)
        missing = steps * self.rate - vectors.shape[1]
        vectors = tf.pad(vectors, [[0, 0], [0, missing], [0, 0]])
        indices = tf.pad(indices, [[0, 0], [0, missing]])
        vectors = tf.reshape(vectors, [-1, steps, self.rate, vectors.shape[2]])
        indices = tf.reshape(indices, [-1, steps, self.rate])
        there = tf.reduce_any(indices > 0, axis=2)
        return self.scan(masked_mean(vectors, indices), mask=there)
