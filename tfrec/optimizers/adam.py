"""Adam that touches only the embedding rows a batch has read."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.optimizers.row_sparse import RowSparse, gather_rows, write_rows


@keras.utils.register_keras_serializable(package="tfrec")
class Adam(RowSparse, keras.optimizers.Adam):
    r"""Adam with row-sparse updates of embedding tables.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, the form
    before section 2.1 (`epsilon` is their epsilon hat):

    .. math::
        m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad
        v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2

        \theta_t = \theta_{t-1} - \alpha_t \, m_t / (\sqrt{v_t} + \hat\epsilon), \quad
        \alpha_t = \alpha \sqrt{1-\beta_2^t} / (1-\beta_1^t)

    So with a dense gradient. Of a ``tf.IndexedSlices`` gradient the rows of one id are
    added up first, then the formula holds for every row of the batch, `t` being the
    step of the optimizer and not of the row.

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
        ConfigError: `amsgrad` is True, or a `mesh` is given.

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
            raise ConfigError(
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
        slot = self._index_dict[self._var_key(variable)]
        first, second = self._momentums[slot], self._velocities[slot]
        step = tf.cast(self.iterations + 1, first.dtype)
        power_1 = tf.pow(tf.cast(self.beta_1, first.dtype), step)
        power_2 = tf.pow(tf.cast(self.beta_2, first.dtype), step)
        rate = tf.cast(self.learning_rate, first.dtype)
        correction = tf.sqrt(1 - power_2)
        epsilon = self.epsilon * correction if self.adaptive_epsilon else self.epsilon
        if not isinstance(gradient, tf.IndexedSlices):
            # One pass over the arrays, where Keras's own formula makes a dozen.
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=power_1,
                beta2_power=power_2,
                lr=rate,
                beta1=tf.cast(self.beta_1, first.dtype),
                beta2=tf.cast(self.beta_2, first.dtype),
                epsilon=tf.cast(epsilon, first.dtype),
                grad=gradient,
            )
            return
        rate = rate * correction / (1 - power_1)

        rows, values = gradient.indices, gradient.values
        mean, square = gather_rows(first, rows), gather_rows(second, rows)
        mean += (values - mean) * (1 - self.beta_1)
        square += (tf.square(values) - square) * (1 - self.beta_2)
        write_rows(first, rows, mean)
        write_rows(second, rows, square)
        delta = (mean * rate) / (tf.sqrt(square) + epsilon)
        write_rows(variable, rows, gather_rows(variable, rows) - delta)

    def get_config(self) -> dict[str, Any]:
        # Keras 2 leaves this argument out of its own configuration.
        return {**super().get_config(), "adaptive_epsilon": self.adaptive_epsilon}
