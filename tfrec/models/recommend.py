"""From raw ids to raw ids: ranking the catalogue of any model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import index_key
from tfrec.errors import ConfigError, did_you_mean
from tfrec.features import FeatureSpec
from tfrec.layers.categories import CategoryLookup, both
from tfrec.layers.top_k import check_k as check_count
from tfrec.layers.top_k import mask, top_k
from tfrec.models.rank import Wanted, rank
from tfrec.models.raw import raw_features, raw_items, raw_labels

if TYPE_CHECKING:
    from tfrec.models.base import Recommender

Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Recommendations:
    """Items for each query, best first.

    Attributes:
        item_id: ``(queries, k)`` raw ids; padding where no item was left.
        score: ``(queries, k)`` float32; -inf where no item was left.
        cold: ``(queries,)`` bool; True where popularity answered.
    """

    item_id: np.ndarray
    score: np.ndarray
    cold: np.ndarray


@dataclass(frozen=True)
class Only:
    """What an answer stays within; see :meth:`Recommender.recommend`."""

    candidates: Any = None
    within: Any = None


def check_k(model: Recommender, k: int) -> None:
    """Refuses a k that the catalogue cannot fill.

    Raises:
        ConfigError: ``k`` is no whole number in 1 .. number of items.
    """
    column = model.spec.item_column
    check_count(k, column.size - column.first if column.hash_bins is None else 0)


def complete(model: Recommender, features: dict[str, Any]) -> Tensors:
    """Fills in what training knows of a user: histories and user columns.

    Args:
        model: The model.
        features: Raw features; the user id at least, unless the model reads none.

    Raises:
        KeyError: A name is no column of the spec.
        ConfigError: A column is missing that cannot be filled in, or its values do not
            fit.
    """
    spec, catalogue = model.spec, model.catalogue
    result: Tensors = raw_features(spec, features, model.event_columns)
    users = (
        spec.encode(spec.user, _array(features[spec.user]))
        if spec.user in features
        else None
    )
    line = catalogue.timeline
    for name in model.query_columns:
        if name in features:
            continue
        key, table = index_key(spec[name].kind, name), f"user:{name}"
        if users is not None and table in catalogue.arrays:
            result[key] = tf.constant(catalogue.arrays[table][users])
        elif users is not None and line is not None and _of_items(spec, name):
            result[key] = tf.constant(line.latest(users, spec.length(name) or 1))
        else:
            raise ConfigError(
                f"{type(model).__name__} reads column '{name}', which the query does "
                f"not give: pass features['{name}']."
            )
    return result


def _of_items(spec: FeatureSpec, name: str) -> bool:
    return getattr(spec[name], "of", None) == spec.item


def _array(values: Any) -> Any:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _exclude(
    model: Recommender, features: dict[str, Any], exclude: Any, drop_seen: bool, n: int
) -> np.ndarray:
    spec = model.spec
    parts = [spec.encode(spec.item, raw_items(spec, "exclude", exclude, n))]
    if drop_seen and spec.user in features:
        users = spec.encode(spec.user, _array(features[spec.user]))
        parts.append(model.catalogue.seen(users))
    return np.concatenate(parts, axis=1)


def _candidates(model: Recommender, only: Only, n: int) -> tf.Tensor:
    spec = model.spec
    named = raw_items(spec, "candidates", only.candidates, n)
    candidates = tf.constant(spec.encode(spec.item, named))
    if only.within is None:
        return candidates
    categories = model.catalogue.categories()
    if not categories.labels:
        raise ConfigError(
            f"{type(model).__name__} reads no item-side categorical column with a "
            "vocabulary, so there is no category to stay within: give candidates."
        )
    within = raw_labels(only.within, n)
    for label in set(within.numpy().ravel().tolist()) - {b""}:
        if label.decode() not in categories.labels:
            raise ConfigError(
                f"no item is within '{label.decode()}'; "
                f"{did_you_mean(label.decode(), categories.labels)}"
            )
    return both(candidates, CategoryLookup(categories)(within))


def recommend(
    model: Recommender,
    features: dict[str, Any],
    k: int,
    exclude: Any,
    drop_seen: bool,
    only: Only,
) -> Recommendations:
    """See :meth:`tfrec.models.base.Recommender.recommend`."""
    check_k(model, k)
    model.ensure_built()
    queries = complete(model, features)
    n = int(next(iter(queries.values())).shape[0])
    excluded = _exclude(model, features, exclude, drop_seen, n)
    items, scores, cold = rank(
        model,
        queries,
        Wanted(tf.constant(k), tf.constant(excluded), _candidates(model, only, n)),
        model.catalogue_state(),
        model.catalogue.popularity(),
        model.catalogue.strangers(),
    )
    if np.any(cold):
        warnings.warn(
            f"nothing is known of {int(np.sum(cold))} of {n} queries: answered by "
            "popularity.",
            stacklevel=3,
        )
    ids = model.spec.decode(model.spec.item, items.numpy())
    return Recommendations(ids, scores.numpy(), cold.numpy())


def similar_items(model: Recommender, items: Any, k: int) -> Recommendations:
    """See :meth:`tfrec.models.base.Recommender.similar_items`."""
    check_k(model, k)
    model.ensure_built()
    column = model.spec.item_column
    raw = _array(items)
    indices = model.spec.encode(column.name, raw)
    for value, index in zip(raw, indices, strict=True):
        if index < column.first:
            raise ConfigError(
                f"item {value!r} is not among the {column.size - column.first} items "
                "of the catalogue: ask for one of them."
            )
    scores = model.item_similarity(tf.constant(indices))
    values, found = top_k(mask(scores, indices[:, None] - column.first), tf.constant(k))
    chosen = tf.where(found < 0, 0, found + column.first).numpy()
    ids = model.spec.decode(column.name, chosen)
    return Recommendations(ids, values.numpy(), np.zeros(len(ids), bool))
