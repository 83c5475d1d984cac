"""The users to whom an item should be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import index_key
from tfrec.errors import ConfigError
from tfrec.layers.top_k import check_whole, top_k
from tfrec.models.raw import raw_features
from tfrec.models.recommend import complete

if TYPE_CHECKING:
    from tfrec.models.families import FactorScorer

USERS = 8192  # embedded at a time


@dataclass(frozen=True)
class Audience:
    """Users for each item, nearest first.

    Attributes:
        user_id: ``(items, k)`` raw ids.
        score: ``(items, k)`` float32 cosines.
    """

    user_id: np.ndarray
    score: np.ndarray


def members(model: FactorScorer) -> tuple[np.ndarray, tf.Tensor]:
    """Everybody who can be in an audience: the users with an event in training.

    Args:
        model: A model that has met data.

    Returns:
        Raw ids ``(users,)`` and unit vectors ``(users, dim)`` float32.

    Raises:
        ConfigError: The model has met no data, has hashed users, or reads a query
            column that is not known of a user beforehand.
    """
    name, column = type(model).__name__, model.spec.user_column
    if not model.adapted or column.hash_bins is not None:
        raise ConfigError(
            f"{name} knows no users by id to make an audience of: train it on users "
            "with a vocabulary."
        )
    model.ensure_built()
    known = np.flatnonzero(~model.catalogue.strangers().numpy()).astype(np.int32)
    ids = model.spec.decode(column.name, known)
    parts = []
    for start in range(0, len(ids), USERS):
        query = complete(model, {column.name: ids[start : start + USERS]})
        parts.append(tf.math.l2_normalize(model.query_embedding(query), axis=1))
    return ids, tf.concat(parts, axis=0)


def nearest(
    model: FactorScorer, items: dict[str, tf.Tensor], users: tf.Tensor, k: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The rows of ``users`` nearest to each item by cosine, in the graph.

    Args:
        model: The model.
        items: Item features.
        users: ``(users, dim)`` unit vectors.
        k: Scalar int32.

    Returns:
        Rows ``(items, k)`` int32 and cosines ``(items, k)`` float32.
    """
    vectors = tf.math.l2_normalize(model.item_embedding(items), axis=1)
    scores, rows = top_k(tf.matmul(vectors, users, transpose_b=True), k)
    return rows, scores


def audience(model: FactorScorer, features: dict[str, Any], k: int) -> Audience:
    """See :meth:`tfrec.models.families.FactorScorer.audience`."""
    check_whole(k)
    ids, users = members(model)
    if not 1 <= k <= len(ids):
        raise ConfigError(
            f"k={k} is not between 1 and the {len(ids)} users with an event: choose "
            "another."
        )
    items = _items(model, features)
    rows, scores = nearest(model, items, users, tf.constant(k))
    return Audience(ids[rows.numpy()], scores.numpy())


def _items(model: FactorScorer, features: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Item features, completed from the item table where only the id is given."""
    spec, arrays = model.spec, model.catalogue.arrays
    result = raw_features(spec, features)
    for name in model.item_columns:
        if name in features:
            continue
        if spec.item not in features:
            raise ConfigError(
                f"{type(model).__name__} reads item column '{name}', which is not "
                f"given: pass features['{name}'], or the id of a known item."
            )
        index = spec.encode(spec.item, result[spec.item])
        result[index_key(spec[name].kind, name)] = tf.gather(
            arrays[f"item:{name}"], index
        )
    return result
