"""Data of the sizes that the speed targets name, drawn from a seed."""

from __future__ import annotations

import numpy as np

from tfrec.data.interactions import Interactions
from tfrec.data.timeline import SECOND
from tfrec.features import Categorical, FeatureSpec, Sequence


def popularity(size: int, exponent: float) -> np.ndarray:
    """``(size,)`` chances that fall with the rank to the power of ``exponent``."""
    weights = np.arange(1, size + 1) ** -exponent
    return weights / weights.sum()


def events(
    users: int, items: int, positives: int, seed: int, exponent: float = 0.8
) -> Interactions:
    """Distinct user-item pairs: users uniform, items by popularity.

    Args:
        users: Number of users.
        items: Number of items.
        positives: Pairs to draw; doubles are dropped.
        seed: Seed of the draw.
        exponent: How steeply popularity falls with the rank of the item.
    """
    rng = np.random.default_rng(seed)
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", "int64", tuple(range(users))),
            Categorical("item_id", "item", "int64", tuple(range(items))),
        )
    )
    user = rng.integers(0, users, positives)
    item = rng.choice(items, positives, p=popularity(items, exponent))
    user, item = np.divmod(np.unique(user * items + item), items)
    return Interactions(
        spec,
        {
            "user_id": (user + spec.user_column.first).astype(np.int32),
            "item_id": (item + spec.item_column.first).astype(np.int32),
        },
        name=f"{users:,} x {items:,} synthetic",
    )


def clicks(fields: int, ids: int, impressions: int, seed: int) -> Interactions:
    """Labelled impressions of hashed ids, popular ids often and rare ids rarely.

    Args:
        fields: Id columns, two of them the user and the item.
        ids: Ids of all columns together, spread evenly.
        impressions: Rows.
        seed: Seed of the draw.
    """
    rng = np.random.default_rng(seed)
    bins = ids // fields - 1  # and one row of padding
    names = ("user_id", "item_id", *(f"field_{n}" for n in range(2, fields)))
    sides = ("user", "item", *("context",) * (fields - 2))
    chances = popularity(bins, 1.0)
    columns = {
        name: rng.choice(bins, impressions, p=chances).astype(np.int32) + 1
        for name in names
    }
    columns["click"] = (rng.random(impressions) < 0.2).astype(np.float32)
    return Interactions(
        FeatureSpec(
            tuple(
                Categorical(name, side, hash_bins=bins)  # type: ignore[arg-type]
                for name, side in zip(names, sides, strict=True)
            ),
            label="click",
        ),
        columns,
        name=f"{ids:,} ids in {fields} fields, synthetic",
    )


def sessions(items: int, count: int, seed: int, longest: int = 20) -> Interactions:
    """Clicks of sessions, every other one on what follows the item before it.

    An item begins a session, or comes in between, by popularity that falls with its
    rank. Lengths are 2 and more, 4 on average.

    Args:
        items: Number of items.
        count: Number of sessions.
        seed: Seed of the draw.
        longest: Clicks of a session at most.
    """
    rng = np.random.default_rng(seed)
    spec = FeatureSpec(
        (
            Categorical("session_id", "user", "int64", tuple(range(count))),
            Categorical("item_id", "item", "int64", tuple(range(items))),
            Sequence("history", of="item_id", max_len=longest),
        ),
        user="session_id",
        timestamp="timestamp",
    )
    popular = items ** rng.random((count, longest)) - 1
    clicked, following = popular.astype(np.int32), rng.permutation(items)
    followed = rng.random(clicked.shape) < 0.5
    for place in range(1, longest):
        after = following[clicked[:, place - 1]]
        clicked[:, place] = np.where(followed[:, place], after, clicked[:, place])
    lengths = np.minimum(1 + rng.geometric(1 / 3, count), longest)
    kept = np.arange(longest) < lengths[:, None]
    session = np.repeat(np.arange(count, dtype=np.int32), lengths)
    return Interactions(
        spec,
        {
            "session_id": session + spec.user_column.first,
            "item_id": clicked[kept] + spec.item_column.first,
            "timestamp": np.arange(len(session)) * SECOND,
        },
        name=f"{count:,} sessions of {items:,} items, synthetic",
    )
