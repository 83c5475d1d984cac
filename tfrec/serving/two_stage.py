"""Retrieve, filter, rank: two models as one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.features import FeatureSpec
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.families import FactorScorer, PairScorer
from tfrec.models.rank import Wanted, rank

Tensors = dict[str, tf.Tensor]


class TwoStage(Recommender):
    """A retrieval model that makes a shortlist and a ranking model that orders it.

    Covington et al. 2016, section 2: candidates are generated from the whole catalogue,
    and few are ranked with more features. What is excluded is left out before the
    shortlist is made. A query that is new to the retrieval model gets the most popular
    items as its shortlist; one that is new to both models is ``cold`` and answered by
    popularity. Both models stay as they are; ``fit`` them, not this one.

    Args:
        retrieval: A trained model that ranks the catalogue.
        ranking: A trained model of pairs, over the same users and items.
        shortlist: Items that are ranked for each query, at least ``k``.

    Raises:
        ConfigError: A model has met no data, the models differ in users, items or a
            column that both read, or ``ranking`` does not score pairs.

    Example:
        >>> TwoStage(two_tower, deepfm, shortlist=200).export("saved_models/pipeline")
    """

    paper = "Covington et al. 2016, Deep Neural Networks for YouTube Recommendations"
    objective = "a shortlist by one model, ordered by another"
    searches = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            shortlist: Items that are ranked for each query.
        """

        shortlist: int = 200

    def __init__(
        self, retrieval: Recommender, ranking: Recommender, shortlist: int = 200
    ) -> None:
        spec = _joined(retrieval, ranking)
        if shortlist < 1:
            raise ConfigError(f"shortlist={shortlist} ranks nothing: give 1 or more.")
        super().__init__(spec, shortlist=shortlist)
        self.retrieval, self.ranking = retrieval, ranking
        self.catalogue.arrays = {
            **ranking.catalogue.arrays,
            **retrieval.catalogue.arrays,
        }

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The user id and all other columns of users and of the moment."""
        sides = (*self.spec.on("user"), *self.spec.on("context"))
        rest = (c.name for c in sides if c.name != self.spec.user)
        return (self.spec.user, *rest)

    @property
    def item_columns(self) -> tuple[str, ...]:
        """All columns of items."""
        rest = (c.name for c in self.spec.on("item") if c.name != self.spec.item)
        return (self.spec.item, *rest)

    def ensure_built(self) -> None:
        """Creates all weights of both models."""
        self.retrieval.ensure_built()
        self.ranking.ensure_built()
        super().ensure_built()

    def save(self, filepath: str | Path, **kwargs: Any) -> None:
        """Refuses: the two models are saved on their own.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"'{filepath}' was not written: save the retrieval and the ranking model, "
            "and join them again with TwoStage(...); export(...) writes them as one."
        )

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Pair scores ``(batch,)`` of the ranking model."""
        return self.ranking(features, training=training)

    def cold(self, features: Tensors, strangers: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` bool: neither model knows anything of this query."""
        unknown = self.retrieval.cold(features, strangers)
        return unknown & self.ranking.cold(features, strangers)

    def catalogue_state(self) -> Tensors:
        """The retrieval model's state, item columns to rank by, and popularity."""
        items = self.ranking.lookup(self.ranking.catalogue.items())
        return {
            "retrieval": self.retrieval.catalogue_state(),
            "items": items,
            "popularity": self.catalogue.popularity(),
            "strangers": self.catalogue.strangers(),
        }

    def search(
        self,
        features: Tensors,
        k: tf.Tensor,
        exclude: tf.Tensor,
        candidates: tf.Tensor,
        state: Any,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See :meth:`Recommender.search`: the shortlist, scored as pairs."""
        column = self.spec.item_column
        items = column.size - column.first
        length = tf.minimum(tf.maximum(k, self.config.shortlist), items)
        found, _, _ = rank(
            self.retrieval,
            features,
            Wanted(length, exclude, candidates),
            state["retrieval"],
            state["popularity"],
            state["strangers"],
        )
        place = tf.maximum(tf.reshape(found, [-1]) - column.first, 0)
        pairs = {
            name: tf.gather(values, place) for name, values in state["items"].items()
        }
        queries = self.ranking.lookup(features)
        for name in self.ranking.query_columns:
            pairs[name] = tf.repeat(queries[name], length, axis=0)
        scores = tf.reshape(_score(self.ranking, pairs), tf.shape(found))
        nothing = tf.constant(-float("inf"))
        values, order = tf.math.top_k(tf.where(found == 0, nothing, scores), k)
        return tf.gather(found, order, batch_dims=1), values

    def catalogue_scores(self, features: Tensors, state: Any) -> tf.Tensor:
        """Scores of all items by the ranking model, what a shortlist saves."""
        return self.ranking.catalogue_scores(features, self.ranking.catalogue_state())


def _score(model: Recommender, inputs: Tensors) -> tf.Tensor:
    if isinstance(model, PairScorer):
        return model.pair_scores(inputs)
    dots = tf.reduce_sum(model.query(inputs) * model.item(inputs), axis=-1)
    return tf.cast(dots, tf.float32)


def _joined(retrieval: Recommender, ranking: Recommender) -> FeatureSpec:
    """The columns that either model reads."""
    names = [type(model).__name__ for model in (retrieval, ranking)]
    for model, name in zip((retrieval, ranking), names, strict=True):
        if not model.adapted:
            raise ConfigError(
                f"{name} has met no data: train it, or call model.adapt(train) first."
            )
    if not isinstance(ranking, PairScorer | FactorScorer):
        raise ConfigError(f"{names[1]} scores no pairs: rank with another model.")
    one, other = retrieval.spec, ranking.spec
    if (one.user, one.item) != (other.user, other.item):
        raise ConfigError(
            f"{names[0]} knows users and items as '{one.user}' and '{one.item}', "
            f"{names[1]} as '{other.user}' and '{other.item}': train both on one data "
            "set."
        )
    spec = one.select(*retrieval.columns)
    for column in other.select(*ranking.columns).columns:
        if column.name in spec and spec[column.name] != column:
            raise ConfigError(
                f"{names[0]} and {names[1]} declare column '{column.name}' "
                "differently: train both with one spec."
            )
        spec = spec.replace(column)
    return spec
