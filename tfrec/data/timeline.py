"""Events of every user in time order, as one flat array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timeline:
    """Events sorted by user, then time, then row.

    Attributes:
        start: ``(users + 1,)`` int64; events of user index u are
            ``start[u]:start[u + 1]``.
        items: ``(events,)`` int32 item indices.
        before: ``(events,)`` int64 by *row*: position in ``items`` of the user's first
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
            user: ``(n,)`` user indices.
            item: ``(n,)`` item indices.
            time: ``(n,)`` times, or None to take rows as ordered in time.
            users: Rows of the user table.
        """
        # Both sorts are stable, so rows decide last.
        if time is None:
            order = np.argsort(user, kind="stable")
        else:
            order = np.lexsort((time, user))
        sorted_user = user[order]
        start = np.searchsorted(sorted_user, np.arange(users + 1))
        before = np.empty(len(user), np.int64)
        place = np.arange(len(user))
        if time is not None:
            sorted_time = time[order]
            tied = (sorted_user[1:] == sorted_user[:-1]) & (
                sorted_time[1:] == sorted_time[:-1]
            )
            place[1:][tied] = 0
            np.maximum.accumulate(place, out=place)
        before[order] = place
        return cls(start, item[order].astype(np.int32), before, order)

    def latest(self, users: np.ndarray, length: int) -> np.ndarray:
        """The last ``length`` items of each user, oldest first, right-padded with 0.

        Args:
            users: ``(n,)`` user indices.
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
