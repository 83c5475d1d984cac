"""What the row-sparse optimizers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError


def sum_duplicates(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """Adds up the rows of ids that occur several times: ``(n, ...)`` -> ``(u, ...)``.

    A moment is not additive in the gradient (it squares it), so an id that occurs
    twice in a batch has one gradient, the sum, and not two.
    """
    indices, segment = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, segment, tf.size(indices))
    return tf.IndexedSlices(values, indices, gradient.dense_shape)


def gather_rows(variable: tf.Variable, indices: tf.Tensor) -> tf.Tensor:
    """``(n, ...)`` rows of a variable."""
    # Through the handle, because a distributed slot has no `sparse_read`, and
    # `tf.gather` would read the whole of it; inside a strategy's update the handle is
    # the one of the replica that is being updated.
    return tf.raw_ops.ResourceGather(
        resource=variable.handle, indices=indices, dtype=variable.dtype
    )


def write_rows(variable: tf.Variable, indices: tf.Tensor, values: tf.Tensor) -> None:
    """Puts ``(n, ...)`` values into the place of rows of a variable."""
    tf.raw_ops.ResourceScatterUpdate(
        resource=variable.handle, indices=indices, updates=values
    )


class RowSparse(keras.optimizers.Optimizer):
    """What the row-sparse optimizers share: duplicates, clipping, configuration."""

    def __init__(self, *, jit_compile: bool = False, **kwargs: Any) -> None:
        if kwargs.get("mesh") is not None:
            raise ConfigError(
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
                sum_duplicates(grad) if isinstance(grad, tf.IndexedSlices) else grad
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
