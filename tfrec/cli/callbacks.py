"""Keras callbacks of the command line; importing this loads TensorFlow."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.cli import progress, run

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


class HistoryFile(keras.callbacks.Callback):
    """Keeps the numbers of every epoch in a CSV file, also over an interruption.

    Args:
        path: The file.
        done: Epochs that an interrupted run had ended.
    """

    def __init__(self, path: Path, done: int) -> None:
        super().__init__()
        self.path = path
        self.rows: list[dict[str, float]] = []
        if done and path.is_file():
            with path.open(encoding="utf-8", newline="") as lines:
                for row in csv.DictReader(lines):
                    self.rows.append({k: float(v) for k, v in row.items() if v})
        self.rows = self.rows[:done]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **numbers})
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            [{**row, "epoch": int(row["epoch"])} for row in self.rows],
        )
        run.write(self.path, text.getvalue())


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


def epochs_done(backup: Path) -> int:
    """Epochs that an interrupted run had ended, by its backup."""
    checkpoint = tf.train.latest_checkpoint(str(backup / "chief"))
    if checkpoint is None:
        return 0
    variable = "ckpt_saved_epoch/.ATTRIBUTES/VARIABLE_VALUE"
    return int(tf.train.load_checkpoint(checkpoint).get_tensor(variable)) + 1


def training(
    folder: Path, done: int, monitor: str | None, mode: str, patience: int | None
) -> tuple[list[Any], HistoryFile]:
    """The callbacks of a run, to stand after those that add to ``logs``.

    Args:
        folder: Where the state of the run is kept.
        done: Epochs ended before an interruption.
        monitor: The validation number by which the best epoch is kept; None for the
            last epoch.
        mode: Whether that number shall be ``max`` or ``min``.
        patience: Epochs without a better number before training ends; None for never.

    Returns:
        The callbacks, and the one of them that holds the numbers of every epoch.
    """
    history = HistoryFile(folder / run.HISTORY, done)
    callbacks: list[Any] = [FitProgress(), history]
    if monitor is not None:
        earlier = [row[monitor] for row in history.rows if monitor in row]
        best = (max if mode == "max" else min)(earlier, default=None)
        callbacks.append(
            keras.callbacks.ModelCheckpoint(
                str(folder / "best" / "weights"),
                monitor=monitor,
                mode=mode,
                save_best_only=True,
                save_weights_only=True,
                initial_value_threshold=best,
            )
        )
        if patience is not None:
            callbacks.append(Patience(monitor, mode, patience, history.rows))
    callbacks.append(
        keras.callbacks.BackupAndRestore(
            str(folder / run.BACKUP), delete_checkpoint=False
        )
    )
    return callbacks, history
