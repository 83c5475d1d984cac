"""Pairs that meet as Rayleigh processes do, and what their times are relative to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec.data.t_batches import in_time
from tfrec.errors import ConfigError
from tfrec.models.baselines._taken import first_known
from tfrec.models.factorization._ratings import Timed, check_timestamp, whole_seconds
from tfrec.models.sequential import _rayleigh as rayleigh
from tfrec.models.sequential._rayleigh import HOUR

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class Meetings(Timed):
    """Constants of training data, and intensities in the units that they give.

    Subclasses have an ``item_bias`` table, and in the Config a ``resolution``: hours
    below which times are not told apart.
    """

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        check_timestamp(self)
        if not self.config.resolution > 0:
            raise ConfigError(
                f"resolution={self.config.resolution} must be more than 0."
            )
        users = self.spec.user_column.size
        self.unit = self._constant("unit", initial="ones")
        self.constant = self._constant("constant")
        self.label_mean = self._constant("label_mean")
        self.label_spread = self._constant("label_spread", initial="ones")
        self.begin = self._constant("begin", (users,), tf.int64)
        self.end = self._constant("end", (users,), tf.int64)

    def _constant(
        self,
        name: str,
        shape: tuple[int, ...] = (),
        dtype: tf.DType = tf.float32,
        initial: str = "zeros",
    ) -> tf.Variable:
        return self.add_weight(
            name,
            shape,
            dtype,
            initial,
            trainable=False,
            experimental_autocast=False,
        )

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue; of the first data, time and rate of events, too."""
        fresh = not self.adapted
        super().adapt(data)
        if fresh:
            self.learn_constants(data)

    def learn_constants(self, data: Interactions) -> None:
        """The period, the mean time between events, and who was there when."""
        self.clock.fit(whole_seconds(data))
        rows = in_time(data)
        user = data.user[rows]
        time = whole_seconds(data)[rows] - int(self.clock.first.numpy())
        gaps = rayleigh.waits(data.person[rows], time)
        size = data.spec.user_column.size
        unit = max(gaps.mean(), self.config.resolution * HOUR)
        self.unit.assign(unit)
        # One expected event in the time between two, over all items.
        squares = np.mean((gaps / unit) ** 2) / 2 * self._known(1)
        self.constant.assign(-math.log(squares))
        begin, end = rayleigh.presence(user, time, size)
        self.begin.assign(begin)
        self.end.assign(end)
        if data.spec.label is not None:
            self.label_mean.assign(float(data.label.mean()))
            self.label_spread.assign(float(data.label.std()) or 1.0)

    def _known(self, side: int) -> int:
        """How many users (0) or items (1) there are."""
        column = (self.spec.user_column, self.spec.item_column)[side]
        return column.size - first_known(column)

    def elapsed(self, now: tf.Tensor, *last: tf.Tensor) -> tf.Tensor:
        """Time since the latest of some events, in mean times between events.

        Args:
            now: Any shape, int64 seconds of the period.
            *last: Of shapes that broadcast with it.

        Returns:
            float32, 0 where the event is yet to come.
        """
        since = tf.cast(now, tf.int64)
        latest = last[0] if len(last) == 1 else tf.maximum(*last)
        seconds = tf.cast(tf.maximum(since - latest, 0), tf.float32)
        return seconds / self.unit

    def log_intensity(self, exponent: tf.Tensor, elapsed: tf.Tensor) -> tf.Tensor:
        """``log lambda``; shorter times than the resolution are as long as it is."""
        shortest = self.config.resolution * HOUR / self.unit
        return rayleigh.log_intensity(exponent, tf.maximum(elapsed, shortest))

    def expected_hours(self, exponent: tf.Tensor) -> tf.Tensor:
        """The expected time in hours."""
        return rayleigh.expected(exponent) * self.unit / HOUR

    def bias(self, items: tf.Tensor) -> tf.Tensor:
        """``b`` of ``(n,)`` items."""
        own = tf.cast(self.item_bias(items), tf.float32)[:, 0]
        return own + self.constant

    def moment(self, seconds: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` int64 seconds since 1970 to those of the period."""
        return tf.maximum(seconds, self.clock.first) - self.clock.first
