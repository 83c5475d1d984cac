"""Scores of given user-item pairs, in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfrec import backend
from tfrec.data.interactions import index_key
from tfrec.errors import DataError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

Columns = dict[str, np.ndarray]
BATCH = 65_536  # pairs in one call


def pair_features(
    data: Interactions,
    query_columns: tuple[str, ...],
    item_columns: tuple[str, ...],
    users: np.ndarray,
    items: np.ndarray,
) -> Columns:
    """Features of pairs as of the start of the data's events.

    Args:
        data: Where histories, user and item tables are.
        query_columns: What a model reads of the user.
        item_columns: What a model reads of the item.
        users: ``(n,)`` users, as :attr:`Interactions.person` numbers them.
        items: ``(n,)`` item indices.

    Raises:
        DataError: The data has no table with one of the item columns.
    """
    distinct, place = np.unique(users, return_inverse=True)
    queries = data.queries(distinct, query_columns)
    features = {name: values[place] for name, values in queries.items()}
    for name in item_columns:
        key = index_key(data.spec[name].kind, name)
        if name == data.spec.item:
            features[key] = items.astype(np.int32)
        elif name in data.items:
            features[key] = data.items[name][items]
        else:
            raise DataError(
                f"{data.name} has no item table with column '{name}': add it to items, "
                "or drop the column with spec.select(...)."
            )
    return features


def event_features(model: Recommender, data: Interactions, rows: np.ndarray) -> Columns:
    """Features of events: as pairs, but context columns are those of the event."""
    tables = {data.spec.user, data.spec.item, *data.users, *data.items}
    own = {n for n in model.columns if n in data.columns and n not in tables}
    features = pair_features(
        data,
        tuple(n for n in model.query_columns if n not in own),
        tuple(n for n in model.item_columns if n not in own),
        data.person[rows],
        data.item[rows],
    )
    for name in own:
        features[index_key(data.spec[name].kind, name)] = data.inputs(name, rows)
    return {**features, **unasked(model, data, rows)}


def unasked(model: Recommender, data: Interactions, rows: np.ndarray) -> Columns:
    """What a model reads of an event without it being a column of the spec."""
    names = [n for n in model.event_columns if n in data.columns]
    return {name: data.inputs(name, rows) for name in names}


class Scorer:
    """Scores pairs with one model.

    The graph is traced once; keep the object to score again after more training.

    Args:
        model: The model.
    """

    def __init__(self, model: Recommender) -> None:
        self.model = model
        self._graph: Callable[[dict[str, tf.Tensor]], tf.Tensor] | None = None

    def __call__(
        self, count: int, features: Callable[[np.ndarray], Columns], width: int = 1
    ) -> np.ndarray:
        """Scores rows of pairs, a batch at a time.

        Args:
            count: Number of rows, 1 or more.
            features: Features of the pairs of some rows, row after row.
            width: Pairs in a row.

        Returns:
            ``(count * width,)`` float32.
        """
        if self._graph is None:
            self._graph = self._trace(features(np.arange(1)))
        step = max(1, BATCH // width)
        parts = [
            self._graph(tf.nest.map_structure(tf.constant, features(rows))).numpy()
            for rows in np.split(np.arange(count), np.arange(step, count, step))
        ]
        return np.concatenate(parts)

    def _trace(self, features: Columns) -> Callable:
        signature = {
            name: tf.TensorSpec([None, *value.shape[1:]], value.dtype)
            for name, value in features.items()
        }

        def graph(features: dict[str, tf.Tensor]) -> tf.Tensor:
            scores = self.model(features, training=False)
            return tf.reshape(tf.cast(scores, tf.float32), [-1])

        # The concrete function: TensorFlow would warn of the graphs of other models.
        return backend.traced(graph, signature)
