"""Clicks as sessions: put in order, split where the user paused, with prefixes."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING

import numpy as np

from tfrec.columns import Categorical
from tfrec.data.persons import Persons
from tfrec.data.timeline import SECOND
from tfrec.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

SESSION = "session_id"


def in_order(data: Interactions) -> Interactions:
    """The events with sessions side by side, each in order of time.

    The user column is the session. Sessions stand in order of their first event. Of
    several events of one session with the same item in the same second the first is
    kept: a double click. Events of the same time stay in the order of their rows.

    Args:
        data: Events; without a timestamp their rows are taken to be in order.

    Returns:
        The events in order.

    Warns:
        UserWarning: Says how many events stood before an earlier one of their session
            and how many were left out, if any.
    """
    user, rows = data.person, np.arange(len(data))
    if data.timestamp is None:
        first = np.full(data.people, len(data))
        np.minimum.at(first, user, rows)
        return data.take(np.lexsort((rows, first[user])))
    time = data.timestamp
    by_user = np.argsort(user, kind="stable")
    back = (np.diff(time[by_user]) < 0) & (np.diff(user[by_user]) == 0)
    second = time // SECOND
    order = np.lexsort((rows, time, data.item, second, user))
    columns = [values[order] for values in (user, second, data.item)]
    double = np.logical_and.reduce([np.diff(values) == 0 for values in columns])
    kept = np.delete(order, 1 + np.flatnonzero(double))
    start = np.full(data.people, np.iinfo(np.int64).max)
    np.minimum.at(start, user, time)
    kept = kept[np.lexsort((kept, time[kept], user[kept], start[user[kept]]))]
    said = []
    if back.any():
        said.append(f"{back.sum()} events stood after a later one and were sorted")
    if double.any():
        said.append(
            f"{double.sum()} repeated an item within the second and were left out"
        )
    if said:
        warnings.warn(f"{data.name}: {', '.join(said)}, of {len(data)}.", stacklevel=2)
    return data.take(kept)


def sessions(data: Interactions, gap: int) -> Interactions:
    """Events whose user column is a session: what a user did without a long pause.

    The session plays the role of the user, in a column ``session_id`` with ids
    ``<user>/<number>``, so that a history is what came before in the session and splits
    keep or cut sessions. The user's own id becomes a user-side column, and other
    user-side columns go along. The events are put in order by :func:`in_order`.

    Args:
        data: Timed events, no part of a split: split afterwards.
        gap: Seconds without an event after which a new session begins.

    Returns:
        The same events. Those of users outside the vocabulary belong to no known
        session either, and to as many unknown ones as these users made.

    Raises:
        ValueError: No timestamp, no positive gap, sessions already, or a part of a
            split.
    """
    if data.timestamp is None:
        raise DataError(
            f"{data.name} has no timestamp, and pauses are a matter of time: name the "
            "column of event times."
        )
    if gap <= 0:
        raise ConfigError(f"gap={gap} seconds must be more than 0.")
    if SESSION in data.spec:
        raise ConfigError(f"{data.name} has a column '{SESSION}' already: drop it.")
    if data.past is not None or data.train is not None:
        raise ConfigError(
            f"{data.name} is part of a split, whose sessions other parts would not "
            "know: make sessions first, then split."
        )
    data = in_order(data)
    own, time = data.spec.user_column, data.columns[str(data.spec.timestamp)]
    order = np.lexsort((np.arange(len(data)), time, data.person, data.user))
    user, person = data.user[order], data.person[order]
    fresh = np.ones(len(data), bool)
    fresh[1:] = (np.diff(person) != 0) | (np.diff(time[order]) > gap * SECOND)
    known = user >= (own.first if own.hash_bins is None else 1)
    unnamed = np.cumsum(fresh)  # which session, also of those who have no name
    fresh &= known
    owner = user[fresh]
    number = np.arange(len(owner)) - np.searchsorted(owner, owner)
    raw = owner if own.hash_bins is not None else own.raw[owner]
    names = np.char.add(np.char.add(raw.astype(str), "/"), number.astype(str))
    column = Categorical(SESSION, "user", vocabulary=tuple(names.tolist()))
    session = np.empty(len(data), np.int32)
    session[order] = np.where(known, np.cumsum(fresh) - 1 + column.first, 1)
    who = np.empty(len(data), np.int64)
    who[order] = unnamed
    if data.persons is not None:
        unknown, beyond = data.persons.unknown, data.person >= own.size
        who[beyond] += unknown.ids[data.person[beyond] - own.size]
    nobody = np.zeros(column.first, owner.dtype)
    rows = np.concatenate([nobody, owner])
    columns = {n: v for n, v in data.columns.items() if n != own.name}
    spec = dataclasses.replace(
        data.spec, columns=(column, *data.spec.columns), user=SESSION
    )
    return dataclasses.replace(
        data,
        spec=spec,
        columns={SESSION: session, **columns},
        persons=Persons.of(column, session, who),
        users={own.name: rows, **{n: v[rows] for n, v in data.users.items()}},
        name=f"{data.name}, sessions",
    )


def with_prefixes(data: Interactions) -> Interactions:
    """Events with the items before each in its session, as a column of their own.

    Unlike the histories of a view, which hold what is strictly earlier, prefixes hold
    events of the same time too, by their rows. Both hold positive events alone.

    Args:
        data: Events whose spec declares a history.

    Raises:
        ConfigError: The spec declares no history.
    """
    history = data.spec.history
    if history is None:
        raise ConfigError(
            f"{data.name} has no column for what came before: declare "
            f"Sequence('history', of='{data.spec.item}') in the spec."
        )
    line, length = data.timeline, history.max_len
    place = data.places
    begin = np.maximum(line.start[data.person], place - length)
    there = begin[:, None] + np.arange(length)
    items = np.append(line.items, np.int32(0))
    found = items[np.minimum(there, len(line.items))]
    prefixes = np.where(there < place[:, None], found, 0)
    return dataclasses.replace(data, columns={**data.columns, history.name: prefixes})
