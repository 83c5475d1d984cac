"""Adagrad that touches only the embedding rows a batch has read."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.optimizers.row_sparse import RowSparse, gather_rows, write_rows


@keras.utils.register_keras_serializable(package="tfrec")
class Adagrad(RowSparse, keras.optimizers.Adagrad):
    r"""Adagrad with row-sparse updates of embedding tables.

    Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", JMLR 2011, the diagonal form (Figure 1):

    .. math::
        G_t = G_{t-1} + g_t^2 \qquad
        \theta_t = \theta_{t-1} - \alpha \, g_t / \sqrt{G_t + \epsilon}

    A row with no gradient is left alone by the formula itself, so the row-sparse
    update is exact and not an approximation. Duplicate ids are added up first.

    **Differs from the paper**: `epsilon` stands under the root and the accumulator
    starts at `initial_accumulator_value`, both as in Keras.

    Args:
        learning_rate: step size or a ``LearningRateSchedule``.
        initial_accumulator_value: start of `G`, not negative.
        epsilon: added to `G` under the root.
        name: name of the optimizer.
        **kwargs: as for :class:`Adam`.

    Raises:
        ConfigError: `initial_accumulator_value` is negative, or a `mesh` is given.

    Example:
        >>> table = tf.Variable([[0.0], [0.0], [0.0]])
        >>> optimizer = tfrec.optimizers.Adagrad(0.1, initial_accumulator_value=0.0)
        >>> optimizer.minimize(lambda: tf.reduce_sum(tf.gather(table, [1, 1])), [table])
        >>> print(table.numpy()[:, 0].round(3))
        [ 0.  -0.1  0. ]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        name: str = "Adagrad",
        **kwargs: Any,
    ) -> None:
        if initial_accumulator_value < 0:
            raise ConfigError(
                f"initial_accumulator_value={initial_accumulator_value} of Adagrad is "
                "negative and its root does not exist: choose 0 or more."
            )
        super().__init__(
            learning_rate=learning_rate,
            initial_accumulator_value=initial_accumulator_value,
            epsilon=epsilon,
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
        total = self._accumulators[self._index_dict[self._var_key(variable)]]
        rate = tf.cast(self.learning_rate, total.dtype)

        rows, values = gradient.indices, gradient.values
        squares = gather_rows(total, rows) + tf.square(values)
        write_rows(total, rows, squares)
        delta = rate * values / tf.sqrt(squares + self.epsilon)
        write_rows(variable, rows, gather_rows(variable, rows) - delta)
