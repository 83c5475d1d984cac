"""Recurrent layers, run as one compiled loop over time."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec import keras


class AUGRU(keras.layers.Layer):
    """A GRU whose update gate is scaled by attention.

    Zhou et al. 2019, "Deep Interest Evolution Network", equations 2-5 and 14-16::

        u_t = sigmoid(W_u x_t + U_u h_(t-1) + b_u)
        r_t = sigmoid(W_r x_t + U_r h_(t-1) + b_r)
        c_t = tanh(W_c x_t + r_t * (U_c h_(t-1)) + b_c)
        h_t = (1 - a_t u_t) * h_(t-1) + a_t u_t * c_t

    A step with attention 0 leaves the state exactly as it was, so padding needs no
    mask and a history of padding alone ends in the first state, 0.

    Args:
        units: Width of the state.
        seed: Seed of W and U.

    Call: inputs ``(batch, length, any)`` and attention ``(batch, length)`` to the last
    state ``(batch, units)``.
    """

    def __init__(self, units: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.input_initial = keras.initializers.GlorotUniform(seed=seed)
        self.state_initial = keras.initializers.Orthogonal(seed=seed + 1)

    def build(self, shape: tf.TensorShape) -> None:
        """Creates ``W``, ``U`` and ``b``, the gates u, r and c side by side."""
        width = 3 * self.units
        self.kernel = self.add_weight(
            "kernel", (shape[-1], width), initializer=self.input_initial
        )
        self.recurrent = self.add_weight(
            "recurrent", (self.units, width), initializer=self.state_initial
        )
        self.bias = self.add_weight("bias", (width,), initializer="zeros")

    def project(self, inputs: tf.Tensor) -> tf.Tensor:
        """``W x + b`` of all gates: ``(..., any)`` to ``(..., 3 units)``."""
        kernel = tf.cast(self.kernel, self.compute_dtype)
        projected = tf.tensordot(tf.cast(inputs, self.compute_dtype), kernel, 1)
        return projected + tf.cast(self.bias, self.compute_dtype)

    def step(
        self, projected: tf.Tensor, attention: tf.Tensor, state: tf.Tensor
    ) -> tf.Tensor:
        """One step of time.

        Args:
            projected: ``(batch, 3 units)`` of :meth:`project`.
            attention: ``(batch, 1)``.
            state: ``(batch, units)`` before the step.

        Returns:
            ``(batch, units)`` after it.
        """
        recurrent = tf.matmul(state, tf.cast(self.recurrent, self.compute_dtype))
        size = 2 * self.units
        gates = tf.sigmoid(projected[:, :size] + recurrent[:, :size])
        update, reset = tf.split(gates, 2, axis=1)
        proposed = tf.tanh(projected[:, size:] + reset * recurrent[:, size:])
        return state + attention * update * (proposed - state)

    def call(self, inputs: tf.Tensor, attention: tf.Tensor) -> tf.Tensor:
        """The last state."""
        projected = self.project(inputs)
        weights = tf.cast(attention, self.compute_dtype)[..., None]
        start = tf.zeros([tf.shape(inputs)[0], self.units], self.compute_dtype)

        def step(now: Any, states: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
            gates, share = now
            state = self.step(gates, share, states[0])
            return state, [state]

        last, _, _ = keras.backend.rnn(
            step, (projected, weights), [start], return_all_outputs=False
        )
        return tf.ensure_shape(last, [None, self.units])


class InterestExtractor(keras.layers.Layer):
    """A GRU over a padded history.

    Zhou et al. 2019, section 4.2, equations 2-5: the state after every step is the
    user's interest at that time. Padding leaves the state as it was.

    Differs from the paper: the recurrent product has a bias of its own, as that of
    Keras's GRU.

    Args:
        units: Width of the state.
        seed: Seed of the weights.

    Call: ``(batch, length, dim)`` and mask ``(batch, length)`` bool, True where a step
    is no padding, to states ``(batch, length, units)``; 0 before the first step.
    """

    def __init__(self, units: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gru = keras.layers.GRU(
            units,
            return_sequences=True,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 1),
        )

    def call(self, history: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """States ``(batch, length, units)``."""
        return self.gru(history, mask=mask)


def auxiliary_loss(
    states: tf.Tensor, following: tf.Tensor, negatives: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """How well each state tells the next entry from a drawn one.

    Zhou et al. 2019, equation 10, with the inner product in the sigmoid::

        - log sigmoid(<h_t, e_(t+1)>) - log(1 - sigmoid(<h_t, n_(t+1)>))

    Differs from the paper: the mean over the steps of all histories, where the paper
    adds up those of a history, so that its weight does not depend on their length.

    Args:
        states: ``(batch, steps, dim)`` states h.
        following: ``(batch, steps, dim)`` embedded next entries e.
        negatives: ``(batch, steps, dim)`` embedded drawn entries n.
        mask: ``(batch, steps)`` bool, True where the step and its next entry are real.

    Returns:
        Scalar float32; 0 where no step is real.
    """
    states = tf.cast(states, tf.float32)

    def logits(vectors: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(states * tf.cast(vectors, tf.float32), axis=-1)

    losses = tf.nn.softplus(-logits(following)) + tf.nn.softplus(logits(negatives))
    counted = tf.cast(mask, tf.float32)
    return tf.math.divide_no_nan(
        tf.reduce_sum(losses * counted), tf.reduce_sum(counted)
    )
