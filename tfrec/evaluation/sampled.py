"""Ranking among a few candidates, stored or drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfrec import metrics
from tfrec.evaluation.full import past_of, warm
from tfrec.evaluation.pairs import Columns, pair_features, score
from tfrec.evaluation.protocols import SampledNegatives
from tfrec.evaluation.result import Result, mean_and_error

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender


def draw(data: Interactions, rows: np.ndarray, negatives: int, seed: int) -> np.ndarray:
    """Draws negatives for events: uniform, distinct, never taken by the user.

    Args:
        data: The events; what their users take in them or took before is never drawn.
        rows: ``(n,)`` events.
        negatives: How many for each.
        seed: The same seed, events and past give the same draw.

    Returns:
        ``(n, negatives)`` int32 item indices.

    Raises:
        ValueError: A user has taken so many items that too few are left.
    """
    column, users = data.spec.item_column, data.user[rows].astype(np.int64)
    taken = np.union1d(past_of(data).known, data.known)
    in_catalogue = taken[taken % column.size >= column.first]
    bounds = np.arange(data.spec.user_column.size + 1) * column.size
    left = column.size - column.first - np.diff(np.searchsorted(in_catalogue, bounds))
    if len(rows) and left[users].min() < negatives:
        user = int(users[np.argmin(left[users])])
        raise ValueError(
            f"user index {user} has taken all but {left[user]} of the items, so "
            f"{negatives} negatives cannot be drawn: lower negatives."
        )
    rng = np.random.default_rng(seed)
    drawn = np.full((len(rows), negatives), -1, np.int64)
    pending = np.arange(len(rows))
    while len(pending):
        # Only places that hold nothing, a taken item or a repeat are drawn anew.
        block = drawn[pending]
        wrong = block < 0
        block[wrong] = rng.integers(column.first, column.size, int(wrong.sum()))
        keys = users[pending, None] * column.size + block
        place = np.minimum(np.searchsorted(taken, keys), len(taken) - 1)
        wrong = (taken[place] == keys) | _repeats(block)
        block[wrong] = -1
        drawn[pending] = block
        pending = pending[wrong.any(1)]
    return drawn.astype(np.int32)


def _repeats(block: np.ndarray) -> np.ndarray:
    """Marks values that stand further left in their row already."""
    order = np.argsort(block, axis=1, kind="stable")
    ordered = np.take_along_axis(block, order, axis=1)
    again = np.zeros(block.shape, bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    result = np.empty(block.shape, bool)
    np.put_along_axis(result, order, again, axis=1)
    return result


def evaluate(
    model: Recommender, name: str, data: Interactions, protocol: SampledNegatives
) -> Result:
    """Ranks each event's item among its candidates.

    Raises:
        ValueError: Stored candidates do not fit the events or the vocabulary, no event
            is left, or the model's scores are not finite.
    """
    column, stored = data.spec.item_column, protocol.candidates
    known_item, known_user = data.item >= column.first, warm(data)
    rows = np.flatnonzero(known_item & known_user)
    left_out = {
        "item outside the vocabulary": int(np.sum(~known_item)),
        "user cold": int(np.sum(known_item & ~known_user)),
    }
    if not len(rows):
        raise ValueError(
            f"none of the {len(data)} events of {data.name} has a known user and item: "
            "split the data otherwise."
        )
    if stored is None:
        candidates = draw(data, rows, protocol.negatives, protocol.seed)
    elif len(stored) != len(data):
        raise ValueError(
            f"there are {len(stored)} rows of stored candidates for the {len(data)} "
            f"events of {data.name}: give one row per event, in the same order."
        )
    elif stored.min() < column.first or stored.max() >= column.size:
        raise ValueError(
            f"stored candidates reach from {stored.min()} to {stored.max()}, and item "
            f"indices from {column.first} to {column.size - 1}: encode the raw ids "
            f"with spec.encode('{column.name}', ids)."
        )
    else:
        candidates = stored[rows]
    items = np.concatenate([data.item[rows][:, None], candidates], axis=1)
    width = items.shape[1]

    def features(some: np.ndarray) -> Columns:
        users = np.repeat(data.user[rows[some]], width)
        return pair_features(
            data,
            model.query_columns,
            model.item_columns,
            users,
            items[some].reshape(-1),
        )

    scores = score(model, len(rows), features, width).reshape(-1, width)
    if not np.all(np.isfinite(scores)):
        raise ValueError(
            f"{name} gives {int(np.sum(~np.isfinite(scores)))} pairs no finite score: "
            "has training diverged? Lower the learning rate."
        )
    # Some published candidates hold the event's own item, which is ranked once.
    others = items[:, 1:] != items[:, :1]
    before = np.sum((scores[:, 1:] >= scores[:, :1]) & others, axis=1)
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
        cold_users=len(np.unique(data.user[known_item & ~known_user])),
        left_out={reason: n for reason, n in left_out.items() if n},
        user=data.user[rows],
        per_user=per_user,
    )
