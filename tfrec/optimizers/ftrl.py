"""FTRL-Proximal that touches only the embedding rows a batch has read."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.optimizers.row_sparse import RowSparse, gather_rows, write_rows


@keras.utils.register_keras_serializable(package="tfrec")
class Ftrl(RowSparse, keras.optimizers.Ftrl):
    r"""FTRL-Proximal with row-sparse updates of embedding tables.

    McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013,
    Algorithm 1 (per coordinate, :math:`n` the accumulator):

    .. math::
        n_t = n_{t-1} + g_t^2 \qquad
        z_t = z_{t-1} + g_t - \frac{\sqrt{n_t} - \sqrt{n_{t-1}}}{\alpha} \theta_{t-1}

        \theta_t = \begin{cases} 0 & |z_t| \le \lambda_1 \\
        (\mathrm{sign}(z_t) \lambda_1 - z_t) /
        ((\beta + \sqrt{n_t}) / \alpha + 2 \lambda_2) & \text{else} \end{cases}

    A row without gradient keeps `n` and `z` by the formula and therefore its value, so
    the row-sparse update is exact for tables that start at zero.

    **Differs from the paper**: the accumulator starts at `initial_accumulator_value`
    and :math:`\lambda_2` counts twice, both as in Keras.

    Args:
        learning_rate: alpha, or a ``LearningRateSchedule``.
        initial_accumulator_value: start of `n`, not negative.
        l1_regularization_strength: :math:`\lambda_1`; weights of weak columns become
            exactly 0.
        l2_regularization_strength: :math:`\lambda_2`.
        beta: as in the paper.
        name: name of the optimizer.
        **kwargs: as for :class:`tfrec.optimizers.Adam`.

    Raises:
        ValueError: a strength or the accumulator is negative, or a `mesh` is given.

    Example:
        >>> table = tf.Variable([[0.0], [0.0], [0.0]])
        >>> optimizer = tfrec.optimizers.Ftrl(0.1, l1_regularization_strength=0.5)
        >>> optimizer.minimize(lambda: tf.reduce_sum(tf.gather(table, [1, 1])), [table])
        >>> print(table.numpy()[:, 0].round(3))
        [ 0.    -0.074  0.   ]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        beta: float = 0.0,
        name: str = "Ftrl",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            initial_accumulator_value=initial_accumulator_value,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            beta=beta,
            name=name,
            **kwargs,
        )

    def update_step(
        self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable
    ) -> None:
        """Updates a variable, or the rows of it that `gradient` names.

        Args:
            gradient: dense, or IndexedSlices whose indices are distinct.
            variable: the variable; :meth:`build` has seen it.
        """
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        slot = self._index_dict[self._var_key(variable)]
        total, linear = self._accumulators[slot], self._linears[slot]
        rate = tf.cast(self.learning_rate, total.dtype)
        l1 = self.l1_regularization_strength

        rows, values = gradient.indices, gradient.values
        old = gather_rows(total, rows)
        new = old + tf.square(values)
        step = (tf.sqrt(new) - tf.sqrt(old)) / rate
        z = gather_rows(linear, rows) + values - step * gather_rows(variable, rows)
        curve = (self.beta + tf.sqrt(new)) / rate + 2 * self.l2_regularization_strength
        write_rows(total, rows, new)
        write_rows(linear, rows, z)
        write_rows(variable, rows, (tf.clip_by_value(z, -l1, l1) - z) / curve)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del (
            config["learning_rate_power"],
            config["l2_shrinkage_regularization_strength"],
        )
        return config
