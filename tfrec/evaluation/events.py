"""Full ranking event by event, each with the context it happened in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import index_key
from tfrec.errors import ConfigError, DataError
from tfrec.evaluation.pairs import unasked
from tfrec.evaluation.protocols import EventRanking
from tfrec.evaluation.ranking import SCORE_MEMORY, WORKERS, block_rows
from tfrec.evaluation.result import Result, one_relevant, summarise

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

Columns = dict[str, np.ndarray]
Tensors = dict[str, tf.Tensor]


def event_queries(model: Recommender, data: Interactions, rows: np.ndarray) -> Columns:
    """Query features of events: context columns as they were in the event."""
    tables = {data.spec.user, *data.users}
    own = [n for n in model.query_columns if n in data.columns and n not in tables]
    rest = tuple(n for n in model.query_columns if n not in own)
    features = data.queries(data.person[rows], rest)
    for name in own:
        key = index_key(data.spec[name].kind, name)
        features[key] = data.inputs(name, rows)
    return {**features, **unasked(model, data, rows)}


class Places:
    """Finds the place of each event's item in the whole catalogue.

    Args:
        model: The model.
        memory: Bound, in bytes, of the scores held at a time.
    """

    def __init__(self, model: Recommender, memory: int = SCORE_MEMORY) -> None:
        self.model, self.memory = model, memory
        self._graph = tf.function(self._place, reduce_retracing=True)

    def __call__(self, data: Interactions, rows: np.ndarray) -> np.ndarray:
        """``(2, n)`` items scored above that of each event, and others tied with it.

        A score that is NaN is tied with -1 others.
        """
        column, state = data.spec.item_column, self.model.catalogue_state()
        size = WORKERS * block_rows(column.size, self.memory)
        return np.concatenate(
            [
                self._graph(
                    tf.nest.map_structure(
                        tf.constant, event_queries(self.model, data, some)
                    ),
                    state,
                    tf.constant(data.item[some] - column.first),
                ).numpy()
                for some in np.split(rows, np.arange(size, len(rows), size))
            ],
            axis=1,
        )

    def _place(self, features: Tensors, state: Tensors, own: tf.Tensor) -> tf.Tensor:
        scores = tf.cast(self.model.catalogue_scores(features, state), tf.float32)
        target = tf.gather(scores, own, batch_dims=1)[:, None]
        above, same = (
            tf.reduce_sum(tf.cast(which, tf.int32), axis=1)
            for which in (scores > target, scores == target)
        )
        return tf.stack([above, same - 1])


def evaluate(
    name: str, data: Interactions, protocol: EventRanking, places: Places
) -> Result:
    """Ranks each event's item among the whole catalogue.

    Raises:
        ValueError: No event's item is in the vocabulary, or an item has no finite
            score.
    """
    positive, inside = protocol.positive(data), data.item >= data.spec.item_column.first
    rows = np.flatnonzero(positive & inside)
    if not len(rows):
        raise DataError(
            f"none of the {len(data)} events of {data.name} is positive and has an "
            "item of the vocabulary: split the data otherwise."
        )
    above, tied = places(data, rows)
    if tied.min() < 0:
        raise ConfigError(
            f"{name} gives the items of {int(np.sum(tied < 0))} events no finite "
            "score: has training diverged? Lower the learning rate."
        )
    per_user = one_relevant(above, tied, protocol.cutoffs)
    values, errors = summarise(per_user)
    left_out = {
        "label too low": int(np.sum(~positive)),
        "item outside the vocabulary": int(np.sum(positive & ~inside)),
    }
    return Result(
        model=name,
        data=data.name,
        protocol=protocol.caption(data),
        sampled=protocol.sampled,
        metrics=values,
        standard_error=errors,
        users=len(np.unique(data.person[rows])),
        events=len(rows),
        left_out={reason: n for reason, n in left_out.items() if n},
        tied=float(np.mean(tied > 0)),
        user=data.person[rows],
        per_user=per_user,
    )
