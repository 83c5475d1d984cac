"""One view of users and many of items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tensorflow as tf

from tfrec.data.one_category import OneCategory
from tfrec.data.views import Positives, View
from tfrec.errors import ConfigError
from tfrec.features import Categorical, FeatureSpec
from tfrec.layers.views import ViewTowers
from tfrec.models.config import Tune
from tfrec.models.families import Tensors
from tfrec.models.retrieval.two_tower import TwoTower


class MultiViewDNN(TwoTower):
    """A user tower that meets the item tower of each domain (MV-DNN).

    Elkahky et al. 2015, "A Multi-View Deep Learning Approach for Cross Domain User
    Modeling", equation 3. With the tower ``f_a`` of the domain a of an item::

        s(x, y) = cos(f_user(x), f_a(y))
        loss = -sum log softmax_j( s(x_i, y_j) / temperature )[i]

    over items j of the same domain: a batch is of one domain, drawn anew for each
    (section 4, algorithm 1). The user tower learns from all domains, so that a user who
    is new to one is known there by what was done in the others. Users have one view and
    items are one catalogue: ``within=["domain=kitchen"]`` asks for those of a domain.

    Differs from the paper: negatives are the other items of the batch, with the
    correction of logits of Yi et al. 2019 (see :class:`TwoTower`), instead of drawn
    uniformly; ids and categories have embeddings where the paper hashes words; all
    domains may share one embedding table, as ids of different domains differ.

    Args:
        spec: The columns; every user-side, context and item-side column is read.
        **config: See ``Config``.

    Call: features to ``(batch,)`` float32 scores.

    Raises:
        ValueError: ``domain`` is no item-side categorical column of one value.

    Example:
        >>> model = MultiViewDNN(data.spec, domain="domain")
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=10)
        >>> model.recommend({"user_id": ["42"]}, within=[["domain=kitchen"]])
    """

    paper = "Elkahky et al. 2015, A Multi-View Deep Learning Approach (MV-DNN)"
    objective = "in-batch softmax within one domain, a tower for each"

    @dataclass(frozen=True)
    class Config(TwoTower.Config):
        """Hyper-parameters, beside those of :class:`TwoTower`.

        Attributes:
            domain: Item-side categorical column whose values have a tower each; None
                for one domain.
        """

        dim: Annotated[int, Tune(8, 128, log=True)] = 64
        layers: tuple[int, ...] = (64,)
        activation: Literal["relu", "tanh"] = "tanh"
        similarity: Literal["dot", "cosine"] = "cosine"
        temperature: Annotated[float, Tune(0.05, 1.0, log=True)] = 0.1
        domain: str | None = None

    def _item_tower(self) -> ViewTowers:
        views = 1
        if self.config.domain is not None:
            column = _domain(self.spec, self.config.domain)
            views = 1 + len(column.vocabulary)
        return ViewTowers([self._dense(f"view_{number}") for number in range(views)])

    def view(self) -> View:
        """Events alone, a batch of one domain."""
        name = self.config.domain
        return Positives() if name is None else OneCategory(name)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``f_a(y)``: ``(batch, dim)``, each item through the tower of its domain."""
        name = self.config.domain
        view = tf.zeros_like(inputs[self.spec.item])
        if name is not None:  # the first tower is that of no known domain
            column = _domain(self.spec, name)
            view = tf.maximum(inputs[name] - column.first + 1, 0)
        tower = self.item_tower
        return self._tower(self.item_features, lambda x: tower(x, view), inputs)


def _domain(spec: FeatureSpec, name: str) -> Categorical:
    """The column of the domains.

    Raises:
        ConfigError: It is no item-side categorical column of one value.
    """
    fit = [
        column
        for column in spec.on("item")
        if isinstance(column, Categorical)
        and column.name != spec.item
        and len(column.vocabulary)
        and column.max_len is None
    ]
    for column in fit:
        if column.name == name:
            return column
    names = ", ".join(column.name for column in fit)
    raise ConfigError(
        f"domain='{name}' is no item-side categorical column of one value: choose one "
        f"of {names or 'none, for the spec has no such column'}."
    )
