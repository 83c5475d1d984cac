"""Blocks of a file as typed columns, every refusal with its place."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.columns import PADDING, Categorical, Numeric, Sequence
from tfrec.data import values as convert
from tfrec.data.mapping import Declared, Mapping
from tfrec.data.readers import BLOCK_BYTES, TableFile
from tfrec.data.timeline import SECOND
from tfrec.data.times import YEAR_1980, times

Arrays = dict[str, pa.Array]


class Converter:
    """Reads the mapped columns of a file in typed blocks.

    Ids become strings or int64 (bags: lists of them), numbers float64 with NaN for what
    is missing, the label float32, event times int64 microseconds since 1970.

    Args:
        file: The file.
        mapping: Roles of its columns.
        declared: What :func:`tfrec.data.mapping.resolve` made of them.
    """

    def __init__(
        self, file: TableFile, mapping: Mapping, declared: tuple[Declared, ...]
    ) -> None:
        self.file, self.mapping = file, mapping
        self.declared = {item.source: item for item in declared}
        self._earliest, self._said = YEAR_1980, False

    def blocks(
        self, block_bytes: int = BLOCK_BYTES, sources: list[str] | None = None
    ) -> Iterator[Arrays]:
        """Typed columns, block by block.

        Args:
            block_bytes: Bytes of the file in a block.
            sources: Only these columns of the file.

        Raises:
            ValueError: A value does not fit its column; names value, column and line.

        Warns:
            UserWarning: After the first pass, if there are times before 1980.
        """
        row = 0
        sources = sources or self.mapping.wanted()
        for batch in self.file.batches(sources, block_bytes):
            block: Arrays = {}
            for source in sources:
                try:
                    block |= self._typed(source, convert.plain(batch[source]))
                except convert.BadValue as error:
                    place = self.file.place(row + error.row)
                    raise ValueError(
                        f"{self.file.path} {place}, column '{source}': {error.problem}."
                    ) from None
            yield block
            row += len(batch)
        self._say_if_early()

    def _typed(self, source: str, values: pa.Array) -> Arrays:
        if source == self.mapping.timestamp:
            return {source: self._times(values)}
        if source == self.mapping.label:
            label = convert.numbers(values)
            convert.require_present(label, "label")
            single = label.cast(pa.float32())
            convert.require(pc.is_finite(single), values, "is too large for a label")
            return {source: single}
        item = self.declared[source]
        return {item.column.name: self._column(item, values)}

    def _times(self, values: pa.Array) -> pa.Array:
        found = times(values, self.mapping.time_unit, self.mapping.time_format)
        if len(found):
            self._earliest = min(self._earliest, pc.min(found).as_py())
        return found

    def _say_if_early(self) -> None:
        """Warns, once, of times that look as if counted in another unit."""
        if self._earliest < YEAR_1980 and not self._said:
            moment = np.datetime64(self._earliest // SECOND, "s")
            warnings.warn(
                f"{self.file.path}, column '{self.mapping.timestamp}': the earliest "
                f"event is of {moment}, before 1980. If that is not so, pass the unit "
                "of the numbers (time_unit) or how times are written (time_format).",
                stacklevel=3,
            )
            self._said = True

    def _column(self, item: Declared, values: pa.Array) -> pa.Array:
        column = item.column
        if isinstance(column, Numeric):
            finite = column.clip is None
            if column.shape:
                return convert.vectors(values, math.prod(column.shape), finite)
            return convert.numbers(values, finite).fill_null(math.nan)
        separator = self.mapping.separator
        if isinstance(column, Sequence):
            # Its ids take the type of the column it refers to once that is known.
            return convert.bag(values, separator, "string", infer=True)
        if isinstance(column, Categorical) and column.max_len:
            return convert.bag(values, separator, column.dtype, item.infer)
        if isinstance(column, Categorical):
            ids = convert.ids(values, column.dtype, item.infer)
            if self.mapping.missing and column.dtype == "string" and not item.infer:
                ids = pc.if_else(pc.equal(ids, ""), self.mapping.missing, ids)
            if item.source in (self.mapping.user, self.mapping.item):
                convert.require_ids(ids)
            return ids
        if pa.types.is_binary(values.type):
            return values
        return convert.strings(values).fill_null("")


def typed(values: pa.Array, dtype: str) -> pa.Array:
    """Ids, or lists of ids, in the raw type that the finished spec gives them."""
    if pa.types.is_list(values.type):
        flat = typed(pc.list_flatten(values), dtype)
        return pa.ListArray.from_arrays(values.offsets, flat)
    if dtype == "string":
        return values.cast(pa.string())
    if pa.types.is_string(values.type):
        missing = pc.equal(values, PADDING["string"])
        values = pc.if_else(missing, str(PADDING["int64"]), values)
    return values.cast(pa.int64())
