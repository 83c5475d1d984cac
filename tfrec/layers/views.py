"""Towers side by side, one for each view."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec import keras


class ViewTowers(keras.layers.Layer):
    """Towers of which each row goes through one.

    Args:
        towers: Layers of one output width.

    Call: ``(batch, width)`` and the number of each row's tower ``(batch,)`` int32 to
    ``(batch, units)``.
    """

    def __init__(self, towers: list[keras.Sequential], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.towers = towers

    def call(self, inputs: tf.Tensor, view: tf.Tensor) -> tf.Tensor:
        """Rows are sorted to their towers and back."""
        count = len(self.towers)
        places = tf.dynamic_partition(tf.range(tf.shape(inputs)[0]), view, count)
        parts = tf.dynamic_partition(inputs, view, count)
        outputs = [tower(part) for tower, part in zip(self.towers, parts, strict=True)]
        joined = tf.dynamic_stitch(places, outputs)
        return tf.ensure_shape(joined, [None, outputs[0].shape[1]])
