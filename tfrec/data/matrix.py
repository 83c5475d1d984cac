"""The user-item matrix in compressed rows: each pair once, only what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tfrec.errors import DataError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

Side = Literal["user", "item"]


@dataclass(frozen=True)
class Matrix:
    """Rows of the matrix of users by items, or of items by users, one after the other.

    Attributes:
        start: ``(rows + 1,)`` int64; entries of row r are ``start[r]:start[r + 1]``.
            There is a row for every index of the table, padding included.
        other: ``(entries,)`` int32 indices on the other side, in the order in which the
            events of a row happened.
        rating: ``(entries,)`` float32 labels, or None.
    """

    start: np.ndarray
    other: np.ndarray
    rating: np.ndarray | None

    @classmethod
    def of(cls, data: Interactions, side: Side = "user") -> Matrix:
        """The matrix of some events; of a repeated pair the latest event counts.

        Users and items outside the vocabulary share one index and have no row. A row of
        hashed ids is that of a bucket.

        Args:
            data: The events.
            side: Whose rows.

        Raises:
            DataError: A label that is not a number.
        """
        spec = data.spec
        columns = (spec.user_column, spec.item_column)
        indices = (data.user, data.item)
        if side == "item":
            columns, indices = columns[::-1], indices[::-1]
        known = np.ones(len(data), bool)
        for column, index in zip(columns, indices, strict=True):
            known &= index >= (column.first if column.hash_bins is None else 1)
        rows = np.flatnonzero(known)
        if data.timestamp is not None:
            rows = rows[np.argsort(data.timestamp[rows], kind="stable")]
        own, other = (index[rows].astype(np.int64) for index in indices)
        _, last = np.unique((own * columns[1].size + other)[::-1], return_index=True)
        kept = np.sort(len(rows) - 1 - last)
        kept = kept[np.argsort(own[kept], kind="stable")]
        rating = None
        if spec.label is not None:
            rating = data.label[rows[kept]].astype(np.float32)
            if not np.isfinite(rating).all():
                raise DataError(
                    f"{int(np.sum(~np.isfinite(rating)))} of {len(rating)} values of "
                    f"'{spec.label}' in {data.name} are not numbers: leave those "
                    "events out with data.take(...)."
                )
        length = np.bincount(own[kept], minlength=columns[0].size)
        start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        return cls(start, other[kept].astype(np.int32), rating)
