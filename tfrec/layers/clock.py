"""Event times as days and slices of the training period."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfrec import keras

DAY = 86_400


class Clock(keras.layers.Layer):
    """Knows when the training period began and ended; saved with the model.

    Where no time is given it is the end of the period. Times before the period count as
    its begin and later ones as its end, so that a clock that stands at zero and a query
    from the future are answered as of the nearest time that was learned.
    """

    def __init__(self) -> None:
        super().__init__(trainable=False)
        self.first = self._moment("first")
        self.last = self._moment("last")

    def _moment(self, name: str) -> tf.Variable:
        return self.add_weight(name, (), tf.int64, initializer="zeros", trainable=False)

    def fit(self, times: np.ndarray) -> None:
        """Takes over begin and end from ``(events,)`` int64 seconds since 1970."""
        self.first.assign(int(times.min()))
        self.last.assign(int(times.max()))

    def seconds(self, times: tf.Tensor | None, queries: tf.Tensor) -> tf.Tensor:
        """Times as given, or the end of the period for each of ``(batch,)`` queries.

        Args:
            times: ``(batch,)`` seconds since 1970, int64 or (exact to about a minute)
                float32, where what is no number is unknown; or None.
            queries: ``(batch,)`` of anything.

        Returns:
            ``(batch,)`` int64.
        """
        unknown = tf.zeros_like(queries, tf.int64) + self.last
        if times is None:
            return unknown
        if times.dtype.is_floating:
            finite = tf.math.is_finite(times)
            whole = tf.cast(tf.where(finite, times, 0), tf.int64)
            return tf.where(finite, whole, unknown)
        return tf.cast(times, tf.int64)

    def days(self, seconds: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` int64 days since the first one, negative before it.

        Days begin at midnight UTC.
        """
        return seconds // DAY - self.first // DAY

    def inside(self, seconds: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` seconds, those outside the period at its nearer end."""
        return tf.clip_by_value(seconds, self.first, self.last)

    def elapsed(self, seconds: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` float32 in [0, 1]: place within the period."""
        inside = self.inside(seconds) - self.first
        length = tf.cast(self.last - self.first, tf.float64)
        return tf.cast(
            tf.math.divide_no_nan(tf.cast(inside, tf.float64), length), tf.float32
        )

    def slices(self, seconds: tf.Tensor, count: int) -> tf.Tensor:
        """``(batch,)`` int32 in 0 .. ``count - 1``: which of equally long slices."""
        place = tf.cast(self.elapsed(seconds) * count, tf.int32)
        return tf.minimum(place, count - 1)
