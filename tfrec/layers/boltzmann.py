"""Gibbs sampling between sparse softmax units and binary hidden units."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from tfrec.layers.sparse_rows import Entries


@dataclass(frozen=True)
class Machine:
    """Rows of ratings, each a restricted Boltzmann machine of its own places.

    Salakhutdinov et al. 2007, "Restricted Boltzmann Machines for Collaborative
    Filtering", equations 1 and 2.

    Attributes:
        entries: Places that have a rating, the visible units.
        weights: ``(columns, levels, hidden)`` W by place.
        bias: ``(columns, levels)`` b by place.
        given: ``(rows, hidden)`` or ``(1, hidden)``, what comes into the hidden units
            whatever the ratings are.
    """

    entries: Entries
    weights: tf.Tensor
    bias: tf.Tensor
    given: tf.Tensor

    def sums(self, units: tf.Tensor) -> tf.Tensor:
        """What comes into the hidden units.

        Args:
            units: ``(entries,)`` int32, which of the levels each rating is.

        Returns:
            ``(rows, hidden)``, the logits of ``p(h_j = 1 | v)``.
        """
        levels, hidden = self.weights.shape[1], self.weights.shape[2]
        flat = tf.reshape(self.weights, [-1, hidden])
        return self.given + self.entries.units(units, levels).times(flat)

    def logits(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits of p(v | h), ``(entries, levels)``, of ``(rows, hidden)`` states."""
        bias = tf.gather(self.bias, self.entries.place)
        return self.entries.dot(hidden, self.weights) + bias

    def energy(self, units: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        """``(rows,)`` free energies; its slopes are the statistics with a minus.

        That is ``-sum_i b_i(v_i) - sum_j log(1 + exp(sums_j))``.

        Args:
            units: ``(entries,)`` int32.
            sums: Of :meth:`sums`, for those.
        """
        place = tf.cast(self.entries.place, tf.int32)
        bias = tf.gather_nd(self.bias, tf.stack([place, units], axis=1))
        return -self.entries.sums(bias) - tf.reduce_sum(tf.nn.softplus(sums), axis=1)

    def chain(
        self, sums: tf.Tensor, steps: tf.Tensor, seeds: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Gibbs steps: hidden states are drawn, then ratings, and so on.

        Args:
            sums: What comes into the hidden units at the start.
            steps: Scalar int32, how many, 1 or more.
            seeds: ``(most steps, 2)`` int32.

        Returns:
            The units in the end, ``(entries,)`` int32, and the logits of the ratings in
            the first step.
        """

        def one(number: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            logits = self.logits(draw_states(tf.sigmoid(sums), seeds[number]))
            return draw_units(logits, seeds[number]), logits

        def more(number: tf.Tensor, units: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return number + 1, one(number, self.sums(units))[0]

        units, logits = one(tf.constant(0), sums)
        shapes = (tf.TensorShape([]), tf.TensorShape([None]))
        start = (tf.constant(1), units)
        _, units = tf.while_loop(lambda n, _: n < steps, more, start, shapes)
        return units, logits


def draw_states(probability: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """``(rows, hidden)`` chances of 1 to states 0 or 1, float32."""
    drawn = tf.random.stateless_uniform(tf.shape(probability), seed)
    return tf.cast(drawn < probability, tf.float32)


def draw_units(logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """``(entries, levels)`` logits to one level each, ``(entries,)`` int32."""
    chance = tf.cumsum(tf.nn.softmax(logits), axis=1)
    drawn = tf.random.stateless_uniform(tf.shape(logits)[:1], seed + 1)
    passed = tf.cast(chance < drawn[:, None] * chance[:, -1:], tf.int32)
    return tf.reduce_sum(passed, axis=1)
