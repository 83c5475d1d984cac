"""Two vectors of one thing, weighed by how much is known of it."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from tfrec import keras


class CountGate(keras.layers.Layer):
    """Leans on one vector where events are many, and on another where they are few.

    ::

        g = sigmoid(a log(1 + n) + b)
        vector = g own + (1 - g) other      where n > 0, otherwise other

    with a and b learned for each entry of the vectors, n being the number of events.

    Args:
        start: The number of events at which the gate starts half open.

    Call: ``own`` and ``other`` ``(batch, dim)``, ``count`` ``(batch,)`` to ``(batch,
    dim)`` float32.
    """

    def __init__(self, start: float = 20.0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.start = start

    def build(self, shape: tf.TensorShape) -> None:
        """Creates a and b, ``(dim,)`` each."""
        for name, value in (("slope", 1.0), ("shift", -math.log1p(self.start))):
            weight = self.add_weight(
                name,
                shape[-1:],
                initializer=keras.initializers.Constant(value),
                experimental_autocast=False,
            )
            setattr(self, name, weight)

    def gate(self, count: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` numbers of events to g, ``(batch, dim)``; 0 for none."""
        count = tf.cast(count, tf.float32)[:, None]
        open_ = tf.sigmoid(self.slope * tf.math.log1p(count) + self.shift)
        return tf.where(count > 0, open_, 0.0)

    def call(self, own: tf.Tensor, other: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """The weighted sum."""
        gate = self.gate(count)
        own, other = tf.cast(own, tf.float32), tf.cast(other, tf.float32)
        return gate * own + (1 - gate) * other
