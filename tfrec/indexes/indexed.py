"""A model of vectors that answers through an index."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.indexes.exact import Exact
from tfrec.indexes.scann import Scann
from tfrec.models.families import FactorScorer, cosine_to_all
from tfrec.models.rank import Wanted

Tensors = dict[str, tf.Tensor]


class Indexed(FactorScorer):
    """A trained model of query and item vectors, its items in an index.

    The index holds the item vectors of the moment: make another after training on. It
    is evaluated, exported and put into a :class:`~tfrec.serving.TwoStage` as any model.
    An item is its id here, and the vectors stand in an export once: to embed an item
    that is new, ask the model. An unknown id has a vector of zeros.

    Args:
        model: A model whose scores are inner products, such as ``TwoTower``.
        index: ``Exact()`` when None.

    Raises:
        ConfigError: The model has no vectors, or has met no data, or its items make no
            such index, or the index needs a library that is not installed.

    Example:
        >>> indexed = Indexed(two_tower, Scann())
        >>> indexed.recall({"user_id": ["1", "2", "3"]}, k=100)
        >>> indexed.export("saved_models/two_tower")
    """

    paper = "Guo et al. 2020, Accelerating Large-Scale Inference, for ScaNN"
    objective = "the items of largest inner product through an index"
    searches = True

    def __init__(self, model: FactorScorer, index: Exact | Scann | None = None) -> None:
        name = type(model).__name__
        if not isinstance(model, FactorScorer):
            raise ConfigError(
                f"{name} has no item vectors to put into an index: take a model whose "
                "scores are inner products, such as TwoTower."
            )
        if not model.adapted:
            raise ConfigError(
                f"{name} has met no data, so it has no items to put into an index: "
                "train it first."
            )
        model.ensure_built()
        self._query_columns = model.query_columns
        super().__init__(model.spec, model.config)
        self.model = model
        self.catalogue, self.columns_layer = model.catalogue, model.columns_layer
        self.index = index or Exact()
        self.index.fit(model.catalogue_state()["item"])

    @property
    def query_columns(self) -> tuple[str, ...]:
        """Those of the model."""
        return self._query_columns

    def save(self, filepath: str | Path, **kwargs: Any) -> None:
        """Refuses: the model is saved on its own.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"'{filepath}' was not written: save the model itself, and index it again "
            "with Indexed(...); export(...) writes both as one."
        )

    def lookup(self, features: Tensors) -> Tensors:
        """The model's."""
        return self.model.lookup(features)

    def query(self, inputs: Tensors) -> tf.Tensor:
        """The model's."""
        return self.model.query(inputs)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """Those of the index."""
        place = inputs[self.spec.item] - self.spec.item_column.first
        vectors = tf.gather(self.index.vectors, tf.maximum(place, 0))
        return tf.where(place[:, None] < 0, 0.0, vectors)

    def cold(self, features: Tensors, strangers: tf.Tensor) -> tf.Tensor:
        """The model's."""
        return self.model.cold(features, strangers)

    def catalogue_state(self) -> Tensors:
        """Nothing: the index holds the vectors."""
        return {}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """One matrix product, what the search saves."""
        return super().catalogue_scores(features, {"item": self.index.vectors})

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of the item vectors, of all of them."""
        vectors = self.index.vectors.read_value()
        return cosine_to_all(vectors, items, self.spec.item_column.first)

    def search(
        self,
        features: Tensors,
        k: tf.Tensor,
        exclude: tf.Tensor,
        candidates: tf.Tensor,
        state: Tensors,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See :meth:`Recommender.search`: through the index."""
        wanted = Wanted(k, exclude, candidates)
        queries = self.query_embedding(features)
        return self.index.search(queries, wanted, self.spec.item_column.first)

    def recall(self, features: dict[str, Any], k: int = 100) -> float:
        """How much of the exact answer the index finds.

        Args:
            features: Raw query features, as :meth:`recommend` takes them.
            k: Items for each query.

        Returns:
            Mean share of the k items of largest inner product that are among the k
            found, 0 to 1, over the queries of which something is known.

        Raises:
            ConfigError: As :meth:`recommend`, or nothing is known of any query.
        """
        with warnings.catch_warnings():  # of queries that popularity answers
            warnings.simplefilter("ignore", UserWarning)
            found, exact = (
                model.recommend(features, k, drop_seen=False)
                for model in (self, Indexed(self.model))
            )
        if found.cold.all():
            raise ConfigError(
                f"nothing is known of these {len(found.cold)} queries, so popularity "
                "answers and not the index: ask for users with events."
            )
        pairs = zip(exact.item_id[~exact.cold], found.item_id[~found.cold], strict=True)
        return float(np.mean([np.isin(best, near).mean() for best, near in pairs]))
