"""Tree and network in turns, as a Keras callback."""

from __future__ import annotations

from typing import Any

from tfrec import keras
from tfrec.errors import ConfigError


class TreeLearning(keras.callbacks.Callback):
    """Lays the tree of a tree model anew by what it has learned, every few epochs.

    Zhu et al. 2018, section 3.3. The new tree is laid before the next epoch begins, so
    never after the last one: it is there to be trained on. What was saved after an
    epoch has the old tree, and training that goes on from there lays the new one.

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

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """A new tree, if it is time for one."""
        if epoch and epoch % self.every == 0:
            self.model.learn_tree(seed=epoch)
