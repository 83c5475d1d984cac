"""Amazon Food and Kitchen: the same users in two domains."""

from __future__ import annotations

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
    import numpy as np

    from tfrec.data.interactions import Interactions

EVENTS, DOMAINS = (
    "cross-domain/food-kitchen.txt",
    "cross-domain/food-kitchen.items.txt",
)
SOURCE = "take the Food-Kitchen files of a cross-domain benchmark of Amazon's reviews"


@register("amazon/food-kitchen")
def food_kitchen(data_dir: Path | None = None, history: int = 30) -> Interactions:
    """Amazon Food and Kitchen: 7,144 users of both, 28,095 items, 173,548 timed events.

    The files lie, plain or ``.xz``, in the folder ``cross-domain`` of the data
    directory. A line of ``food-kitchen.txt`` is a user and the events,
    ``user item|time item|time ...``, times in seconds since 1970. Of
    ``food-kitchen.items.txt`` the first line is ``item_id``, a tab and ``domain``, and
    the others name the domain of each item: 0 is food, 1 is kitchen. Ids are their
    numbers as strings.

    Args:
        data_dir: The data directory.
        history: Length of the column ``history``, which holds items of both domains.

    Returns:
        The interactions, without label: every event is positive. Items have a
        ``domain``, ``food`` or ``kitchen``.

    Raises:
        DataError: A file is missing, damaged, or not of this form, or an item has no
            domain.
    """
    import numpy as np

    from tfrec.data.interactions import Interactions

    users, items, times = sequences(
        found("amazon/food-kitchen", data_dir, (EVENTS,), SOURCE), timed=True
    )
    known, domain = _domains(found("amazon/food-kitchen", data_dir, (DOMAINS,), SOURCE))
    place = np.searchsorted(known, items)
    lost = known[np.minimum(place, len(known) - 1)] != items
    if lost.any():
        raise DataError(
            f"item {items[lost][0]} of {EVENTS} has no domain in {DOMAINS}: fetch both "
            "files again."
        )
    ids, index = np.unique(users, return_inverse=True)
    user = Categorical("user_id", "user", vocabulary=tuple(map(str, ids.tolist())))
    item = Categorical("item_id", "item", vocabulary=tuple(map(str, known.tolist())))
    views = Categorical("domain", "item", vocabulary=("food", "kitchen"))
    spec = FeatureSpec(
        (user, item, views, Sequence("history", of="item_id", max_len=history)),
        timestamp="timestamp",
    )
    return Interactions(
        spec,
        {
            "user_id": (index + user.first).astype(np.int32),
            "item_id": (place + item.first).astype(np.int32),
            "timestamp": times * SECOND,
        },
        items={
            "domain": np.concatenate(
                [np.zeros(item.first, np.int32), domain.astype(np.int32) + views.first]
            )
        },
        name="Amazon Food and Kitchen",
    )


def _domains(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Items in ascending order and the domain of each, 0 or 1."""
    import numpy as np

    head, *lines = contents(path).decode("utf8", "replace").split("\n")
    table = {}
    for number, line in enumerate(filter(None, lines), start=2):
        item, _, domain = line.strip().partition("\t")
        if head.strip() != "item_id\tdomain" or domain not in ("0", "1"):
            raise DataError(
                f"{path} line {number} is not an item, a tab, and 0 or 1 below a line "
                f"'item_id', tab, 'domain': '{line[:60]}'; fetch the file again."
            )
        if not item.isdecimal() or len(item) > 18:
            raise DataError(
                f"{path} line {number} has item '{item[:60]}', which is no number: "
                "fetch the file again."
            )
        table[int(item)] = int(domain)
    items = np.array(sorted(table), np.int64)
    return items, np.array([table[item] for item in items.tolist()])
