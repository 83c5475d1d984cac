"""Events of every user in time order, as one flat array.

One rule for times: in data they are int64 microseconds since 1970 (UTC), from the
reader on: in :class:`~tfrec.data.interactions.Interactions`, in prepared records, and
wherever events are put in order, split or counted. What a model is given or asked with,
in training, in ``recommend`` and when it is served, are seconds since 1970; views and
queries round down to them. Files say their unit (``time_unit``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tfrec.data.persons import UnknownUsers

SECOND = 1_000_000  # microseconds


@dataclass(frozen=True)
class Timeline:
    """Events sorted by user, then time, then row.

    Attributes:
        start: ``(users + 1,)`` int64; events of user u are ``start[u]:start[u + 1]``.
            Users are people: those of the user table by their index, and after it
            unknown ones, of whom :mod:`tfrec.data.persons` tells.
        items: ``(events,)`` int32 item indices.
        before: ``(rows,)`` int64 by *row*: position in ``items`` of the user's first
            event that is not strictly earlier. So ``items[start[u]:before[r]]`` is what
            user u had done before row r, ties in time left out.
        order: ``(events,)`` int64 rows in timeline order.
    """

    start: np.ndarray
    items: np.ndarray
    before: np.ndarray
    order: np.ndarray

    @classmethod
    def of(
        cls, user: np.ndarray, item: np.ndarray, time: np.ndarray | None, users: int
    ) -> Timeline:
        """Sorts events.

        Args:
            user: ``(n,)`` numbers of users.
            item: ``(n,)`` item indices.
            time: ``(n,)`` times, or None to take rows as ordered in time.
            users: How many numbers there are.
        """
        # Both sorts are stable, so rows decide last. Logs are often in order already,
        # and then need neither the memory of a sort nor copies.
        rows = np.arange(len(user))
        sorted_user, sorted_time, order = user, time, rows
        if not _in_order(user, time):
            order = np.lexsort((user,) if time is None else (time, user))
            sorted_user = user[order]
            sorted_time = None if time is None else time[order]
        start = np.searchsorted(sorted_user, np.arange(users + 1))
        place = rows
        if sorted_time is not None:
            tied = (sorted_user[1:] == sorted_user[:-1]) & (
                sorted_time[1:] == sorted_time[:-1]
            )
            place = rows.copy() if order is rows else rows
            place[1:][tied] = 0
            np.maximum.accumulate(place, out=place)
        before, items = place, item
        if order is not rows:
            before = np.empty(len(user), np.int64)
            before[order] = place
            items = item[order]
        return cls(start, items.astype(np.int32, copy=False), before, order)

    def by_row(self, unknown: UnknownUsers | None) -> Timeline:
        """The same events by row of the user table, for what has to do with rows.

        A row that several people share has the events of them all, one person's after
        the other's.

        Args:
            unknown: Who has no row of her own; None where everybody has.
        """
        if unknown is None:
            return self
        row = unknown.users(np.arange(len(self.start) - 1))
        owner = np.repeat(row, np.diff(self.start))
        return Timeline.of(owner, self.items, None, unknown.size)

    def of_rows(self, kept: np.ndarray) -> Timeline:
        """The timeline of some events, in which all have their ``before``.

        Args:
            kept: ``(events,)`` bool by row.
        """
        in_order = kept[self.order]
        count = np.append(0, np.cumsum(in_order))
        return Timeline(
            count[self.start],
            self.items[in_order],
            count[self.before],
            self.order[in_order],
        )

    def latest(self, users: np.ndarray, length: int) -> np.ndarray:
        """The last ``length`` items of each user, oldest first, right-padded with 0.

        Args:
            users: ``(n,)`` numbers of users.
            length: Columns of the result.

        Returns:
            ``(n, length)`` int32 item indices.
        """
        end = self.start[users + 1]
        begin = np.maximum(self.start[users], end - length)
        place = begin[:, None] + np.arange(length)
        if not len(self.items):
            return np.zeros((len(users), length), np.int32)
        found = self.items[np.minimum(place, len(self.items) - 1)]
        return np.where(place < end[:, None], found, 0)


def _in_order(user: np.ndarray, time: np.ndarray | None) -> bool:
    """Whether events are sorted by user and then by time."""
    if np.any(user[1:] < user[:-1]):
        return False
    if time is None:
        return True
    return not np.any((user[1:] == user[:-1]) & (time[1:] < time[:-1]))
