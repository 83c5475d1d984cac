"""Why an item: what speaks for it, and by how much its score falls without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import index_key
from tfrec.errors import ConfigError
from tfrec.features import Numeric
from tfrec.models.recommend import complete

if TYPE_CHECKING:
    from tfrec.models.base import Recommender

Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Reason:
    """One thing that speaks for an item, or against it.

    Attributes:
        text: What it is, in raw ids and names.
        weight: How much of the model's attention it has, or how near it is; of models
            without either, its share in all that speaks for the item.
        effect: By how much the score falls when it is taken away; None where the model
            would have to be trained anew without it.
    """

    text: str
    weight: float
    effect: float | None = None


@dataclass(frozen=True)
class Explanation:
    """Why an item has its score for a query.

    Attributes:
        sentence: The first reasons in words.
        score: What the model gives the pair.
        reasons: Those of largest effect first, or of largest weight without effects.
    """

    sentence: str
    score: float
    reasons: tuple[Reason, ...]


def explain(
    model: Recommender, features: dict[str, Any], item: Any, k: int
) -> Explanation:
    """See :meth:`tfrec.models.base.Recommender.explain`."""
    model.ensure_built()
    query = _encoded(model, complete(model, features))
    count = int(next(iter(query.values())).shape[0])
    if count != 1:
        raise ConfigError(f"{count} queries at once are not explained: give one.")
    if k < 1:
        raise ConfigError(f"k={k} reasons are none: ask for 1 or more.")
    column = model.spec.item_column
    index = int(model.spec.encode(column.name, [item])[0])
    if index < column.first:
        raise ConfigError(
            f"item {item!r} is not among the {column.size - column.first} items of the "
            "catalogue: ask for one of them."
        )
    place = index - column.first
    own = {key: v[place : place + 1] for key, v in model.catalogue.items().items()}
    pair = {**query, **own}
    score = float(model(pair, training=False)[0])
    found = [r for r in model.reasons(pair) if r.effect is None or r.effect > 0]
    found.sort(key=lambda r: (r.effect is None, -(r.effect or 0.0), -r.weight, r.text))
    reasons = tuple(found[:k])
    return Explanation(_sentence(str(item), score, reasons), score, reasons)


def _encoded(model: Recommender, query: Tensors) -> Tensors:
    """Raw ids and words as indices, which can be taken away one by one."""
    result = {}
    for name, values in query.items():
        key = index_key(model.spec[name].kind, name) if name in model.spec else name
        if key != name:
            values = tf.constant(model.spec.encode(name, values.numpy()))
        result[key] = values
    return result


def _sentence(item: str, score: float, reasons: tuple[Reason, ...]) -> str:
    head = f"{item} scores {score:.3g}"
    if not reasons:
        return f"{head}, and nothing that is known of the query speaks for it."
    if reasons[0].effect is None:
        near = ", ".join(f"{r.text} ({r.weight:.2f})" for r in reasons)
        return f"{head}: nearest to it are {near}."
    why = ", ".join(f"{r.text} ({r.effect:+.3g})" for r in reasons)
    return f"{head}: because of {why}."


def occlusions(
    model: Recommender, pair: Tensors, attention: Tensors | None = None
) -> list[Reason]:
    """What is read of a pair beside its ids, taken away one by one.

    Every item of a history, and every other column: an id or word becomes padding, a
    number missing, which is its mean. A model that reads ids alone names what the user
    took, by how near it is to the item.

    Args:
        model: The model.
        pair: Features of one pair, as :func:`complete` gives them.
        attention: Of a model that attends to histories, ``(1, length)`` weights by the
            name of each. An item has the weight of its entries together, and what the
            model does not attend to has 0.
    """
    spec = model.spec
    without: list[tuple[str, Tensors, float]] = []
    for name in model.columns:
        key = index_key(spec[name].kind, name)
        if name in (spec.user, spec.item) or key not in pair:
            continue
        values = pair[key].numpy()
        if getattr(spec[name], "of", None) == spec.item:
            weights = (attention or {}).get(name, np.zeros(values.shape))
            without += _histories(model, name, values, np.asarray(weights))
        elif isinstance(spec[name], Numeric):
            missing = tf.constant(np.full_like(values, np.nan))
            without.append((_told(model, name, values), {key: missing}, 0.0))
        elif values.any():
            empty = tf.constant(np.zeros_like(values))
            without.append((_told(model, name, values), {key: empty}, 0.0))
    if not without:
        return nearest(model, pair)

    def scores(rows: list[Tensors]) -> np.ndarray:
        whole = {
            key: tf.concat([row.get(key, value) for row in rows], axis=0)
            for key, value in pair.items()
        }
        return model(whole, training=False).numpy()

    texts, changes, own = (list(part) for part in zip(*without, strict=True))
    return effects(texts, changes, scores, own if attention else None, empty={})


def effects(
    texts: list[str],
    changes: list[Any],
    scores: Callable[[list[Any]], np.ndarray],
    weights: list[float] | None = None,
    empty: Any = False,
) -> list[Reason]:
    """Reasons from the scores without each of them.

    Args:
        texts: What each is called.
        changes: What takes each away.
        scores: Changes to scores; the first of them is none, ``empty``.
        weights: Of each; its share in all that speaks for the item when None.
        empty: What takes nothing away.
    """
    if not changes:
        return []
    found = scores([empty, *changes])
    fall = (found[0] - found[1:]).tolist()
    total = sum(max(f, 0.0) for f in fall) or 1.0
    weights = weights or [max(f, 0.0) / total for f in fall]
    return [Reason(*one) for one in zip(texts, weights, fall, strict=True)]


def nearest(model: Recommender, pair: Tensors) -> list[Reason]:
    """What the user took and liked, by its similarity to the item.

    Raises:
        ValueError: The model reads ids alone and has no notion of similar items.
    """
    spec = model.spec
    first, item = spec.item_column.first, pair[f"{spec.item}/index"]
    line = model.catalogue.timeline
    user = int(pair[f"{spec.user}/index"][0])
    taken = np.empty(0, np.int32)
    if line is not None and user >= spec.user_column.first:
        taken = np.unique(line.items[line.start[user] : line.start[user + 1]])
    taken = taken[(taken >= first) & (taken != int(item[0]))]
    near = model.item_similarity(item).numpy()[0][taken - first]
    names = spec.decode(spec.item, taken.astype(np.int32))
    return [
        Reason(f"{spec.item} {name}", float(value))
        for name, value in zip(names, near, strict=True)
    ]


def _histories(
    model: Recommender, name: str, values: np.ndarray, weights: np.ndarray
) -> list[tuple[str, Tensors, float]]:
    """A history without each of its items, those behind it moved up, and its weight."""
    found, key = [], index_key(model.spec[name].kind, name)
    for item in dict.fromkeys(values[0][values[0] > 0].tolist()):
        kept = values[0][values[0] != item]
        row = np.zeros_like(values)
        row[0, : len(kept)] = kept
        raw = model.spec.decode(name, np.array([[item]], np.int32))[0, 0]
        weight = float(weights[0][values[0] == item].sum())
        found.append((f"{name} {raw}", {key: tf.constant(row)}, weight))
    return found


def _told(model: Recommender, name: str, values: np.ndarray) -> str:
    """A column and its value in words."""
    if isinstance(model.spec[name], Numeric):
        return f"{name} {float(values.ravel()[0]):g}"
    if model.spec[name].kind == "text":
        return name
    raw = np.ravel(model.spec.decode(name, values))
    known = [str(value) for value in raw if value not in ("", -1)]
    return f"{name} {', '.join(known)}".strip()
