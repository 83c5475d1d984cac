"""An LSTM that reads a text and one that writes it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.layers.embedding import table
from tfrec.layers.pooling import beta_weights


def wildcards(
    tokens: tf.Tensor, rate: float, wildcard: int, seed: tf.Tensor
) -> tf.Tensor:
    """Wildcard noise: each token becomes the wildcard with a chance.

    Args:
        tokens: ``(batch, length)`` indices, 0 is padding and stays.
        rate: The chance.
        wildcard: Index of the wildcard.
        seed: ``(2,)`` int32.
    """
    struck = tf.random.stateless_uniform(tf.shape(tokens), seed) < rate
    return tf.where(struck & (tokens > 0), wildcard, tokens)


class _OpenLSTMCell(keras.layers.LSTMCell):
    """An LSTM cell whose output is the hidden and the cell state, side by side."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.output_size = 2 * units

    def call(self, inputs: tf.Tensor, states: Any, training: bool | None = None) -> Any:
        _, states = super().call(inputs, states, training)
        return tf.concat(states, axis=1), states


class RecurrentAutoencoder(keras.layers.Layer):
    """A denoising recurrent autoencoder of texts with beta-pooling.

    Wang, Shi and Yeung 2016, "Collaborative Recurrent Autoencoder", section 3, for a
    text of T tokens, of which the last is the end mark, as is w_0::

        (h_t; s_t)        = LSTM(E w'_t, (h; s)_(t-1))         t = 1 .. T, w' noisy
        theta             = W_1 (h_T; s_T) + b_1
        (h; s)_T          = W_2 tanh(theta) + b_2              the decoder's first state
        (h_t; s_t)        = LSTM'(E w_(t-T-1), (h; s)_(t-1))   t = T + 1 .. 2 T
        p(w_(t-T) | ...)  = softmax(W_g h_t + b_g)
        code              = tanh(W_1 sum over t of beta_t (h_t; s_t) + b_1)

    Args:
        size: Above the largest token index.
        dim: Width of the code, tanh.
        units: Width of word vectors and of either LSTM's hidden state.
        pooling: a and b of :func:`~tfrec.layers.pooling.beta_weights`, over 2 T steps.
        seeds: Where the layer draws its seeds from.
    """

    def __init__(
        self,
        size: int,
        dim: int,
        units: int,
        pooling: tuple[float, float],
        seeds: Iterator[int],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.end, self.wildcard, self.pooling = size, size + 1, pooling
        self.words = table(size + 2, units, next(seeds), units**-0.5, "words")
        self.words.build(None)
        self.reader, self.writer = (self._lstm(units, seeds) for _ in range(2))
        self.narrow = self._dense(2 * units, dim, seeds)
        self.widen = self._dense(dim, 2 * units, seeds)
        self.output_words = self._dense(units, size + 1, seeds)

    def _lstm(self, units: int, seeds: Iterator[int]) -> keras.layers.RNN:
        cell = _OpenLSTMCell(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
            unit_forget_bias=False,
        )
        layer = keras.layers.RNN(cell, return_sequences=True, return_state=True)
        layer.build((None, None, units))
        return layer

    def _dense(self, wide: int, width: int, seeds: Iterator[int]) -> Any:
        initial = keras.initializers.GlorotUniform(seed=next(seeds))
        layer = keras.layers.Dense(width, kernel_initializer=initial)
        layer.build((None, wide))
        return layer

    def call(
        self, tokens: tf.Tensor, rate: float = 0.0, seed: Any = (0, 0)
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Texts to codes and to what the writer says.

        Args:
            tokens: ``(batch, length)`` int32, padded with 0 at the end.
            rate: Wildcard noise of what is read.
            seed: ``(2,)`` int32 of the noise.

        Returns:
            Codes ``(batch, dim)`` float32; the writer's hidden states ``(batch,
            length + 1, units)``; what they should say, ``(batch, length + 1)`` int32,
            the end mark included, 0 for padding.
        """
        noisy = wildcards(tokens, rate, self.wildcard, seed)
        count = tf.reduce_sum(tf.cast(tokens > 0, tf.int32), axis=1, keepdims=True)
        ended, read = self._ended(tokens, count), self._ended(noisy, count)
        real = ended > 0
        reading, *last = self.reader(self.words(read), mask=real)
        theta = self.narrow(tf.concat(last, axis=1))
        first = tf.split(self.widen(tf.tanh(theta)), 2, axis=1)
        before = tf.concat([tf.fill(tf.shape(count), self.end), ended[:, :-1]], axis=1)
        writing, *_ = self.writer(self.words(before), mask=real, initial_state=first)
        place, total = tf.range(1, tf.shape(ended)[1] + 1)[None], count + 1
        weight = beta_weights(
            tf.concat([tf.where(real, place, 0), total + place], axis=1),
            2 * total,
            *self.pooling,
        )
        states = tf.concat([reading, writing], axis=1)
        pooled = tf.einsum("bts,bt->bs", states, tf.cast(weight, states.dtype))
        code = tf.cast(tf.tanh(self.narrow(pooled)), tf.float32)
        return code, writing[:, :, : writing.shape[2] // 2], ended

    def loss(self, writing: tf.Tensor, ended: tf.Tensor) -> tf.Tensor:
        """``- sum over t of log p(w_t)``, ``(batch,)`` float32; see :meth:`call`."""
        real = tf.where(ended > 0)
        logits = tf.cast(self.output_words(tf.gather_nd(writing, real)), tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.gather_nd(ended, real), logits
        )
        return tf.math.unsorted_segment_sum(losses, real[:, 0], tf.shape(ended)[0])

    def _ended(self, tokens: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Tokens and the end mark after the last, ``(batch, length + 1)``."""
        longer = tf.pad(tokens, [[0, 0], [0, 1]])
        return tf.where(tf.range(tf.shape(longer)[1]) == count, self.end, longer)
