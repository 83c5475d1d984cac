"""Keras callbacks of the command line; importing this loads TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.cli import progress
from tfrec.cli.epochs import Epochs

Logs = dict[str, Any] | None


class FitProgress(keras.callbacks.Callback):
    """A bar over the steps of an epoch, and one line when it ends."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = progress.bar()
        self._console = self._bar.console

    def on_train_begin(self, logs: Logs = None) -> None:
        self._bar.start()
        self._task = self._bar.add_task("training", total=self.params["steps"])

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._clock = progress.Stopwatch()
        name = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._bar.reset(self._task, description=name, total=self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._bar.update(self._task, completed=batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        numbers = "  ".join(f"{k} {float(v):.4f}" for k, v in (logs or {}).items())
        self._console.print(
            f"epoch {epoch + 1}/{self.params['epochs']}  {numbers}  "
            f"{self._clock():.1f} s"
        )

    def close(self) -> None:
        """Takes the bar off the screen, however training ended."""
        self._bar.stop()


class KeepEpochs(keras.callbacks.Callback):
    """Keeps the numbers of every epoch, and on disk the last epoch and the best.

    Args:
        epochs: Where they are kept, and maybe those before an interruption.
    """

    def __init__(self, epochs: Epochs) -> None:
        super().__init__()
        self.epochs = epochs
        self.rows = epochs.rows()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **numbers})
        self.epochs.keep(self.rows, tf.train.Checkpoint(model=self.model).write)

    def restore(self, model: keras.Model, epoch: int) -> None:
        """Gives a compiled model the state that it had after an epoch."""
        model.make_slots()
        state = tf.train.Checkpoint(model=model).read(str(self.epochs.state(epoch)))
        state.expect_partial()


class Patience(keras.callbacks.EarlyStopping):
    """Early stopping that remembers the epochs before an interruption.

    Args:
        monitor: What shall not get worse.
        mode: ``max`` or ``min``.
        patience: Epochs without a better value before training ends.
        rows: Earlier epochs.
    """

    def __init__(
        self, monitor: str, mode: str, patience: int, rows: list[dict[str, float]]
    ) -> None:
        super().__init__(monitor, mode=mode, patience=patience)
        self._earlier = list(rows)

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin(logs)
        for epoch, row in enumerate(self._earlier):
            self.on_epoch_end(epoch, row)


def training(epochs: Epochs, patience: int | None) -> tuple[list[Any], KeepEpochs]:
    """The callbacks of a run, to stand after those that add to ``logs``.

    Args:
        epochs: Where epochs are kept, and maybe those before an interruption.
        patience: Epochs without a better number before training ends; None for never.

    Returns:
        The callbacks, and the one of them that holds the numbers of every epoch.
    """
    kept = KeepEpochs(epochs)
    callbacks: list[Any] = [FitProgress(), kept]
    if patience is not None and epochs.monitor is not None:
        callbacks.append(Patience(epochs.monitor, epochs.mode, patience, kept.rows))
    return callbacks, kept
