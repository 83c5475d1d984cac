"""States of users (or items) that move a step of the clock at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.errors import DataError
from tfrec.layers.clock import DAY
from tfrec.layers.resident import Resident
from tfrec.models.baselines._taken import END

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

SPAN = 2**31  # steps that a key has room for


def steps_of(data: Interactions, since: np.ndarray, step_days: float) -> np.ndarray:
    """Steps of events, ``(n,)`` int64.

    Args:
        data: The events.
        since: ``(n,)`` seconds since the clock began; earlier is its beginning.
        step_days: Length of a step in days.

    Raises:
        DataError: More steps than can be counted.
    """
    steps = np.maximum(since, 0) // int(step_days * DAY)
    if len(steps) and steps.max() >= SPAN - 1:
        raise DataError(
            f"{data.name} has an event {steps.max():,} steps of {step_days:g} days "
            "after the first one: are its times microseconds? Correct them, or leave "
            "it out with data.take(...)."
        )
    return steps


def affine(dim: int, seeds: Iterator[int]) -> keras.layers.Dense:
    """``A u + a`` of states, ``(..., units)`` to ``(..., dim)``."""
    return keras.layers.Dense(
        dim,
        kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        bias_initializer=keras.initializers.RandomNormal(0.0, 0.1, seed=next(seeds)),
    )


class StepStates(keras.layers.Layer):
    """An LSTM over the steps in which each user (or item) has ratings.

    The input of a step is that of Wu et al. 2017, section 3.1::

        y_t = W [x_t, 1_new, tau_t, tau_(t-1)]

    x_t holds the ratings of the step, divided by the root of their number; 1_new says
    that it is the first step of all; tau is the time as a share of the training period.
    Steps without ratings are left out, as in the paper.

    The ratings are arrays of the catalogue and no weights: they are saved and exported
    with the model and may be replaced, and the states follow. ``steps`` has a sorted
    key for each step of each row, ``row * SPAN + step``; the ratings of the n-th are
    ``bounds[n]:bounds[n + 1]`` of ``others`` and ``ratings``.

    Args:
        catalogue: Where the arrays are kept.
        side: Prefix of their names.
        others: Rows on the other side, the columns of x_t.
        units: Width of y_t and of the state.
        seeds: Of the weights.
    """

    def __init__(
        self, catalogue: Any, side: str, others: int, units: int, seeds: Iterator[int]
    ) -> None:
        super().__init__(name=f"{side}_steps")
        self.units, self.others = units, others
        self.arrays = [
            Resident(catalogue, f"{side}_{name}", dtype, end)
            for name, dtype, end in (
                ("steps", tf.int64, END),
                ("bounds", tf.int64, 0),
                ("others", tf.int64, 0),
                ("ratings", tf.float32, 0.0),
            )
        ]
        single = {"experimental_autocast": False}  # sums of many need single precision
        small = keras.initializers.RandomNormal(0.0, 0.1, seed=next(seeds))
        self.kernel = self.add_weight(
            "kernel", (others, units), initializer=small, **single
        )
        spread = keras.initializers.GlorotUniform(seed=next(seeds))
        self.moment = self.add_weight(
            "moment", (3, units), initializer=spread, **single
        )
        cell = keras.layers.LSTMCell(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
            unit_forget_bias=False,
        )
        self.network = keras.layers.RNN(cell, return_sequences=True)

    def put(
        self, rows: np.ndarray, steps: np.ndarray, others: np.ndarray, x: np.ndarray
    ) -> None:
        """Takes over ratings in any order; the last of a pair in a step counts.

        Args:
            rows: ``(n,)`` whose.
            steps: ``(n,)`` int64, 0 or more.
            others: ``(n,)`` with whom.
            x: ``(n,)`` float32 ratings.
        """
        keys = rows.astype(np.int64) * SPAN + steps
        order = np.lexsort((others, keys))
        keys, others, x = keys[order], others[order], x[order]
        again = (keys[1:] == keys[:-1]) & (others[1:] == others[:-1])
        last = ~np.append(again, np.zeros(min(len(keys), 1), bool))
        found, first = np.unique(keys[last], return_index=True)
        bounds = np.append(first, np.count_nonzero(last))
        values = found, bounds, others[last].astype(np.int64), x[last]
        for resident, array in zip(self.arrays, values, strict=True):
            resident.put(array)

    def stored(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows, steps, others and ratings as :meth:`put` takes them."""
        found: list[Any] = [resident.array for resident in self.arrays]
        steps, bounds, others, ratings = found
        rows, steps = np.divmod(np.repeat(steps, np.diff(bounds)), SPAN)
        return rows, steps, others, ratings

    @property
    def work(self) -> float:
        """Steps of a pass over everybody, padding included."""
        keys = self.arrays[0].array
        if keys is None or not len(keys):
            return 1.0
        _, counts = np.unique(keys // SPAN, return_counts=True)
        return float(len(counts) * counts.max())

    def before(self, rows: tf.Tensor, steps: Any) -> tf.Tensor:
        """Where the steps of ``(n,)`` rows that are not before ``steps`` begin.

        Returns:
            ``(n,)`` int32 places among the keys of all rows.
        """
        keys = self.arrays[0].values
        return tf.searchsorted(keys, tf.cast(rows, tf.int64) * SPAN + steps)

    def inputs(self, places: tf.Tensor, period: tf.Tensor) -> tf.Tensor:
        """``y`` of steps: ``(n,)`` places among the keys to ``(n, units)``."""
        keys, bounds, others, ratings = (r.values for r in self.arrays)
        begin, end = tf.gather(bounds, places), tf.gather(bounds, places + 1)
        events = tf.ragged.range(begin, end)
        column = tf.gather(others, events.flat_values)
        x = tf.SparseTensor(
            tf.stack([events.value_rowids(), column], axis=1),
            tf.gather(ratings, events.flat_values),
            tf.stack([tf.size(places, tf.int64), self.others]),
        )
        rated = tf.sparse.sparse_dense_matmul(x, self.kernel)
        rated *= tf.math.rsqrt(tf.cast(tf.maximum(end - begin, 1), tf.float32))[:, None]
        own = tf.gather(keys, places)
        last = tf.gather(keys, tf.maximum(places - 1, 0))
        new = (last // SPAN != own // SPAN) | (places == 0)
        last = tf.where(new, own, last)
        return rated + self._moments(new, own % SPAN, last % SPAN, period)

    def _moments(
        self, new: tf.Tensor, now: tf.Tensor, last: tf.Tensor, period: tf.Tensor
    ) -> tf.Tensor:
        """``W [1_new, tau_t, tau_(t-1)]`` of ``(n,)`` steps: ``(n, units)``."""
        tau = [tf.cast(m, tf.float32) / tf.maximum(period, 1.0) for m in (now, last)]
        return tf.stack([tf.cast(new, tf.float32), *tau], axis=1) @ self.moment

    def call(self, rows: tf.Tensor, period: tf.Tensor) -> tf.Tensor:
        """States of ``(n,)`` rows before their first step and after every one.

        Args:
            rows: ``(n,)`` int32.
            period: Scalar float32, steps of the training period.

        Returns:
            ``(n, longest + 1, units)``; after the last step of a row what stands there
            is of no meaning.
        """
        low, high = self.before(rows, 0), self.before(rows, SPAN)
        places = tf.ragged.range(low, high)
        flat = self.inputs(places.flat_values, period)
        padded = places.with_flat_values(flat).to_tensor()
        missing = tf.maximum(1 - tf.shape(padded)[1], 0)
        padded = tf.pad(padded, [[0, 0], [0, missing], [0, 0]])
        after = self.network(tf.ensure_shape(padded, [None, None, self.units]))
        return tf.pad(after, [[0, 0], [1, 0], [0, 0]])

    def at(self, rows: tf.Tensor, steps: tf.Tensor, period: tf.Tensor) -> tf.Tensor:
        """States ``(n, units)`` of ``(n,)`` rows before ``(n,)`` int64 steps."""
        distinct, which = tf.unique(rows)
        states = self(distinct, period)
        passed = self.before(rows, steps) - self.before(rows, 0)
        return tf.gather_nd(states, tf.stack([which, passed], axis=1))

    def after(
        self,
        rows: tf.Tensor,
        steps: tf.Tensor,
        others: tf.Tensor,
        x: tf.Tensor,
        period: tf.Tensor,
    ) -> tf.Tensor:
        """States after one step more than there are, which is not kept.

        Args:
            rows: ``(n,)`` whose.
            steps: ``(n,)`` int64; a step before the last is taken for the last.
            others: ``(n, any)`` with whom, 0 is padding; nobody at all is no step.
            x: ``(n, any)`` float32 ratings.
            period: Scalar float32, steps of the training period.

        Returns:
            ``(n, units)``.
        """
        there = tf.cast(others > 0, tf.float32)
        rated = tf.gather(self.kernel, others) * (x * there)[..., None]
        count = tf.reduce_sum(there, axis=1)
        root = tf.math.rsqrt(tf.maximum(count, 1.0))[:, None]
        low, high = self.before(rows, 0), self.before(rows, SPAN)
        last = tf.gather(self.arrays[0].values, tf.maximum(high - 1, 0)) % SPAN
        last = tf.where(low == high, steps, last)
        y = tf.reduce_sum(rated, axis=1) * root
        y += self._moments(low == high, tf.maximum(steps, last), last, period)
        places = tf.ragged.range(low, high)
        stored = places.with_flat_values(self.inputs(places.flat_values, period))
        more = tf.RaggedTensor.from_tensor(y[:, None], ragged_rank=1)
        whole = tf.concat([stored, more], axis=1).to_tensor()
        after = self.network(tf.ensure_shape(whole, [None, None, self.units]))
        passed = high - low + tf.cast(count > 0, tf.int32)
        states = tf.pad(after, [[0, 0], [1, 0], [0, 0]])
        return tf.gather(states, passed, batch_dims=1)

    def every(self, rows: tf.Tensor, period: tf.Tensor) -> tf.Tensor:
        """All states of ``(n,)`` rows, row after row: ``(n + steps, units)``."""
        states = self(rows, period)
        count = self.before(rows, SPAN) - self.before(rows, 0)
        return tf.boolean_mask(states, tf.sequence_mask(count + 1, tf.shape(states)[1]))
