"""Full ranking event by event, each with the context it happened in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfrec import metrics
from tfrec.data.interactions import index_key
from tfrec.evaluation.protocols import EventRanking
from tfrec.evaluation.ranking import SCORE_MEMORY, WORKERS, block_rows
from tfrec.evaluation.result import Result, mean_and_error

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

Columns = dict[str, np.ndarray]


def event_queries(model: Recommender, data: Interactions, rows: np.ndarray) -> Columns:
    """Query features of events: context columns as they were in the event."""
    tables = {data.spec.user, *data.users}
    own = [n for n in model.query_columns if n in data.columns and n not in tables]
    rest = tuple(n for n in model.query_columns if n not in own)
    features = data.queries(data.user[rows], rest)
    for name in own:
        key = index_key(data.spec[name].kind, name)
        features[key] = data.columns[name][rows]
    return features


def evaluate(
    model: Recommender,
    name: str,
    data: Interactions,
    protocol: EventRanking,
    memory: int = SCORE_MEMORY,
) -> Result:
    """Ranks each event's item among the whole catalogue.

    Raises:
        ValueError: No event's item is in the vocabulary.
    """
    column = data.spec.item_column
    rows = np.flatnonzero(data.item >= column.first)
    if not len(rows):
        raise ValueError(
            f"none of the {len(data)} events of {data.name} has an item of the "
            "vocabulary: split the data otherwise."
        )
    state = model.catalogue_state()

    @tf.function(reduce_retracing=True)
    def places(
        features: dict[str, tf.Tensor], state: dict[str, tf.Tensor], own: tf.Tensor
    ) -> tf.Tensor:
        scores = tf.cast(model.catalogue_scores(features, state), tf.float32)
        target = tf.gather(scores, own, batch_dims=1)[:, None]
        # A tie is lost, so that a constant model finds nothing.
        return tf.reduce_sum(tf.cast(scores >= target, tf.int32), axis=1) - 1

    size = WORKERS * block_rows(column.size, memory)
    before = np.concatenate(
        [
            places(
                tf.nest.map_structure(tf.constant, event_queries(model, data, some)),
                state,
                tf.constant(data.item[some] - column.first),
            ).numpy()
            for some in np.split(rows, np.arange(size, len(rows), size))
        ]
    )
    found = np.arange(max(protocol.cutoffs)) == before[:, None]
    one = np.ones(len(rows), int)
    per_user = {
        f"{metric}@{k}": metrics.RANKING[metric](found, one, k)
        for k in protocol.cutoffs
        for metric in ("hit_rate", "ndcg", "mrr")
    }
    summary = {metric: mean_and_error(each) for metric, each in per_user.items()}
    return Result(
        model=name,
        data=data.name,
        protocol=protocol.describe(),
        sampled=protocol.sampled,
        metrics={metric: value for metric, (value, _) in summary.items()},
        standard_error={metric: error for metric, (_, error) in summary.items()},
        users=len(np.unique(data.user[rows])),
        events=len(rows),
        left_out={"item outside the vocabulary": len(data) - len(rows)},
        user=data.user[rows],
        per_user=per_user,
    )
