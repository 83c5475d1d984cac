"""Tree and network in turns, as a Keras callback."""

from __future__ import annotations

from typing import Any

from tfrec import keras
from tfrec.errors import ConfigError


class TreeLearning(keras.callbacks.Callback):
    """Lays the tree of a tree model anew by what it has learned, every few epochs.

    Zhu et al. 2018, section 3.3. Never after the last epoch: a new tree is there to be
    trained on. Put it behind callbacks that measure or save the epoch.

    Args:
        every: Epochs between two trees.

    Raises:
        ConfigError: ``every`` below 1, or in ``fit`` a model without a tree.
    """

    def __init__(self, every: int) -> None:
        super().__init__()
        if every < 1:
            raise ConfigError(f"every={every} epochs is not possible: use 1 or more.")
        self.every = every

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Checks that there is a tree to learn."""
        if not hasattr(self.model, "learn_tree"):
            raise ConfigError(
                f"{type(self.model).__name__} has no tree to learn: leave TreeLearning "
                "out of its callbacks."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """A new tree, if it is time for one."""
        done = epoch + 1
        if done % self.every == 0 and done < self.params["epochs"]:
            self.model.learn_tree(seed=done)
