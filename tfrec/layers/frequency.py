"""How often items come by in a stream of batches."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError


class StreamingFrequency(keras.layers.Layer):
    """Estimates the probability that an item is in a batch, from the batches alone.

    Yi et al. 2019, "Sampling-Bias-Corrected Neural Modeling", algorithm 2: A holds the
    step at which an item was last seen, B the running mean of the steps between::

        B[y] = (1 - rate) B[y] + rate (t - A[y]);  A[y] = t;  p(y) = 1 / B[y]

    Differs from the paper: items have rows of their own, or share those of their hash
    buckets, so one hash function is enough. The first gap is taken as it is, where the
    paper's B starts from a constant.

    Args:
        size: Rows of the item table.
        rate: Weight of the newest gap, in (0, 1).

    Raises:
        ConfigError: ``rate`` is not in (0, 1).
    """

    def __init__(self, size: int, rate: float = 0.01, **kwargs: Any) -> None:
        super().__init__(trainable=False, dtype="float32", **kwargs)
        if not 0 < rate < 1:
            raise ConfigError(
                f"rate={rate} is not between 0 and 1: 0.01 looks back on 100 gaps."
            )
        self.rate = rate
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        options = {"trainable": False, "aggregation": first, "initializer": "zeros"}
        self.last = self.add_weight("last", (size,), **options)
        self.gap = self.add_weight("gap", (size,), **options)

    def observe(self, items: tf.Tensor, step: tf.Tensor) -> None:
        """Takes note of a batch.

        Args:
            items: ``(batch,)`` item indices.
            step: Scalar, 1 or more, larger at every call.
        """
        now = tf.cast(step, tf.float32)
        seen, old = tf.gather(self.last, items), tf.gather(self.gap, items)
        since = now - seen
        gap = tf.where(seen > 0, old + self.rate * (since - old), since)
        self.gap.scatter_update(tf.IndexedSlices(gap, items))
        self.last.scatter_update(tf.IndexedSlices(tf.fill(tf.shape(items), now), items))

    def call(self, items: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` item indices to ``(batch,)`` float32 in (0, 1].

        An item that was never observed has the probability of one in all steps so far.
        """
        gap, latest = tf.gather(self.gap, items), tf.reduce_max(self.last)
        return 1.0 / tf.maximum(tf.where(gap > 0, gap, latest), 1.0)
