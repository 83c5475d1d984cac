"""Ranking among a few candidates, stored or drawn."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tfrec.data.pipeline import taken_so_far
from tfrec.errors import ConfigError, DataError, listed
from tfrec.evaluation.full import warm
from tfrec.evaluation.pairs import Columns, Scorer, pair_features
from tfrec.evaluation.protocols import SampledNegatives
from tfrec.evaluation.result import Result, one_relevant, summarise
from tfrec.metrics import weighted_per_user_loss

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


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
        DataError: A user has taken so many items that too few are left.
    """
    column, users = data.spec.item_column, data.person[rows].astype(np.int64)
    taken, left = taken_so_far(data), untaken(data)[users]
    if len(rows) and left.min() < negatives:
        raise DataError(
            f"{data.spec.user} {data.raw(data.spec.user)[rows[np.argmin(left)]]!r} has "
            f"taken all but {left.min()} of the items, so {negatives} negatives cannot "
            "be drawn: lower negatives."
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


def untaken(data: Interactions) -> np.ndarray:
    """``(people,)`` int64 items that a person took neither before nor here."""
    column = data.spec.item_column
    taken = taken_so_far(data)
    known = taken[taken % column.size >= column.first]
    count = np.bincount(known // column.size, None, data.people)
    return column.size - column.first - count


def _repeats(block: np.ndarray) -> np.ndarray:
    """Marks values that stand further left in their row already."""
    order = np.argsort(block, axis=1, kind="stable")
    ordered = np.take_along_axis(block, order, axis=1)
    again = np.zeros(block.shape, bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    result = np.empty(block.shape, bool)
    np.put_along_axis(result, order, again, axis=1)
    return result


@dataclass(frozen=True)
class Asked:
    """The events that are measured and their candidates.

    Attributes:
        rows: ``(n,)`` events.
        items: ``(n, 1 + negatives)`` int32 item indices, the event's own first.
        ranked: ``(n, negatives)`` bool, which candidates the event's item is ranked
            among.
        cold_users: Users left out because nothing was known of them.
        left_out: Events left out, by reason.
    """

    rows: np.ndarray
    items: np.ndarray
    ranked: np.ndarray
    cold_users: int
    left_out: dict[str, int]


def asked_of(data: Interactions, protocol: SampledNegatives) -> Asked:
    """Collects the events to be measured and draws or takes their candidates.

    Raises:
        DataError: Stored candidates do not fit the events or the vocabulary, no event
            is left, or too few items are left to draw from.
    """
    column, stored = data.spec.item_column, protocol.candidates
    positive, known_item = protocol.positive(data), data.item >= column.first
    known_user = warm(data)
    asked = positive & known_item & known_user
    cold = positive & known_item & ~known_user
    left_out = {
        "label too low": int(np.sum(~positive)),
        "item outside the vocabulary": int(np.sum(positive & ~known_item)),
        "user cold": int(np.sum(cold)),
    }
    if not asked.any():
        raise DataError(
            f"none of the {len(data)} events of {data.name} is positive and of a known "
            "user and item: split the data otherwise."
        )
    if stored is None:
        too_few = asked & (untaken(data)[data.person] < protocol.negatives)
        left_out["too few items that the user did not take"] = int(np.sum(too_few))
        asked &= ~too_few
        _say_too_few(data, too_few, asked, protocol.negatives)
    rows = np.flatnonzero(asked)
    if stored is None:
        candidates = draw(data, rows, protocol.negatives, protocol.seed)
    elif len(stored) != len(data):
        raise DataError(
            f"there are {len(stored)} rows of stored candidates for the {len(data)} "
            f"events of {data.name}: give one row per event, in the same order."
        )
    elif stored.min() < column.first or stored.max() >= column.size:
        raise DataError(
            f"stored candidates reach from {stored.min()} to {stored.max()}, and item "
            f"indices from {column.first} to {column.size - 1}: encode the raw ids "
            f"with spec.encode('{column.name}', ids)."
        )
    else:
        candidates = stored[rows]
    own = data.item[rows][:, None]
    # Some published candidates hold the event's own item, which is ranked once.
    ranked = candidates != own
    if protocol.exclude_seen:
        keys = data.person[rows][:, None].astype(np.int64) * column.size + candidates
        ranked &= ~np.isin(keys, taken_so_far(data))
    return Asked(
        rows,
        np.concatenate([own, candidates], axis=1),
        ranked,
        len(np.unique(data.person[cold])),
        {reason: n for reason, n in left_out.items() if n},
    )


def _say_too_few(
    data: Interactions, too_few: np.ndarray, asked: np.ndarray, negatives: int
) -> None:
    """Warns of users of whom there are too few items to draw; refuses to lack all."""
    if not too_few.any():
        return
    name = data.spec.user
    said = (
        f"{name} {listed(np.unique(data.raw(name)[too_few]).tolist())} took so many "
        f"items that {negatives} negatives cannot be drawn"
    )
    if not asked.any():
        raise DataError(f"{said}, and no other event can be asked: lower negatives.")
    count = int(np.sum(too_few))
    warnings.warn(f"{said}: {count} events are left out.", stacklevel=2)


def evaluate(
    name: str,
    data: Interactions,
    protocol: SampledNegatives,
    asked: Asked,
    scorer: Scorer,
) -> Result:
    """Ranks each event's item among its candidates.

    Raises:
        ConfigError: The model's scores are not finite.
    """
    users, width = data.person[asked.rows], asked.items.shape[1]
    model = scorer.model

    def features(some: np.ndarray) -> Columns:
        return pair_features(
            data,
            model.query_columns,
            model.item_columns,
            np.repeat(users[some], width),
            asked.items[some].reshape(-1),
        )

    scores = scorer(len(users), features, width).reshape(-1, width)
    if not np.all(np.isfinite(scores)):
        raise ConfigError(
            f"{name} gives {int(np.sum(~np.isfinite(scores)))} pairs no finite score: "
            "has training diverged? Lower the learning rate."
        )
    own, others = scores[:, :1], scores[:, 1:]
    above = np.sum((others > own) & asked.ranked, axis=1)
    tied = np.sum((others == own) & asked.ranked, axis=1)
    per_user = one_relevant(above, tied, protocol.cutoffs)
    values, errors = summarise(per_user)
    if protocol.watch_time:
        amounts = data.label[asked.rows]
        negatives = asked.ranked.sum(axis=1)
        values["weighted_loss"] = weighted_per_user_loss(
            above + tied / 2, negatives, amounts
        )
        errors["weighted_loss"] = math.nan
    return Result(
        model=name,
        data=data.name,
        protocol=protocol.caption(data),
        sampled=protocol.sampled,
        metrics=values,
        standard_error=errors,
        users=len(np.unique(users)),
        events=len(users),
        cold_users=asked.cold_users,
        left_out=asked.left_out,
        tied=float(np.mean(tied > 0)),
        user=users,
        per_user=per_user,
    )
