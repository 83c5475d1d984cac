"""Smaller steps: on an epoch that is no better, or from an epoch on."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfrec import keras


class BackToBest(keras.callbacks.Callback):
    """On an epoch that is no better: best weights, and a tenth of the learning rate.

    Adam's moments are kept. After ``patience`` such epochs in a row training stops; the
    model has its best weights then.

    Args:
        monitor: Name of the watched value in the epoch's logs.
        patience: Epochs in a row that are no better, 1 or more.
        lower: Whether less is better.

    Raises:
        KeyError: The logs do not have the watched value.
    """

    def __init__(self, monitor: str, patience: int, lower: bool = False) -> None:
        super().__init__()
        self.monitor, self.patience = monitor, patience
        self.sign = -1 if lower else 1

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forgets an earlier training."""
        self.best, self.misses = -np.inf, 0
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the weights, or goes back to them."""
        logs = logs or {}
        if self.monitor not in logs:
            raise KeyError(
                f"nothing reports '{self.monitor}', which decides the best epoch: add "
                "the callback that does before this one."
            )
        value = self.sign * logs[self.monitor]
        if value > self.best:
            self.best, self.weights, self.misses = value, self.model.get_weights(), 0
            return
        self.misses += 1
        self.model.set_weights(self.weights)
        rate = self.model.optimizer.learning_rate
        rate.assign(rate / 10)
        self.model.stop_training = self.misses >= self.patience


def cooled(first: int) -> keras.callbacks.Callback:
    """A tenth of the learning rate from an epoch on, which averages the last steps.

    Args:
        first: The epoch, counted from 0.
    """

    def rate(epoch: int, before: float) -> float:
        return before / 10 if epoch == first else before

    return keras.callbacks.LearningRateScheduler(rate)
