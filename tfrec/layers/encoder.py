"""What an item holds as a vector: the base of encoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.layers.media import present


class Encoder(keras.layers.Layer):
    """The base of encoders: from what a network sees to a vector of a fixed width.

    ::

        vector = missing + p W f(x)

    where f is the network of the subclass, W its projection, and p is 1 for a row that
    holds something and 0 for one that does not: the vector of a row without an image
    (or text, or recording) is ``missing``, which is learned and is where all the others
    start from.

    Args:
        dim: Width of the vectors.
        seeds: Where the layers draw their seeds from.

    Call: ``(batch, ...)``, 0 where there is nothing, to ``(batch, dim)``.
    """

    def __init__(self, dim: int, seeds: Iterator[int], **kwargs: Any) -> None:
        # Keras would round samples to 16 bits before they are transformed.
        super().__init__(autocast=False, **kwargs)
        initial = keras.initializers.GlorotUniform(seed=next(seeds))
        self.projection = keras.layers.Dense(
            dim, use_bias=False, kernel_initializer=initial
        )
        self.missing = self.add_weight("missing", (dim,), initializer="zeros")

    def seen(self, values: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """``f(x)``: ``(batch, ...)`` to ``(batch, any)``."""
        raise NotImplementedError(f"{type(self).__name__} sees nothing.")

    def call(self, values: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The vectors."""
        vectors = self.projection(self.seen(values, training))
        there = tf.cast(present(values), vectors.dtype)[:, None]
        return tf.cast(self.missing, vectors.dtype) + there * vectors
