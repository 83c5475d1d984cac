"""Dropout whose draws are part of the state of training."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec import keras


class Dropout(keras.layers.Layer):
    """Sets a share of the values to 0 in training and scales the others up.

    Srivastava et al., *Dropout*, JMLR 2014: each value is kept with the chance
    ``1 - rate`` and then divided by it, so that means stay.

    The layer of Keras draws from a generator that no checkpoint holds. This one's
    ``tf.random.Generator`` is in every ``tf.train.Checkpoint`` of its model: training
    that goes on drops what it would have dropped without an interruption. The
    generator is no weight, so ``.keras`` files do not hold it.

    Args:
        rate: Share of the values that are dropped, from 0 to below 1.
        seed: Seed of the draws.

    Call: a float tensor of any shape to the same shape and dtype.
    """

    def __init__(self, rate: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        # Of its own key: generators made ``from_seed`` share one stream of numbers.
        self.generator = tf.random.Generator.from_key_counter(seed, (0, 0), "philox")

    def call(self, values: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Drops in training alone."""
        if not training or not self.rate:
            return values
        draw = self.generator.uniform
        return tf.nn.experimental.general_dropout(values, self.rate, draw)
