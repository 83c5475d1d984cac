"""Adagrad with momentum, on the embedding rows that a batch has read."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.optimizers.adagrad import Adagrad
from tfrec.optimizers.row_sparse import gather_rows, write_rows


@keras.utils.register_keras_serializable(package="tfrec")
class MomentumAdagrad(Adagrad):
    r"""Adagrad with momentum and row-sparse updates of embedding tables.

    The optimizer of the authors of GRU4Rec (Hidasi et al. 2016, section 4; Adagrad as
    in Duchi, Hazan and Singer, JMLR 2011):

    .. math::
        G_t = G_{t-1} + g_t^2 \qquad
        v_t = \mu v_{t-1} - \alpha \, g_t / \sqrt{G_t + \epsilon} \qquad
        \theta_t = \theta_{t-1} + v_t

    Duplicate ids are added up first. A row that is not in the batch keeps its value and
    its velocity, as the authors' code has it: it is not moved on while it is away.

    Args:
        learning_rate: step size or a ``LearningRateSchedule``.
        momentum: :math:`\mu`, in [0, 1).
        initial_accumulator_value: start of `G`, not negative.
        epsilon: added to `G` under the root.
        name: name of the optimizer.
        **kwargs: as for :class:`tfrec.optimizers.Adam`.

    Raises:
        ConfigError: `momentum` is not in [0, 1), the accumulator is negative, or a
            `mesh` is given.

    Example:
        >>> table = tf.Variable([[0.0], [0.0], [0.0]])
        >>> optimizer = tfrec.optimizers.MomentumAdagrad(0.1)
        >>> optimizer.minimize(lambda: tf.reduce_sum(tf.gather(table, [1, 1])), [table])
        >>> print(table.numpy()[:, 0].round(3))
        [ 0.  -0.1  0. ]
    """

    def __init__(
        self,
        learning_rate: Any = 0.05,
        momentum: float = 0.0,
        initial_accumulator_value: float = 0.0,
        epsilon: float = 1e-6,
        name: str = "MomentumAdagrad",
        **kwargs: Any,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ConfigError(
                f"momentum={momentum} of MomentumAdagrad must be 0 or more, and less "
                "than 1: from 1 on the velocity grows without bound."
            )
        super().__init__(
            learning_rate, initial_accumulator_value, epsilon, name, **kwargs
        )
        self.momentum = momentum
        self._velocities: list[tf.Variable] = []

    def build(self, var_list: list[tf.Variable]) -> None:
        """Creates `G` and `v` of every variable."""
        super().build(var_list)
        if not self._velocities:
            self._velocities = [
                self.add_variable_from_reference(variable, "velocity")
                for variable in var_list
            ]

    def update_step(
        self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable
    ) -> None:
        """Updates a variable, or the rows of it that `gradient` names.

        Args:
            gradient: dense, or IndexedSlices whose indices are distinct.
            variable: the variable; :meth:`build` has seen it.
        """
        slot = self._index_dict[self._var_key(variable)]
        total, velocity = self._accumulators[slot], self._velocities[slot]
        rate = tf.cast(self.learning_rate, total.dtype)
        if not isinstance(gradient, tf.IndexedSlices):
            total.assign_add(tf.square(gradient))
            step = rate * gradient / tf.sqrt(total + self.epsilon)
            velocity.assign(self.momentum * velocity - step)
            variable.assign_add(velocity)
            return
        rows, values = gradient.indices, gradient.values
        squares = gather_rows(total, rows) + tf.square(values)
        write_rows(total, rows, squares)
        step = rate * values / tf.sqrt(squares + self.epsilon)
        moved = self.momentum * gather_rows(velocity, rows) - step
        write_rows(velocity, rows, moved)
        write_rows(variable, rows, gather_rows(variable, rows) + moved)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum}
