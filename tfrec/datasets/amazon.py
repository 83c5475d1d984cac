"""Amazon Sports and Outdoors: sequences of items, with brand and categories."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.columns import Categorical, Sequence
from tfrec.data.timeline import SECOND
from tfrec.datasets.registry import register
from tfrec.datasets.sources.folder import found
from tfrec.datasets.sources.sequences import contents, sequences
from tfrec.errors import DataError
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

EVENTS = "amazon/Sports_and_Outdoors.txt"
ATTRIBUTES = "amazon/Sports_and_Outdoors_item2attributes.json"
SOURCE = "take the files of the CIKM2020-S3Rec repository by Zhou et al."


@register("amazon/sports")
def sports(data_dir: Path | None = None, history: int = 50) -> Interactions:
    """Amazon Sports and Outdoors, 5-core: 35,598 users, 18,357 items, 296,337 events.

    The files of Zhou et al. 2020 (S3-Rec) lie, plain or ``.xz``, in the folder
    ``amazon`` of the data directory: ``Sports_and_Outdoors.txt`` (a line is a user and
    the items in the order they were reviewed) and
    ``Sports_and_Outdoors_item2attributes.json``. Ids are their numbers as strings.

    The order of each user's items is known, their times are not: ``timestamp`` is the
    position in the user's sequence, from 0, in seconds. ``split("leave_last_out")`` is
    the split to use; ``temporal`` would compare positions of different users, which
    mean nothing.

    The first attribute of an item is its ``brand`` and the rest its ``categories``, a
    bag as long as the longest (15 in the published file), repeated ones once. The file
    does not say so; it follows from first attributes being nearly all their own (22 of
    1,176 stand elsewhere too). Brand ``23``, which 7,263 items have, most likely stands
    for none given.

    Args:
        data_dir: The data directory.
        history: Length of the column ``history``.

    Returns:
        The interactions, without label: every event is positive.

    Raises:
        ValueError: A file is missing, damaged, or not of this form.
    """
    import numpy as np

    from tfrec.data.interactions import Interactions

    users, items, place = sequences(_found(data_dir, EVENTS))
    attributes = _attributes(_found(data_dir, ATTRIBUTES))
    columns = {}
    vocabulary = {}
    for name, numbers in (("user_id", users), ("item_id", items)):
        known, index = np.unique(numbers, return_inverse=True)
        vocabulary[name] = tuple(map(str, known.tolist()))
        columns[name] = (index + 2).astype(np.int32)  # after padding and unknown
    given = [attributes.get(item, []) for item in vocabulary["item_id"]]
    brands = [values[0] if values else "" for values in given]
    bags = [list(dict.fromkeys(values[1:])) for values in given]
    longest = max(1, *map(len, bags))
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=vocabulary["user_id"]),
            Categorical("item_id", "item", vocabulary=vocabulary["item_id"]),
            Categorical("brand", "item", vocabulary=_frequent(brands)),
            Categorical(
                "categories",
                "item",
                vocabulary=_frequent([value for bag in bags for value in bag]),
                max_len=longest,
            ),
            Sequence("history", of="item_id", max_len=history),
        ),
        timestamp="timestamp",
    )
    padded = [bag + [""] * (longest - len(bag)) for bag in bags]
    sides = {
        "brand": spec.encode("brand", brands),
        "categories": spec.encode("categories", padded),
    }
    nobody = spec.item_column.first
    return Interactions(
        spec,
        {**columns, "timestamp": place * SECOND},
        items={
            name: np.concatenate([np.zeros_like(values[:1])] * nobody + [values])
            for name, values in sides.items()
        },
        name="Amazon Sports and Outdoors",
    )


def _found(data_dir: Path | None, name: str) -> Path:
    return found("amazon/sports", data_dir, (name,), SOURCE)


def _attributes(path: Path) -> dict[str, list[str]]:
    """Attributes by item, as strings."""
    try:
        table = json.loads(contents(path))
        return {item: [str(int(v)) for v in values] for item, values in table.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not a JSON object of items and lists of numbers ({error}): "
            "fetch it again."
        ) from error


def _frequent(values: list[str]) -> tuple[str, ...]:
    """Distinct values, the most frequent first, none of them empty."""
    counts = Counter(value for value in values if value)
    return tuple(sorted(counts, key=lambda value: (-counts[value], value)))
