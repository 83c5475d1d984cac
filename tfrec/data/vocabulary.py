"""Vocabularies counted from a stream.

Distinct values are counted exactly, in the memory of the distinct values alone, and the
result does not depend on how the stream is cut into blocks.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.errors import ConfigError, DataError

INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"
PADDING_ID = -1


class Distinct:
    """Distinct rows of a stream, in the memory of the distinct rows.

    Args:
        pending: Distinct rows to collect before they are merged.
    """

    def __init__(self, pending: int = 1 << 20) -> None:
        self._limit, self._merged = pending, 0
        self._parts: list[pa.Table] = []

    def add(self, *columns: pa.Array) -> None:
        """Takes the rows of ``(n,)`` columns."""
        names = [str(number) for number in range(len(columns))]
        self._parts.append(pa.table([large(c) for c in columns], names))
        if sum(map(len, self._parts)) > self._merged + self._limit:
            self._merge()

    def _merge(self) -> None:
        table = pa.concat_tables(self._parts)
        table = table.group_by(table.column_names).aggregate([])
        self._parts, self._merged = [table], len(table)

    def __len__(self) -> int:
        if self._parts:
            self._merge()
        return self._merged


def large(values: pa.Array) -> pa.Array:
    """The same values, text with room for more than two gigabytes."""
    return values.cast(pa.large_string()) if pa.types.is_string(values.type) else values


class Counter:
    """Counts distinct values of a stream.

    Args:
        pending: Distinct values to collect before they are merged.
    """

    def __init__(self, pending: int = 1 << 20) -> None:
        self._limit = pending
        self._parts: list[pa.Table] = []
        self._merged = 0

    def add(self, values: pa.Array, weights: np.ndarray | None = None) -> None:
        """Counts values; nulls are left out.

        Args:
            values: ``(n,)`` strings or int64.
            weights: ``(n,)`` int64 how often each occurs; once when None.
        """
        if weights is None:
            pairs = pc.value_counts(values.drop_null())
            values, counts = pairs.field("values"), pairs.field("counts")
        else:
            counts = pa.array(weights)
        self._parts.append(pa.table({"value": large(values), "count": counts}))
        if sum(map(len, self._parts)) > self._merged + self._limit:
            self._merge()

    def _merge(self) -> pa.Table:
        table = pa.concat_tables(self._parts).group_by("value")
        merged = table.aggregate([("count", "sum")]).rename_columns(["value", "count"])
        self._parts, self._merged = [merged], len(merged)
        return merged

    def __len__(self) -> int:
        return len(self._merge()) if self._parts else 0

    def ordered(self) -> pa.Table:
        """Columns ``value`` and ``count``, most frequent first, then by value."""
        order = [("count", "descending"), ("value", "ascending")]
        return self._merge().sort_by(order)

    def integers(self) -> bool:
        """Whether every value is an integer in its shortest form.

        ``007`` and ``-1`` (the padding of integers) are not.
        """
        values = self._merge()["value"]
        if pa.types.is_integer(values.type):
            return True
        if pc.any(pc.equal(values, str(PADDING_ID))).as_py():
            return False
        return bool(pc.all(pc.match_substring_regex(values, INTEGER)).as_py())

    def vocabulary(
        self, dtype: str = "string", min_count: int = 1, max_size: int | None = None
    ) -> tuple:
        """Values in index order: ascending, numbers as numbers, strings by code point.

        The order says nothing of how often a value occurs, in training or in what will
        be held out, so nothing that prefers a low index learns it.

        Args:
            dtype: ``string`` or ``int64``.
            min_count: Rarer values are left out.
            max_size: At most so many values, the most frequent; of those that occur
                equally often, the first.

        Raises:
            ValueError: There is no value, or none that frequent.
        """
        table = self._merge()
        if not len(table):
            raise DataError("every value is missing: drop the column.")
        if dtype == "int64":
            values = table["value"].cast(pa.int64())
            table = table.set_column(0, "value", values)
        table = table.filter(pc.greater_equal(table["count"], min_count))
        if not len(table):
            raise ConfigError(f"no value occurs min_count={min_count} times: lower it.")
        order = [("count", "descending"), ("value", "ascending")]
        kept = table.sort_by(order).slice(0, max_size)
        return tuple(kept.sort_by("value")["value"].to_pylist())
