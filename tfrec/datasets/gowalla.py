"""Gowalla: the places where people checked in, in LightGCN's split."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.columns import Categorical, Sequence
from tfrec.datasets.registry import register
from tfrec.datasets.sources.folder import found
from tfrec.datasets.sources.sequences import sequences
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

TRAIN, TEST = "gowalla/train.txt", "gowalla/test.txt"
SOURCE = "take Data/gowalla of the LightGCN repository by He et al."


@dataclass(frozen=True, eq=False)
class GowallaSplit:
    """The published parts.

    Attributes:
        train: 810,128 events.
        test: 217,242 events; its past is ``train``.
    """

    train: Interactions
    test: Interactions


@register("gowalla")
def gowalla(data_dir: Path | None = None, history: int = 100) -> GowallaSplit:
    """Gowalla check-ins, 10-core, in LightGCN's split: 29,858 users, 40,981 places.

    The files of He et al. 2020 (LightGCN) lie, plain or ``.xz``, in the folder
    ``gowalla`` of the data directory: ``train.txt`` and ``test.txt``, a line a user and
    the items. Ids are their numbers as strings. A user's items are a set, neither order
    nor times are known: a history holds the user's other items, and the split is the
    published one, at random within each user.

    Args:
        data_dir: The data directory.
        history: Length of the column ``history``.

    Returns:
        A :class:`GowallaSplit`, without label: every event is positive.

    Raises:
        ValueError: A file is missing, damaged, or not of this form.
    """
    import numpy as np

    from tfrec.data.interactions import Interactions

    parts = [
        sequences(found("gowalla", data_dir, (name,), SOURCE))[:2]
        for name in (TRAIN, TEST)
    ]
    users, items = (np.concatenate(both) for both in zip(*parts, strict=True))
    columns, declared = {}, []
    for name, side, numbers in (("user_id", "user", users), ("item_id", "item", items)):
        known, index = np.unique(numbers, return_inverse=True)
        column = Categorical(name, side, vocabulary=tuple(map(str, known.tolist())))  # type: ignore[arg-type]
        declared.append(column)
        columns[name] = (index + column.first).astype(np.int32)
    spec = FeatureSpec((*declared, Sequence("history", of="item_id", max_len=history)))
    events = Interactions(spec, columns, name="Gowalla", ordered=False)
    in_train = np.arange(len(events)) < len(parts[0][0])
    train = events.take(in_train, name="Gowalla, train")
    test = events.take(~in_train, name="Gowalla, test")
    return GowallaSplit(train, dataclasses.replace(test, past=train, train=train))
