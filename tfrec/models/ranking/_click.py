"""What click models share: every column in, log loss out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec import keras
from tfrec.data.views import Pairs
from tfrec.errors import ConfigError
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import PairScorer, Tensors


@dataclass(frozen=True)
class ClickConfig(BaseConfig):
    """Hyper-parameters of every click model.

    Attributes:
        negatives: Items drawn for each event, which then is a positive; 0 to learn the
            label column, which must hold 0 and 1.
        l2: Of embeddings: ``l2 / 2`` times the squared norm of the rows of a batch.
        learning_rate: Of the optimizer.
    """

    negatives: Annotated[int, Tune(1, 8)] = 4
    l2: float = 0.0
    learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3


class ClickModel(PairScorer):
    """The logit of a click from all columns but images and recordings."""

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The user id and all other user-side and context columns."""
        return self._side("user", "context", first=self.spec.user)

    @property
    def item_columns(self) -> tuple[str, ...]:
        """The item id and all other item-side columns."""
        return self._side("item", first=self.spec.item)

    def _side(self, *sides: Any, first: str) -> tuple[str, ...]:
        columns = (c for side in sides for c in self.spec.on(side))
        return (first, *(c.name for c in columns if c.name != first))

    def view(self) -> Pairs:
        """Labelled events, or events with drawn negatives."""
        return Pairs(self.config.negatives, binary=True)

    def default_loss(self) -> keras.losses.Loss:
        """Log loss on logits."""
        return keras.losses.BinaryCrossentropy(from_logits=True)

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """The embedded item id: ``(items, dim)``.

        Raises:
            ConfigError: The model embeds no item ids.
        """
        raise ConfigError(f"{type(self).__name__} has no notion of similar items.")
