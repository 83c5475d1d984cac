"""Attention of many candidates over one history that is cut into windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec import keras


class WindowedAttention(keras.layers.Layer):
    """A vector of each window of a history, as every candidate sees it.

    Zhu et al. 2018, "Learning Tree-based Deep Model for Recommender Systems",
    section 3.2 and figure 2: an entry h of the history is weighted by an activation
    unit of what it has to do with the candidate c, and weighted entries are averaged
    window by window::

        a(h, c) = w . PReLU(W [h; c; h * c] + b) + b'
        z_j(c) = 1 / |window j| sum_{h in window j} a(h, c) h

    All windows share the unit. Windows are counted from the end of a history; one that
    the history does not reach is 0.

    Args:
        windows: Entries of each window, the latest first; the last one takes whatever
            is left too.
        units: Hidden width of the unit.
        seeds: Where the initial weights draw their seeds from.

    Call: history ``(batch, length, dim)``, mask ``(batch, length)`` bool, True where an
    entry is no padding, and candidates ``(batch or 1, candidates, dim)`` to
    ``(batch, candidates, windows * dim)``.
    """

    def __init__(
        self, windows: tuple[int, ...], units: int, seeds: Iterator[int], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.ends = np.cumsum(windows[:-1], dtype=np.int32)
        self.units = units
        self.initial = [
            keras.initializers.GlorotUniform(seed=next(seeds)) for _ in range(2)
        ]

    def build(self, shape: tf.TensorShape) -> None:
        """Creates the two layers: ``(3 dim, units)`` and ``(units, 1)``."""
        first, last = self.initial
        self.kernel = self.add_weight(
            "kernel", (3 * shape[-1], self.units), initializer=first
        )
        self.bias = self.add_weight("bias", (self.units,), initializer="zeros")
        self.alpha = self.add_weight("alpha", (self.units,), initializer="zeros")
        self.last_kernel = self.add_weight(
            "last_kernel", (self.units, 1), initializer=last
        )
        self.last_bias = self.add_weight("last_bias", (1,), initializer="zeros")

    def weights_of(
        self, history: tf.Tensor, mask: tf.Tensor, candidates: tf.Tensor
    ) -> tf.Tensor:
        """``(batch, length, candidates)``: how much an entry matters; 0 for padding."""
        # The hidden layer is linear in [c; 1] once h is known: one product with a
        # matrix of each entry, and no joined vector is ever held. PReLU is
        # alpha x + (1 - alpha) relu(x), whose linear part needs no hidden layer.
        weights = (self.kernel, self.bias, self.alpha, self.last_kernel, self.last_bias)
        history, candidates, kernel, bias, alpha, last, last_bias = (
            tf.cast(x, self.compute_dtype) for x in (history, candidates, *weights)
        )
        last = last[:, 0]
        entry, other, product = (tf.transpose(w) for w in tf.split(kernel, 3))
        slope = history[:, None] * product[:, None] + other[:, None]
        fixed = tf.matmul(entry, history, transpose_b=True) + bias[:, None]
        matrix = tf.concat([slope, fixed[..., None]], axis=3)
        shape = tf.shape(matrix)  # (batch, units, length, dim + 1)
        nodes = tf.concat([candidates, tf.ones_like(candidates[..., :1])], axis=2)
        rows = tf.reshape(matrix, [shape[0], shape[1] * shape[2], matrix.shape[3]])
        hidden = tf.nn.relu(tf.matmul(rows, nodes, transpose_b=True))
        hidden = tf.reshape(hidden, [shape[0], shape[1], -1])
        logits = tf.matmul(((1 - alpha) * last)[None, None], hidden)
        logits = tf.reshape(logits, [shape[0], shape[2], -1])
        linear = tf.tensordot(matrix, alpha * last, [[1], [0]])
        logits += tf.matmul(linear, nodes, transpose_b=True) + last_bias
        return tf.where(mask[:, :, None], logits, tf.zeros_like(logits))

    def call(
        self, history: tf.Tensor, mask: tf.Tensor, candidates: tf.Tensor
    ) -> tf.Tensor:
        """The vectors of all windows side by side, the latest window first."""
        weights = self.weights_of(history, mask, candidates)
        after = tf.cumsum(tf.cast(mask, tf.int32), 1, exclusive=True, reverse=True)
        window = tf.searchsorted(self.ends, tf.reshape(after, [-1]), side="right")
        window = tf.reshape(window, tf.shape(after))
        own = tf.one_hot(window, len(self.ends) + 1, dtype=weights.dtype)
        own *= tf.cast(mask, own.dtype)[:, :, None]
        own = tf.math.divide_no_nan(own, tf.reduce_sum(own, axis=1, keepdims=True))
        spread = own[..., None] * tf.cast(history, weights.dtype)[:, :, None]
        shape = tf.shape(history)
        width = (len(self.ends) + 1) * history.shape[-1]
        spread = tf.reshape(spread, [shape[0], shape[1], width])
        return tf.matmul(weights, spread, transpose_a=True)
