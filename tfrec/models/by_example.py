"""What Keras takes for granted of a model, kept where ours is different."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from tfrec import keras


class ByExample(keras.Model):
    """A Keras model whose targets and scores are ``(batch,)``.

    Losses and metrics of Keras take the last axis for that of one example. Without an
    axis of its own a batch of scores would be one example, and the weights of examples
    and classes would not fit it.

    ``train_on_batch`` and its like make one step, whatever ``steps_per_execution``.

    Keras traces a training step four times before the first of them runs: once more for
    the slots that the optimizer makes meanwhile, and each time once more for a loop
    whose outputs it does not know yet. Here it is traced once. And AutoGraph, which
    takes a third of the time of tracing, rewrites only models that branch.
    """

    train_function: Any
    test_function: Any

    @property
    def branches(self) -> bool:
        """Whether Python's ``if`` or ``for`` may stand over tensors, as Keras allows.

        In no model of tfrec it does; in one from outside it may.
        """
        return not type(self).__module__.startswith("tfrec.")

    def make_slots(self) -> None:
        """Gives the optimizer its slots for the weights that it trains."""
        self.optimizer.build(self.trainable_variables)

    def make_train_function(self, force: bool = False) -> Callable[..., Any]:
        """Keras's ``make_train_function``, its step traced once."""
        if self.train_function is None or force:
            self.make_slots()
            self.train_function = self._traced_once(super().make_train_function)
            self.train_tf_function = self.train_function
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable[..., Any]:
        """Keras's ``make_test_function``, its step traced once."""
        if self.test_function is None or force:
            self.test_function = self._traced_once(super().make_test_function)
        return self.test_function

    def _traced_once(self, make: Callable[[bool], Any]) -> Any:
        if self._cluster_coordinator or self.run_eagerly:
            return make(True)
        with self._steps_at_once(1):
            step = make(True).python_function
        one_step = tf.function(step, autograph=self.branches, reduce_retracing=True)
        steps = self._steps_per_execution

        def several(iterator: Any) -> dict[str, tf.Tensor]:
            _, outputs = tf.while_loop(
                lambda done, _: done < steps,
                lambda done, _: (done + 1, one_step(iterator)),
                (tf.ones_like(steps), one_step(iterator)),
            )
            return outputs

        return tf.function(several, autograph=False, reduce_retracing=True)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
    ) -> tf.Tensor:
        """Keras's ``compute_loss``, an example a row."""
        return super().compute_loss(x, _rows(y), _rows(y_pred), sample_weight)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict:
        """Keras's ``compute_metrics``, an example a row."""
        return super().compute_metrics(x, _rows(y), _rows(y_pred), sample_weight)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Keras's ``train_on_batch``."""
        with self._one_step(self.make_train_function):
            return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Keras's ``test_on_batch``."""
        with self._one_step(self.make_test_function):
            return super().test_on_batch(*args, **kwargs)

    def predict_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Keras's ``predict_on_batch``."""
        with self._one_step(self.make_predict_function):
            return super().predict_on_batch(*args, **kwargs)

    @contextmanager
    def _one_step(self, make: Callable[[], Any]) -> Iterator[None]:
        steps = getattr(self, "_steps_per_execution", None)
        if steps is None:  # not compiled: Keras says so, or needs none
            yield
            return
        make()  # the function of several steps, which fit is to find
        with self._steps_at_once(1):
            yield

    @contextmanager
    def _steps_at_once(self, count: int) -> Iterator[None]:
        before = int(self._steps_per_execution.numpy())
        self._steps_per_execution.assign(count)
        try:
            yield
        finally:
            self._steps_per_execution.assign(before)


def _rows(values: Any) -> Any:
    """``(batch,)`` to ``(batch, 1)``; anything else as it is."""
    return (
        values[:, None] if tf.is_tensor(values) and values.shape.rank == 1 else values
    )
