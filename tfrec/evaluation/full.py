"""Full ranking: every item of the catalogue, for every user with a relevant one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfrec import metrics
from tfrec.errors import ConfigError, DataError
from tfrec.evaluation.protocols import FullRanking
from tfrec.evaluation.ranking import (
    SCORE_MEMORY,
    ItemsOfUsers,
    Ranked,
    Ranker,
    hits_and_ties,
)
from tfrec.evaluation.result import Result, summarise
from tfrec.evaluation.searching import Searcher

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Truth:
    """Who is measured, and what is relevant for them.

    Attributes:
        users: ``(n,)`` int32 users, as :attr:`Interactions.person` numbers them,
            ascending.
        relevant: Sorted int64 keys ``user * items + column``.
        count: ``(n,)`` relevant items of each user, 1 or more.
        items: Size of the catalogue.
        cold_users: Users left out because nothing was known of them.
        left_out: Events left out, by reason.
    """

    users: np.ndarray
    relevant: np.ndarray
    count: np.ndarray
    items: int
    cold_users: int
    left_out: dict[str, int]


def past_of(data: Interactions) -> Interactions:
    """What was known before the events.

    Raises:
        DataError: The data is no part of a split, so nothing says what was known.
    """
    if data.past is None:
        raise DataError(
            f"{data.name} has no past, so nothing says which items a user has seen: "
            "evaluate on the validation or test part of data.split(...)."
        )
    return data.past


def identified(data: Interactions) -> np.ndarray:
    """``(n,)`` bool by event: the user is in the vocabulary (or the ids are hashed)."""
    column = data.spec.user_column
    return data.user >= (column.first if column.hash_bins is None else 1)


def warm(data: Interactions) -> np.ndarray:
    """``(n,)`` bool by event: the user is identified and known by a positive event.

    One that models may read, see :attr:`~tfrec.data.interactions.Interactions.given`.
    """
    known = past_of(data) if data.given is None else data.given
    return identified(data) & (np.diff(known.timeline.start)[data.person] > 0)


def truth_of(data: Interactions, protocol: FullRanking) -> Truth:
    """Collects the relevant items, those of positive events, of the users to measure.

    Raises:
        DataError: No past, or no user is left.
    """
    spec, past = data.spec, past_of(data)
    column, size = spec.item_column, spec.item_column.size
    left_out: dict[str, int] = {}

    keep = protocol.positive(data)
    left_out["label too low"] = int(np.sum(~keep))
    known_item = data.item >= column.first
    left_out["item outside the vocabulary"] = int(np.sum(keep & ~known_item))
    keep = keep & known_item
    if protocol.among is not None:
        among = np.isin(data.item, protocol.among)
        left_out["item not ranked"] = int(np.sum(keep & ~among))
        keep &= among

    known_user = warm(data) if protocol.users == "known" else identified(data)
    cold_users = len(np.unique(data.person[keep & ~known_user]))
    left_out["user cold"] = int(np.sum(keep & ~known_user))
    keep &= known_user

    keys = data.person[keep].astype(np.int64) * size + data.item[keep]
    distinct = np.unique(keys)
    left_out["repeated"] = len(keys) - len(distinct)
    if protocol.exclude_seen:
        new = np.isin(distinct, past.known, assume_unique=True, invert=True)
        left_out["item seen before"] = int(np.sum(~new))
        distinct = distinct[new]
    if not len(distinct):
        reasons = ", ".join(f"{reason}: {n}" for reason, n in left_out.items() if n)
        raise DataError(
            f"none of the {len(data)} events of {data.name} can be measured "
            f"({reasons}): relax the protocol or split the data otherwise."
        )
    user, item = np.divmod(distinct, size)
    users, count = np.unique(user, return_counts=True)
    items = size - column.first
    return Truth(
        users.astype(np.int32),
        user * items + item - column.first,
        count,
        items,
        cold_users,
        {reason: n for reason, n in left_out.items() if n},
    )


def make_ranker(
    model: Recommender, protocol: FullRanking, memory: int
) -> Ranker | Searcher:
    """The ranker of a model, deep enough for every cutoff of the protocol.

    A model that searches is asked to, unless the protocol wants all scores.

    Raises:
        ConfigError: A cutoff is larger than the catalogue, or there is no catalogue.
    """
    column = model.spec.item_column
    if column.hash_bins is not None:
        raise ConfigError(
            f"column '{column.name}' is hashed, so there is no catalogue to rank: give "
            "it a vocabulary."
        )
    items = column.size - column.first
    if model.searches and not protocol.exact:
        if protocol.among is not None:
            raise ConfigError(
                "a search knows no items to rank among: set exact=True to score all."
            )
        return Searcher(model, max(protocol.cutoffs))
    ranked = _ranks(protocol, items, column.first)

    def scores(features: Tensors, state: Tensors) -> tf.Tensor:
        every = model.catalogue_scores(features, state)
        return every if ranked.all() else tf.where(ranked, every, -np.inf)

    return Ranker(scores, items, max(protocol.cutoffs), memory)


def _ranks(protocol: FullRanking, items: int, first: int) -> np.ndarray:
    """``(items,)`` bool: which of the catalogue are ranked."""
    if protocol.among is None:
        return np.ones(items, bool)
    return np.isin(np.arange(items) + first, protocol.among)


def evaluate(
    model: Recommender,
    name: str,
    data: Interactions,
    protocol: FullRanking,
    truth: Truth,
    ranker: Ranker | Searcher,
) -> Result:
    """Ranks for all users of ``truth`` and measures the lists.

    Metrics of relevant items are expected values over the orders of tied items; what is
    recommended, relevant or not, is measured on the lists as they are served.

    Raises:
        ValueError: The model gives items no finite score.
    """
    seen = ItemsOfUsers.of(past_of(data)) if protocol.exclude_seen else None
    ranked = _ranked(model, data, truth, ranker, seen)
    candidates = _ranks(protocol, truth.items, data.spec.item_column.first)
    _check_complete(name, truth, ranked, seen, candidates)
    found, tied = hits_and_ties(ranked, truth.users, truth.relevant, truth.items)

    per_user = {
        f"{metric}@{k}": function(found, truth.count, k, tied)
        for k in protocol.cutoffs
        for metric, function in metrics.RANKING.items()
    }
    counts = past_of(data).item_counts[data.spec.item_column.first :]
    lists = {
        f"{metric}@{k}": function(ranked.columns[:, :k], counts)
        for metric, function in metrics.LISTS.items()
        for k in protocol.cutoffs
    }
    values, errors = summarise({**per_user, **lists})
    # Shares of what can be recommended, which may be a part of the catalogue.
    number, count = np.cumsum(candidates) - 1, int(candidates.sum())
    shown = np.where(ranked.columns >= 0, number[ranked.columns], -1)
    for k in protocol.cutoffs:
        values[f"coverage@{k}"] = metrics.coverage(shown[:, :k], count)
        values[f"gini@{k}"] = metrics.gini(shown[:, :k], count)
    return Result(
        model=name,
        data=data.name,
        protocol=protocol.caption(data),
        sampled=protocol.sampled,
        metrics=values,
        standard_error=errors,
        users=len(truth.users),
        events=len(truth.relevant),
        cold_users=truth.cold_users,
        left_out=truth.left_out,
        tied=float(np.mean(tied[ranked.columns >= 0] > 1)),
        user=truth.users,
        per_user=per_user,
    )


def search_recall(
    model: Recommender, data: Interactions, protocol: FullRanking
) -> dict[int, float]:
    """How much of the exact answer a model's search finds.

    Args:
        model: A model that searches.
        data: Validation or test part of a split, whose users ask.
        protocol: Who asks, what is left out, and, as its largest cutoff, for how many.

    Returns:
        For each cutoff k the mean share, over users, of the k items with the best
        scores that are found, 0 to 1.

    Raises:
        ValueError: As :func:`truth_of` and :func:`make_ranker`.
    """
    truth = truth_of(data, protocol)
    seen = ItemsOfUsers.of(past_of(data)) if protocol.exclude_seen else None
    found, best = (
        _ranked(model, data, truth, make_ranker(model, how, SCORE_MEMORY), seen).columns
        for how in (replace(protocol, exact=False), replace(protocol, exact=True))
    )
    row = np.arange(len(best))[:, None] * truth.items
    there = best >= 0
    both = there & np.isin(row + best, (row + found)[found >= 0])
    return {
        k: float(np.mean(both[:, :k].sum(axis=1) / there[:, :k].sum(axis=1)))
        for k in protocol.cutoffs
    }


def _ranked(
    model: Recommender,
    data: Interactions,
    truth: Truth,
    ranker: Ranker | Searcher,
    seen: ItemsOfUsers | None,
) -> Ranked:
    queries = partial(data.queries, names=tuple(model.query_columns))
    user, column = np.divmod(truth.relevant, truth.items)
    relevant = ItemsOfUsers.of_pairs(user, column, data.people)
    return ranker(truth.users, queries, model.catalogue_state(), seen, relevant)


def _check_complete(
    name: str,
    truth: Truth,
    ranked: Ranked,
    seen: ItemsOfUsers | None,
    ranks: np.ndarray,
) -> None:
    left: int | np.ndarray = int(ranks.sum())
    if seen is not None:
        counted = np.concatenate([[0], np.cumsum(ranks[seen.columns])])
        left -= np.diff(counted[seen.start])[truth.users]
    k = ranked.columns.shape[1]
    short = np.sum(ranked.columns >= 0, axis=1) < np.minimum(k, left)
    if short.any():
        raise ConfigError(
            f"{name} gives no finite score to items of {int(short.sum())} of "
            f"{len(short)} users: has training diverged? Lower the learning rate."
        )
