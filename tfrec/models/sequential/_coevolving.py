"""States that each event of a user with an item moves on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.layers.embedding import table


class CoevolvingStates(keras.layers.Layer):
    """States of users (or items) by what their last event brought.

    Dai et al. 2016, "Deep Coevolutionary Network", section 3.2::

        f(t_k) = tanh(W_1 (t_k - t_(k-1)) + W_2 f(t_(k-1)) + W_3 g(t_k-) + W_4 q_k + e)

    with g the other side's state before the event, q_k the features of the interaction
    and e base features of its own of each row. Kept of every row are the terms that W
    multiplies, side by side, and the time of the event: the state is made of them with
    the weights there are, and a step of training finds its way back through one event.
    A row without any event has f = tanh(e).

    Args:
        rows: Users or items, padding and unknown included.
        dim: Width of the states.
        features: Width of q.
        seeds: Of the weights.
    """

    def __init__(
        self, rows: int, dim: int, features: int, seeds: Iterator[int], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.width = 1 + 2 * dim + features
        self.base = table(rows, dim, next(seeds), 0.1)
        self.kernel = self.add_weight(
            "kernel",
            (self.width, dim),
            initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            experimental_autocast=False,
        )
        # Every replica has all of it: what others meet is gathered before it is kept.
        own = {
            "trainable": False,
            "initializer": "zeros",
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
            "experimental_autocast": False,
        }
        self.memory = self.add_weight("memory", (rows, self.width), **own)
        self.last = self.add_weight("last", (rows,), tf.int64, **own)

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        """``(n,)`` rows to their states ``(n, dim)`` float32."""
        terms = tf.gather(self.memory, rows)
        base = tf.cast(self.base(rows), tf.float32)
        return tf.tanh(tf.matmul(terms, self.kernel) + base)

    def times(self, rows: tf.Tensor) -> tf.Tensor:
        """``(n,)`` int64 times of the last event; 0 where there was none."""
        return tf.gather(self.last, rows)

    def forget(self, when: tf.Tensor) -> None:
        """Forgets all events if ``when``, a scalar bool, says so."""

        def clear() -> tf.Tensor:
            self.memory.assign(tf.zeros_like(self.memory))
            self.last.assign(tf.zeros_like(self.last))
            return tf.constant(True)

        tf.cond(when, clear, lambda: tf.constant(False))

    def keep(self, rows: tf.Tensor, terms: tf.Tensor, times: tf.Tensor) -> None:
        """Takes over an event of each of ``(n,)`` different rows.

        Args:
            rows: Whose.
            terms: ``(n, width)``.
            times: ``(n,)`` int64.
        """
        rows, terms, times = gathered(rows, tf.stop_gradient(terms), times)
        times = tf.maximum(times, self.times(rows))
        # By handle: in place, and of this replica's own copy.
        update = tf.raw_ops.ResourceScatterUpdate
        update(resource=self.memory.handle, indices=rows, updates=terms)
        update(resource=self.last.handle, indices=rows, updates=times)


def gathered(*values: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """The values of all replicas, one after the other."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return values
    return tuple(replica.all_gather(value, axis=0) for value in values)
