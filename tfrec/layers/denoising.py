"""Autoencoders that learn to fill in what was struck out of their input."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.layers.sparse_rows import Entries

ROWS_AT_ONCE = 4096
LEAST = 1e-4  # what never occurs may


def masked(values: tf.Tensor, rate: float, seed: tf.Tensor) -> tf.Tensor:
    """Masking noise: each value becomes 0 with a chance.

    Vincent et al. 2010, "Stacked Denoising Autoencoders", section 3.3.

    Args:
        values: Any shape, floating.
        rate: The chance, nu.
        seed: ``(2,)`` int32; the same seed strikes out the same places.
    """
    kept = tf.random.stateless_uniform(tf.shape(values), seed) >= rate
    return tf.where(kept, values, tf.zeros_like(values))


def counted(tokens: tf.Tensor, size: int) -> Entries:
    """Padded bags as sparse rows of counts, divided by the largest of the row.

    Args:
        tokens: ``(rows, length)`` indices, repeated as often as they occur; 0 is
            padding.
        size: Above the largest index.
    """
    there = tf.where(tokens > 0)
    own = tf.cast(tf.gather_nd(tokens, there), tf.int64)
    keys, _, count = tf.unique_with_counts(there[:, 0] * size + own)
    rows, row = tf.shape(tokens, tf.int64)[0], keys // size
    count = tf.cast(count, tf.float32)
    most = tf.math.unsorted_segment_max(count, row, rows)
    value = count / tf.gather(most, row)
    return Entries.of(rows, row, tf.cast(keys % size, tf.int32), value)


def mean_counted(tokens: np.ndarray, size: int) -> np.ndarray:
    """The mean of the rows that :func:`counted` makes, ``(size,)``."""
    total = np.zeros(size)
    for begin in range(0, len(tokens), ROWS_AT_ONCE):
        some = tokens[begin : begin + ROWS_AT_ONCE]
        row, place = np.nonzero(some)
        keys, count = np.unique(row * size + some[row, place], return_counts=True)
        row, word = np.divmod(keys, size)
        most = np.zeros(len(some), count.dtype)
        np.maximum.at(most, row, count)
        total += np.bincount(word, count / most[row], size)
    return total / max(len(tokens), 1)


def cross_entropy(logits: tf.Tensor, target: tf.Tensor | Entries) -> tf.Tensor:
    """``- sum of x log y + (1 - x) log (1 - y)`` with ``y = sigmoid(logits)``.

    Args:
        logits: ``(rows, size)`` float32.
        target: x in [0, 1], ``(rows, size)`` or sparse.

    Returns:
        ``(rows,)``.
    """
    inside = _inner(logits, target)
    return tf.reduce_sum(tf.nn.softplus(logits), axis=1) - inside


def squared_error(logits: tf.Tensor, target: tf.Tensor | Entries) -> tf.Tensor:
    """``|x - y|^2`` with ``y = sigmoid(logits)``; see :func:`cross_entropy`."""
    output = tf.sigmoid(logits)
    if isinstance(target, Entries):
        squares = target.sums(target.value**2)
    else:
        squares = tf.reduce_sum(target**2, axis=1)
    inside = _inner(output, target)
    return tf.reduce_sum(output**2, axis=1) - 2 * inside + squares


def _inner(values: tf.Tensor, target: tf.Tensor | Entries) -> tf.Tensor:
    """Inner products of rows, ``(rows,)``."""
    if not isinstance(target, Entries):
        return tf.reduce_sum(values * target, axis=1)
    column = tf.cast(tf.gather(target.ids, target.place), tf.int64)
    found = tf.gather_nd(values, tf.stack([target.row, column], axis=1))
    return target.sums(found * target.value)


class StackedAutoencoder(keras.layers.Layer):
    """Sigmoid layers that narrow sparse rows to a code, and as many that widen it.

    Layer l encodes ``h_l = sigmoid(W_l h_(l-1) + b_l)`` and has a decoder of its own,
    ``sigmoid(W'_l h_l + b'_l)`` for ``h_(l-1)``; h_0 is the row. The first product
    takes what stands in the row alone; only the outputs are as wide as the catalogue.

    Args:
        size: Columns of the rows.
        units: Width of each layer, the code's last.
        seeds: Where the layer draws its seeds from.
    """

    def __init__(
        self, size: int, units: tuple[int, ...], seeds: Iterator[int], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = tuple(units)
        self.kernel = self.add_weight(
            "kernel",
            (size, units[0]),
            initializer=keras.initializers.RandomNormal(0.0, 0.1, seed=next(seeds)),
            experimental_autocast=False,
        )
        self.bias = self.add_weight(
            "bias", (units[0],), initializer="zeros", experimental_autocast=False
        )
        widths = (size, *units)
        # Glorot's range times four suits sigmoid layers.
        steep = {"scale": 16.0, "mode": "fan_avg", "distribution": "uniform"}
        self.encoders, self.decoders = [], []
        for wide, narrow in pairwise(widths[1:]):
            initial = keras.initializers.VarianceScaling(**steep, seed=next(seeds))
            dense = keras.layers.Dense(narrow, "sigmoid", kernel_initializer=initial)
            dense.build((None, wide))
            self.encoders.append(dense)
        for wide, narrow in pairwise(widths):
            initial = keras.initializers.GlorotUniform(seed=next(seeds))
            dense = keras.layers.Dense(wide, kernel_initializer=initial)
            dense.build((None, narrow))
            self.decoders.append(dense)

    def start_at(self, mean: np.ndarray) -> None:
        """Lets the output be the mean row, whatever the code.

        Otherwise every output starts at a half, where nearly all should be nearly 0,
        and all that the first steps teach the layers below is to say so: their codes
        become alike.

        Args:
            mean: ``(size,)`` of rows, in [0, 1].
        """
        share = np.clip(mean, LEAST, 1 - LEAST)
        self.decoders[0].bias.assign(np.log(share / (1 - share)))

    def encode(self, entries: Entries, depth: int | None = None) -> tf.Tensor:
        """Sparse rows to the code, ``(rows, units)``, or to an earlier layer.

        Args:
            entries: The rows.
            depth: How many layers to go through; all when None.
        """
        product = entries.times(tf.gather(self.kernel, entries.ids))
        hidden = tf.sigmoid(product + self.bias)
        for dense in self.encoders[: None if depth is None else depth - 1]:
            hidden = dense(hidden)
        return hidden

    def widen(self, code: tf.Tensor) -> tf.Tensor:
        """The code to the last layer before the output, ``(rows, units[0])``."""
        for dense in reversed(self.decoders[1:]):
            code = tf.sigmoid(dense(code))
        return code

    def decode(self, code: tf.Tensor) -> tf.Tensor:
        """The code to ``(rows, size)`` float32 logits of the row."""
        return tf.cast(self.decoders[0](self.widen(code)), tf.float32)

    def one_layer(
        self, number: int, entries: Entries, rate: float, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | Entries]:
        """One layer as an autoencoder of the layer before (section 3.4).

        Its input is what the trained layers below make of rows without noise; the
        noise is laid on that input.

        Args:
            number: The layer, from 0.
            entries: The rows.
            rate: Masking noise.
            seed: Of the noise.

        Returns:
            float32 logits and what they should be.
        """
        if not number:
            noisy = entries.with_value(masked(entries.value, rate, seed))
            logits = self.decoders[0](self.encode(noisy, 1))
            return tf.cast(logits, tf.float32), entries
        below = tf.stop_gradient(self.encode(entries, number))
        hidden = self.encoders[number - 1](masked(below, rate, seed))
        logits = self.decoders[number](hidden)
        return tf.cast(logits, tf.float32), tf.cast(below, tf.float32)

    def layer_variables(self, number: int) -> list[tf.Variable]:
        """What training one layer alone moves: its encoder and its decoder."""
        if number:
            own = self.encoders[number - 1].trainable_variables
        else:
            own = [self.kernel, self.bias]
        return [*own, *self.decoders[number].trainable_variables]
