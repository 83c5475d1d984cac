"""Ranking by a model's own search, for many users, block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfrec import backend
from tfrec.evaluation.ranking import Columns, ItemsOfUsers, Ranked
from tfrec.layers.top_k import check_k

if TYPE_CHECKING:
    from tfrec.models.base import Recommender

Tensors = dict[str, tf.Tensor]
ROWS = 128  # users in a block: a search holds a few hundred candidates of each


class Searcher:
    """The :class:`~tfrec.evaluation.ranking.Ranker` of a model that searches.

    What a served query gets: the graph is traced once, and nothing is ranked that the
    search does not reach, nor counted as tied.

    Args:
        model: A model with ``searches``.
        k: Items to keep for each user.

    Raises:
        ValueError: k is not in 1 .. items.
    """

    def __init__(self, model: Recommender, k: int) -> None:
        column = model.spec.item_column
        check_k(k, column.size - column.first)
        self.first, self.k = column.first, k
        self._model = model
        self._graph: Callable[..., tuple[tf.Tensor, tf.Tensor]] | None = None

    def __call__(
        self,
        users: np.ndarray,
        queries: Callable[[np.ndarray], Columns],
        state: Tensors,
        seen: ItemsOfUsers | None = None,
        relevant: ItemsOfUsers | None = None,
    ) -> Ranked:
        """Ranks for users; see :class:`~tfrec.evaluation.ranking.Ranker`."""
        if self._graph is None:
            self._graph = self._trace(queries(users[:1]), state)
        columns = np.empty((len(users), self.k), np.int32)
        scores = np.empty((len(users), self.k), np.float32)
        for start in range(0, len(users), ROWS):
            block = slice(start, start + ROWS)
            some = users[block]
            features = tf.nest.map_structure(tf.constant, queries(some))
            exclude = tf.constant(self._padded(some, seen))
            found, values = self._graph(features, exclude, state)
            columns[block] = np.where(found > 0, found - self.first, -1)
            scores[block] = values
        none = np.zeros(len(users), np.int32)
        return Ranked(columns, scores, none, none)

    def _trace(self, features: Columns, state: Tensors) -> Callable:
        def free_batch(value: np.ndarray) -> tf.TensorSpec:
            return tf.TensorSpec([None, *value.shape[1:]], value.dtype)

        signature = [
            tf.nest.map_structure(free_batch, features),
            tf.TensorSpec([None, None], tf.int32),
            tf.nest.map_structure(tf.type_spec_from_value, state),
        ]

        def graph(
            features: Tensors, exclude: tf.Tensor, state: Tensors
        ) -> tuple[tf.Tensor, tf.Tensor]:
            none = tf.zeros([tf.shape(exclude)[0], 0], tf.int32)
            k = tf.constant(self.k)
            return self._model.search(features, k, exclude, none, state)

        return backend.compiled(graph, *signature)

    def _padded(self, users: np.ndarray, seen: ItemsOfUsers | None) -> np.ndarray:
        """``(users, longest)`` int32 item indices never to return, padded with 0."""
        if seen is None:
            return np.zeros((len(users), 0), np.int32)
        columns = seen.pairs(users)[:, 1]
        lengths = seen.start[users + 1] - seen.start[users]
        exclude = np.zeros((len(users), lengths.max(initial=0)), np.int32)
        exclude[np.arange(exclude.shape[1]) < lengths[:, None]] = columns + self.first
        return exclude
