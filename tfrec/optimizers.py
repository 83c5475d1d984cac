"""Adam and Adagrad that touch only the embedding rows a batch has read.

An embedding table gets its gradient as ``tf.IndexedSlices``: the rows that the batch
looked up. Keras's Adam nevertheless decays and writes every row of the table and of
both moments in every step, which costs more than the rest of the step as soon as the
table is large. The optimizers here read, update and write the looked-up rows only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfrec import keras

__all__ = ["Adagrad", "Adam"]


def _sum_duplicates(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """Adds up the rows of ids that occur several times: ``(n, ...)`` -> ``(u, ...)``.

    A moment is not additive in the gradient (it squares it), so an id that occurs
    twice in a batch has one gradient, the sum, and not two.
    """
    indices, segment = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, segment, tf.size(indices))
    return tf.IndexedSlices(values, indices, gradient.dense_shape)


def _rows(variable: tf.Variable, indices: tf.Tensor) -> tf.Tensor:
    # Through the handle, because a distributed slot has no `sparse_read`, and
    # `tf.gather` would read the whole of it; inside a strategy's update the handle is
    # the one of the replica that is being updated.
    return tf.raw_ops.ResourceGather(
        resource=variable.handle, indices=indices, dtype=variable.dtype
    )


def _write_rows(variable: tf.Variable, indices: tf.Tensor, values: tf.Tensor) -> None:
    tf.raw_ops.ResourceScatterUpdate(
        resource=variable.handle, indices=indices, updates=values
    )


class _RowSparse(keras.optimizers.Optimizer):
    """What the row-sparse optimizers share: duplicates, clipping, configuration."""

    def __init__(self, *, jit_compile: bool = False, **kwargs: Any) -> None:
        if kwargs.get("mesh") is not None:
            raise ValueError(
                f"{type(self).__name__} does not run on a DTensor mesh: leave `mesh` "
                "out, or use keras.dtensor.experimental.optimizers."
            )
        # The number of distinct ids differs from batch to batch, and XLA would
        # compile the update anew for each of them.
        super().__init__(jit_compile=jit_compile, **kwargs)

    def _clip_gradients(self, grads: Sequence[Any]) -> list[Any]:
        # Before clipping and not after it, as Keras does: the norm of a gradient is
        # that of the summed rows.
        return super()._clip_gradients(
            [
                _sum_duplicates(grad) if isinstance(grad, tf.IndexedSlices) else grad
                for grad in grads
            ]
        )

    def _deduplicate_sparse_grad(self, grads: Sequence[Any]) -> Sequence[Any]:
        return grads

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if not isinstance(config["learning_rate"], dict):
            # The shortest number that reads back the same: 0.001, not 0.00100000005.
            config["learning_rate"] = float(str(config["learning_rate"]))
        return config


@keras.utils.register_keras_serializable(package="tfrec")
class Adam(_RowSparse, keras.optimizers.Adam):
    r"""Adam with row-sparse updates of embedding tables.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, the form
    before section 2.1 (`epsilon` is their epsilon hat):

    .. math::
        m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad
        v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2

        \theta_t = \theta_{t-1} - \alpha_t \, m_t / (\sqrt{v_t} + \hat\epsilon), \quad
        \alpha_t = \alpha \sqrt{1-\beta_2^t} / (1-\beta_1^t)

    A dense gradient is updated by Keras's own code. Of a ``tf.IndexedSlices`` gradient
    the rows of one id are added up first, then the formula above holds for every row
    of the batch, `t` being the step of the optimizer and not of the row.

    **Differs from the paper** (and from Keras): a row that is not in the batch keeps
    its value and its moments, where the paper decays the moments and moves the row on
    with what is left of `m`. This is known as "lazy" Adam; when every row is in every
    batch there is no difference. Rows seen rarely remember their last gradients
    longer, and are not moved by them while they are away.

    Everything Keras's optimizers offer works: schedules, `clipnorm`, `clipvalue`,
    `global_clipnorm` (norms of the summed rows), `use_ema`, loss scaling,
    ``tf.distribute``. `weight_decay` and `use_ema` touch every row by definition and
    therefore cost the time that the sparse update saves.

    Args:
        learning_rate: step size or a ``LearningRateSchedule``.
        beta_1: decay of the first moment, in [0, 1).
        beta_2: decay of the second moment, in [0, 1).
        epsilon: added to the square root of the second moment.
        adaptive_epsilon: scale epsilon by :math:`\sqrt{1-\beta_2^t}`, as Algorithm 1
            of the paper does.
        amsgrad: must be False.
        name: name of the optimizer.
        **kwargs: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `jit_compile` (default False), as
            in ``keras.optimizers.Adam``.

    Raises:
        ValueError: `amsgrad` is True, or a `mesh` is given.

    Example:
        >>> table = tf.Variable([[0.0], [0.0], [0.0]])
        >>> optimizer = tfrec.optimizers.Adam(learning_rate=0.1)
        >>> optimizer.minimize(lambda: tf.reduce_sum(tf.gather(table, [1, 1])), [table])
        >>> print(table.numpy()[:, 0].round(3))
        [ 0.  -0.1  0. ]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        adaptive_epsilon: bool = False,
        amsgrad: bool = False,
        name: str = "Adam",
        **kwargs: Any,
    ) -> None:
        if amsgrad:
            raise ValueError(
                "amsgrad=True is not supported by the row-sparse Adam: its running "
                "maximum needs every row in every step; use keras.optimizers.Adam."
            )
        super().__init__(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            adaptive_epsilon=adaptive_epsilon,
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
        first, second = self._momentums[slot], self._velocities[slot]
        step = tf.cast(self.iterations + 1, first.dtype)
        correction = tf.sqrt(1 - tf.pow(tf.cast(self.beta_2, first.dtype), step))
        rate = tf.cast(self.learning_rate, first.dtype) * correction
        rate /= 1 - tf.pow(tf.cast(self.beta_1, first.dtype), step)
        epsilon = self.epsilon * correction if self.adaptive_epsilon else self.epsilon

        rows, values = gradient.indices, gradient.values
        mean, square = _rows(first, rows), _rows(second, rows)
        mean += (values - mean) * (1 - self.beta_1)
        square += (tf.square(values) - square) * (1 - self.beta_2)
        _write_rows(first, rows, mean)
        _write_rows(second, rows, square)
        delta = (mean * rate) / (tf.sqrt(square) + epsilon)
        _write_rows(variable, rows, _rows(variable, rows) - delta)

    def get_config(self) -> dict[str, Any]:
        # Keras 2 leaves this argument out of its own configuration.
        return {**super().get_config(), "adaptive_epsilon": self.adaptive_epsilon}


@keras.utils.register_keras_serializable(package="tfrec")
class Adagrad(_RowSparse, keras.optimizers.Adagrad):
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
        ValueError: `initial_accumulator_value` is negative, or a `mesh` is given.

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
            raise ValueError(
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
        squares = _rows(total, rows) + tf.square(values)
        _write_rows(total, rows, squares)
        delta = rate * values / tf.sqrt(squares + self.epsilon)
        _write_rows(variable, rows, _rows(variable, rows) - delta)
