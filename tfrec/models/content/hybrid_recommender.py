"""Items by who took them and by what they hold, weighed by how often they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.layers.embedding import table
from tfrec.layers.gate import CountGate
from tfrec.models.config import Tune
from tfrec.models.content.content_tower import ContentTower
from tfrec.models.families import Tensors


class HybridRecommender(ContentTower):
    """A collaborative and a content vector of an item, joined by a learned gate.

    ::

        s(x, y) = <u(x), v(y)> / temperature
        v(y) = g(n_y) e_y + (1 - g(n_y)) c(y),   g(n) = sigmoid(a log(1 + n) + b)

    with e_y the item's own vector, c(y) that of its content, as of
    :class:`ContentTower`, and n_y its events in training: with few the gate leans on
    content, without any v is content alone. Burke 2002, "Hybrid Recommender Systems",
    section 2, calls this a weighted hybrid whose weights are not the same for every
    item. So that content answers alone for what is new, a share of the items of every
    batch is taken as new, as Volkovs, Yu & Poutanen 2017, "DropoutNet", section 4.2.

    Differs from the paper: there is no single one. Loss and user tower are those of
    :class:`ContentTower`. The users' vectors are never dropped.

    Args:
        spec: The columns; every user-side, context and item-side column is read.
        **config: See ``Config``.

    Call: features to ``(batch,)`` float32 scores.

    Raises:
        ConfigError: The spec has no item-side column beside the id, or the share of
            items taken as new is not in [0, 1).

    Example:
        >>> data = tfrec.datasets.load("movielens/1m-content")
        >>> model = HybridRecommender(data.spec.select("genres", "plot"), dim=64)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=5)
    """

    paper = "Burke 2002, Hybrid Recommender Systems; Volkovs et al. 2017, DropoutNet"
    objective = "in-batch softmax, items by id and content through a gate"

    @dataclass(frozen=True)
    class Config(ContentTower.Config):
        """Hyper-parameters, beside those of :class:`ContentTower`.

        Attributes:
            parts: ``both``, or for comparison ``own`` vectors or ``content`` alone.
            new_items: Share of a batch's items that training takes as new.
            half: Number of events at which the gate starts half open.
        """

        parts: Literal["both", "own", "content"] = "both"
        new_items: Annotated[float, Tune(0.0, 0.5)] = 0.2
        half: float = 20.0

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        if not 0 <= config.new_items < 1:
            raise ConfigError(
                f"new_items={config.new_items} must be in [0, 1): with 1 no item would "
                "have a vector of its own."
            )
        if config.parts != "content":
            size = self.spec.item_column.size
            self.own = table(size, config.dim, next(self.seeds), name="own")
        if config.parts == "both":
            self.gate = CountGate(config.half)

    def _item_features(self) -> Any:
        return None if self.config.parts == "own" else super()._item_features()

    def _item_tower(self) -> Any:
        return None if self.config.parts == "own" else super()._item_tower()

    def item(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """``v(y)``: ``(batch, dim)``."""
        parts, item = self.config.parts, inputs[self.spec.item]
        if parts == "own":
            return self._finished(tf.cast(self.own(item), tf.float32))
        content = tf.cast(super().item(inputs, training), tf.float32)
        if parts == "content":
            return content
        count = tf.gather(self.item_counts(), item)
        if training:
            seed = self.step_seed() + tf.constant([0, 7])
            draw = tf.random.stateless_uniform(tf.shape(item), seed)
            count = tf.where(draw < self.config.new_items, 0.0, count)
        return self._finished(self.gate(self.own(item), content, count))

    def item_counts(self) -> tf.Tensor:
        """``(item table rows,)`` float32 events of each item; 0 before any data."""
        if self.adapted:
            return tf.constant(self.catalogue.counts())
        return tf.zeros(self.spec.item_column.size)

    def _finished(self, vectors: tf.Tensor) -> tf.Tensor:
        vectors = tf.cast(vectors, self.compute_dtype)  # as the user's
        if self.config.similarity == "cosine":
            return tf.math.l2_normalize(vectors, axis=1)
        return vectors
