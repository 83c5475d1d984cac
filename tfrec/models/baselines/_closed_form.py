"""Weights that are solved for, inside Keras's ``fit``."""

from __future__ import annotations

from typing import Any, ClassVar

import tensorflow as tf

from tfrec import keras
from tfrec.models.first_callback import fit_with

Tensors = dict[str, tf.Tensor]


def whole(batch: Any) -> Any:
    """The batch that the replicas of a strategy were dealt, put together again.

    Solutions of linear equations are no gradients that could be summed: every replica
    does the whole step, so all hold the same weights.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return batch
    return tf.nest.map_structure(
        lambda part: None if part is None else context.all_gather(part, axis=0), batch
    )


def solved_weight(
    model: keras.Model, name: str, shape: tuple[int, ...], dtype: str = "float32"
) -> tf.Variable:
    """A weight, zero at first, that no optimizer touches and no policy rounds."""
    return model.add_weight(
        name, shape, dtype, "zeros", trainable=False, experimental_autocast=False
    )


def ridge(
    vectors: tf.Tensor, gram: tf.Tensor, penalty: tf.Tensor, right: tf.Tensor
) -> tf.Tensor:
    """Solves ``(sum of v v' + gram + penalty I) x = right`` for every row.

    Args:
        vectors: ``(rows, any, dim)`` v.
        gram: ``(dim, dim)``.
        penalty: ``(rows,)``, positive.
        right: ``(rows, dim)``.

    Returns:
        ``(rows, dim)``.
    """
    matrix = tf.matmul(vectors, vectors, transpose_a=True) + gram
    matrix += tf.linalg.diag(tf.repeat(penalty[:, None], gram.shape[1], axis=1))
    return tf.linalg.cholesky_solve(tf.linalg.cholesky(matrix), right[..., None])[
        ..., 0
    ]


class OwnLoss:
    """A mixin for models that report a loss without descending it.

    ``loss_kind`` is the metric that joins the batches of an epoch: their mean, or their
    sum where the objective is a sum over all data.
    """

    loss_kind: ClassVar[type[keras.metrics.Metric]] = keras.metrics.Mean

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss and what the user compiled."""
        if not hasattr(self, "_own_loss"):
            self._own_loss = self.loss_kind(name="loss")
        others = (m for m in super().metrics if m is not self._own_loss)  # type: ignore[misc]
        # First, so that a compiled loss, where there is one, is what Keras logs.
        return [self._own_loss, *others]

    def report(self, loss: tf.Tensor) -> Tensors:
        """Adds losses, any shape, and returns what Keras logs."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self.metrics[0].update_state(loss, 1 / replicas)
        return {"loss": self.metrics[0].result()}


class Sums:
    """Sums over the batches of an epoch.

    A plain object on purpose: Keras would take variables of a model for weights and
    save them.

    Args:
        specs: Shape and dtype of every sum.
    """

    def __init__(self, specs: dict[str, tf.TensorSpec]) -> None:
        self.values = {
            name: tf.Variable(tf.zeros(spec.shape, spec.dtype), trainable=False)
            for name, spec in specs.items()
        }

    def __getitem__(self, name: str) -> tf.Variable:
        return self.values[name]

    def add(self, name: str, values: tf.Tensor, rows: tf.Tensor | None = None) -> None:
        """Adds ``values`` to the sum, or each to its row; rows may repeat."""
        values = tf.cast(values, self[name].dtype)
        if rows is None:
            self[name].assign_add(values)
        else:
            self[name].scatter_add(tf.IndexedSlices(values, rows))

    def put(self, name: str, values: tf.Tensor, rows: tf.Tensor) -> None:
        """Writes ``values`` into ``rows``, where a row is known at once."""
        self[name].scatter_update(tf.IndexedSlices(values, rows))

    def reset(self) -> None:
        """Sets all sums to zero."""
        for value in self.values.values():
            value.assign(tf.zeros_like(value))


class _Solve(keras.callbacks.Callback):
    """Empties the sums before an epoch and solves after it.

    It stands before all other callbacks, and solves before validation, so that they see
    the solution of the epoch and its loss.
    """

    pending = False
    loss = float("nan")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.sums.reset()
        self.pending = True

    def on_test_begin(self, logs: Any = None) -> None:
        self._solve()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._solve()
        logs["loss"] = self.loss

    def _solve(self) -> None:
        if self.pending:
            self.loss = float(self.model.solve())
            self.pending = False


class ClosedForm(OwnLoss):
    """A mixin for models whose weights follow from sums over the data.

    ``fit`` hands every batch to :meth:`collect`, which adds to ``self.sums``, and calls
    :meth:`solve` when the epoch is over. Every epoch starts from empty sums: more
    epochs count nothing twice.
    """

    sums: Any = None

    def sum_specs(self) -> dict[str, tf.TensorSpec]:
        """Shape and dtype of every sum."""
        raise NotImplementedError

    def collect(
        self, features: Tensors, target: tf.Tensor | None, weight: tf.Tensor | None
    ) -> None:
        """Adds a batch to ``self.sums``, in the graph."""
        raise NotImplementedError

    def solve(self) -> float:
        """Sets the weights from ``self.sums`` and returns the loss that is reached."""
        raise NotImplementedError

    def train_step(self, data: Any) -> Tensors:
        """Collects; the loss stands at 0 until the epoch has been solved."""
        self.collect(*whole(keras.utils.unpack_x_y_sample_weight(data)))
        return {"loss": self.metrics[0].result()}

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Keras's ``fit``; an epoch is one pass over the data and one solution."""
        with self.distribute_strategy.scope():  # type: ignore[attr-defined]
            self.sums = Sums(self.sum_specs())
        # A graph traced by an earlier call would add to the sums of that call.
        self.train_function = None
        try:
            return fit_with(_Solve(), super().fit, *args, **kwargs)  # type: ignore[misc]
        finally:
            self.sums = None
