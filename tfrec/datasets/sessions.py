"""Sessions of shops: Diginetica and the clicks of RecSys Challenge 2015."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.columns import Categorical, Sequence
from tfrec.datasets.registry import register
from tfrec.datasets.sources.clicks import clicks, lines
from tfrec.datasets.sources.folder import found
from tfrec.errors import DataError
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    import numpy as np

    from tfrec.data.interactions import Interactions

DIGINETICA = ("sessions/diginetica.train.txt", "sessions/diginetica.test.txt")
RSC15 = ("sessions/rsc15-100k.train.txt", "sessions/rsc15-100k.test.txt")
DIGINETICA_SOURCE = "write sessions of the CIKM Cup 2016 data, a line each"
RSC15_SOURCE = "cut the clicks of the RecSys Challenge 2015 into two files"


@dataclass(frozen=True, eq=False)
class SessionSplit:
    """Sessions to learn from and events to predict.

    Attributes:
        train: All events of the training sessions.
        test: The events of other sessions that are to be predicted.
    """

    train: Interactions
    test: Interactions


@register("sessions/diginetica")
def diginetica(data_dir: Path | None = None, history: int = 20) -> SessionSplit:
    """Diginetica: 77,929 sessions to learn from, the last click of 51,953 others.

    The files lie, plain or ``.xz``, in the folder ``sessions`` of the data directory:
    ``diginetica.train.txt`` and ``diginetica.test.txt``, a line a session and its items
    in order, the last of which is the target. Ids of items are their numbers as
    strings; a session is the user, and its id is its number among all lines. There are
    no times, and no session holds an item twice.

    Args:
        data_dir: The data directory.
        history: Length of the column ``history``, the items before in the session.

    Returns:
        A :class:`SessionSplit`. ``test`` are the last events, and its past are
        ``train`` and what came before them.

    Raises:
        ValueError: A file is missing, damaged, or not of this form.
    """
    import numpy as np

    from tfrec.data.interactions import Interactions

    parts = [
        lines(found("sessions/diginetica", data_dir, (name,), DIGINETICA_SOURCE))
        for name in DIGINETICA
    ]
    first = int(parts[0][0][-1]) + 1
    sessions = np.concatenate([parts[0][0], parts[1][0] + first])
    items = np.concatenate([part[1] for part in parts])
    spec, columns = _columns(sessions, items, history, None)
    events = Interactions(spec, columns, name="Diginetica")
    in_train = sessions < first
    last = np.append(np.diff(sessions) > 0, True)
    train = events.take(in_train, name="Diginetica, train")
    test = events.take(
        ~in_train & last,
        name="Diginetica, last of each test session",
        past=events.take(in_train | ~last),
        train=train,
    )
    return SessionSplit(train, test)


@register("sessions/rsc15")
def rsc15(data_dir: Path | None = None, history: int = 20) -> SessionSplit:
    """RSC15: clicks of 17,794 sessions to learn from, and of 3,416 on the day after.

    The files lie, plain or ``.xz``, in the folder ``sessions`` of the data directory:
    ``rsc15-100k.train.txt`` and ``rsc15-100k.test.txt``, tab-separated with the header
    ``SessionId``, ``ItemId``, ``Time`` (seconds since 1970). Ids are their numbers as
    strings; a session is the user. Clicks out of order are sorted and double clicks
    within a second left out, and a warning says how many.

    Args:
        data_dir: The data directory.
        history: Length of the column ``history``, the items before in the session.

    Returns:
        A :class:`SessionSplit`. ``test`` are all clicks of the test sessions but the
        first of each, with the clicks before each as its ``history``.

    Raises:
        DataError: A file is missing, damaged, or not of this form.
    """
    import numpy as np

    from tfrec.data.interactions import Interactions
    from tfrec.data.sessions import in_order, with_prefixes

    parts = [
        clicks(found("sessions/rsc15", data_dir, (name,), RSC15_SOURCE))
        for name in RSC15
    ]
    sessions, items, times = (
        np.concatenate([part[column] for part in parts]) for column in range(3)
    )
    shared = np.intersect1d(parts[0][0], parts[1][0])
    if len(shared):
        raise DataError(
            f"session {shared[0]} stands in {RSC15[0]} and in {RSC15[1]}: a session "
            "belongs to one of them; fetch both files again."
        )
    spec, columns = _columns(sessions, items, history, times)
    events = Interactions(spec, columns, name="RSC15")
    in_train = np.arange(len(events)) < len(parts[0][0])
    train = in_order(events.take(in_train, name="RSC15, train"))
    test = with_prefixes(in_order(events.take(~in_train, name="RSC15, test")))
    later = test.columns["history"][:, 0] > 0
    return SessionSplit(train, test.take(later, past=train, train=train))


def _columns(
    sessions: np.ndarray, items: np.ndarray, history: int, times: np.ndarray | None
) -> tuple[FeatureSpec, dict[str, np.ndarray]]:
    """The spec of these raw ids, and the events in its numbers."""
    import numpy as np

    declared: list = []
    columns = {}
    for name, numbers in (("session_id", sessions), ("item_id", items)):
        known, index = np.unique(numbers, return_inverse=True)
        column = Categorical(
            name,
            "item" if declared else "user",
            vocabulary=tuple(map(str, known.tolist())),
        )
        declared.append(column)
        columns[name] = (index + column.first).astype(np.int32)
    spec = FeatureSpec(
        (*declared, Sequence("history", of="item_id", max_len=history)),
        user="session_id",
    )
    if times is None:
        return spec, columns
    spec = dataclasses.replace(spec, timestamp="timestamp")
    return spec, {**columns, "timestamp": times}
