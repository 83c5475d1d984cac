"""The k best items of each query, in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

from tfrec.layers.top_k import mask, top_k

if TYPE_CHECKING:
    from tfrec.models.base import Recommender

Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Wanted:
    """What a batch of queries asks for beside its features.

    Attributes:
        k: Scalar int32, items for each query.
        exclude: ``(batch, any)`` int32 item indices that must not come back, 0 is
            padding.
        candidates: ``(batch, any)`` int32 item indices beside which none may come back,
            0 is padding; a row of padding restricts nothing.
    """

    k: tf.Tensor
    exclude: tf.Tensor
    candidates: tf.Tensor


def rank(
    model: Recommender,
    features: Tensors,
    wanted: Wanted,
    state: Tensors,
    popularity: tf.Tensor,
    strangers: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The k best items of each query; equal scores in the order of the vocabulary.

    Args:
        model: The model.
        features: Query features.
        wanted: How many, and which not.
        state: The model's ``catalogue_state()``.
        popularity: ``(items,)`` scores for cold queries.
        strangers: ``(user table rows,)`` bool, users without an event.

    Returns:
        Item indices ``(batch, k)`` int32 (0 where no item was left), scores
        ``(batch, k)`` float32, cold ``(batch,)`` bool.
    """
    first = model.spec.item_column.first
    cold = model.cold(features, strangers)
    if not model.searches:
        scores = model.catalogue_scores(features, state)
        scores = tf.where(cold[:, None], popularity[None, :], scores)
        return (*best(scores, wanted, first), cold)

    found = model.search(features, wanted.k, wanted.exclude, wanted.candidates, state)

    def popular() -> tuple[tf.Tensor, ...]:
        scores = tf.repeat(popularity[None, :], tf.shape(cold)[0], axis=0)
        instead = best(scores, wanted, first)
        pairs = zip(instead, found, strict=True)
        return tuple(tf.where(cold[:, None], new, old) for new, old in pairs)

    items, scores = tf.cond(tf.reduce_any(cold), popular, lambda: found)
    return items, scores, cold


def best(scores: tf.Tensor, wanted: Wanted, first: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The k best of some items by the scores of them all.

    Args:
        scores: ``(batch, items)`` float32, of items whose indices follow each other.
        wanted: How many, and which not; other items than these are passed over.
        first: Index of the first item.

    Returns:
        Item indices ``(batch, k)`` int32, 0 where no item was left, and their scores,
        -inf there.
    """
    scores = _only(scores, wanted.candidates, first)
    exclude = wanted.exclude
    excluded = tf.where(_among(exclude, scores, first), exclude - first, -1)
    values, found = top_k(mask(scores, excluded), wanted.k)
    return tf.where(found < 0, 0, found + first), values


def _only(scores: tf.Tensor, candidates: tf.Tensor, first: int) -> tf.Tensor:
    """Scores with -inf for what is no candidate, in rows that name candidates."""
    restricted = tf.reduce_any(candidates != 0, axis=1)

    def masked() -> tf.Tensor:
        place = tf.where(_among(candidates, scores, first))
        columns = tf.gather_nd(candidates, place) - first
        pairs = tf.stack([tf.cast(place[:, 0], tf.int32), columns], axis=1)
        allowed = tf.tensor_scatter_nd_update(
            tf.zeros_like(scores, tf.bool), pairs, tf.ones_like(columns, tf.bool)
        )
        left_out = restricted[:, None] & ~allowed
        return tf.where(left_out, tf.constant(-float("inf"), scores.dtype), scores)

    return tf.cond(tf.reduce_any(restricted), masked, lambda: scores)


def _among(items: tf.Tensor, scores: tf.Tensor, first: int) -> tf.Tensor:
    """Whether items are among those of the scores' columns."""
    return (items >= first) & (items < first + tf.shape(scores)[1])
