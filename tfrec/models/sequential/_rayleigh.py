"""Rayleigh processes: events whose intensity grows with the time since the last.

``lambda(t) = exp(a) t``, t since the last event. Of several side by side the first
event has intensity ``sum lambda``, that of another such process.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

HOUR = 3_600
DAY = 24.0 * HOUR


def log_intensity(exponent: tf.Tensor, elapsed: tf.Tensor) -> tf.Tensor:
    """``a + log t``."""
    return exponent + tf.math.log(elapsed)


def cumulative(exponent: tf.Tensor, elapsed: tf.Tensor) -> tf.Tensor:
    """``exp(a) t^2 / 2``, the integral of lambda and minus the log of survival."""
    return tf.exp(exponent) * tf.square(elapsed) / 2


def expected(exponent: tf.Tensor) -> tf.Tensor:
    """``sqrt(pi / (2 exp(a)))``, the mean of t at the next event."""
    return math.sqrt(math.pi / 2) * tf.exp(-exponent / 2)


def waits(ids: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Seconds, 1 or more, between the events of each id; a day where there are none.

    Args:
        ids: ``(n,)`` whose event, in time order.
        times: ``(n,)`` seconds.
    """
    order = np.argsort(ids, kind="stable")
    gaps = np.diff(times[order])[np.diff(ids[order]) == 0].astype(np.float64)
    return np.maximum(gaps, 1.0) if len(gaps) else np.array([DAY])


def presence(
    ids: np.ndarray, times: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Times of the first and the last event of each of ``size`` ids, 0 without any."""
    last = np.zeros(size, np.int64)
    np.maximum.at(last, ids, times)
    first = last.copy()
    np.minimum.at(first, ids, times)
    return first, last
