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
from tfrec.errors import DataError

Arrays = dict[str, pa.Array]


class Converter:
    """Reads the mapped columns of a file in typed blocks.

    Ids become strings or int64 (bags: lists of them), numbers float64 with NaN for what
    is missing, the label float32, event times int64 microseconds since 1970.

    Args:
        file: The file.
        mapping: Roles of its columns.
        declared: What :func:`tfrec.data.mapping.resolve` made of them.

    Attributes:
        missing: Rows of the latest pass without a value, by role column, where any are
            missing.
    """

    def __init__(
        self, file: TableFile, mapping: Mapping, declared: tuple[Declared, ...]
    ) -> None:
        self.file, self.mapping = file, mapping
        self.declared = {item.source: item for item in declared}
        self._earliest, self._said = YEAR_1980, False
        self.missing: dict[str, int] = {}
        self._left_out: list[np.ndarray] = []

    def blocks(
        self, block_bytes: int = BLOCK_BYTES, sources: list[str] | None = None
    ) -> Iterator[Arrays]:
        """Typed columns, block by block.

        Args:
            block_bytes: Bytes of the file in a block.
            sources: Only these columns of the file.

        Raises:
            DataError: A value does not fit its column; names value, column and line.

        Warns:
            UserWarning: After the first pass, of rows that were left out and of times
                before 1980.
        """
        row = read = 0
        sources = sources or self.mapping.wanted()
        self.missing, self._left_out = {}, []
        for whole in self.file.batches(sources, block_bytes):
            batch = self._present(whole, read)
            read += len(whole)
            block: Arrays = {}
            for source in sources:
                try:
                    block |= self._typed(source, convert.plain(batch[source]))
                except convert.BadValue as error:
                    place = self.place(row + error.row)
                    raise DataError(
                        f"{self.file.path} {place}, column '{source}': {error.problem}."
                    ) from None
            if len(batch):
                yield block
            row += len(batch)
        if not row:
            raise DataError(
                f"{self.file.path} has no row with {', '.join(self.mapping.roles)}: "
                "fill them in."
            )
        self._say(read)

    def place(self, row: int) -> str:
        """Where a row of the blocks stands in the file, for error messages."""
        left_out = np.concatenate([np.empty(0, np.int64), *self._left_out])
        before = left_out - np.arange(len(left_out))  # kept rows before each
        return self.file.place(row + int(np.searchsorted(before, row, side="right")))

    def _present(self, batch: pa.RecordBatch, row: int) -> pa.RecordBatch:
        """The rows that have user, item, label and time, as far as they are read.

        Raises:
            ValueError: A row has not, and such rows are not to be left out; says how
                many there are in the file.
        """
        absent = np.zeros(len(batch), bool)
        for source in self.mapping.roles:
            if source not in batch.schema.names or self._filled(source):
                continue
            here = self._absent(source, batch[source])
            if count := int(here.sum()):
                if not self.mapping.drop_missing:
                    self._refuse_missing(source, row + int(np.argmax(here)))
                self.missing[source] = self.missing.get(source, 0) + count
            absent |= here
        if not absent.any():
            return batch
        self._left_out.append(row + np.flatnonzero(absent))
        return batch.filter(pa.array(~absent))

    def _filled(self, source: str) -> bool:
        """Whether an id of its own takes the place of what is missing in a column."""
        item = self.declared.get(source)
        return (
            self.mapping.missing is not None
            and item is not None
            and isinstance(item.column, Categorical)
            and item.column.dtype == "string"
            and not item.infer
        )

    def _absent(self, source: str, values: pa.Array) -> np.ndarray:
        keep_na = self.mapping.keep_na and self.mapping.roles[source] == "id"
        return convert.missing(values, keep_na).to_numpy(zero_copy_only=False)

    def _refuse_missing(self, source: str, row: int) -> None:
        """Refuses the file for a missing value, with the number of such rows."""
        place, what = self.file.place(row), self.mapping.roles[source]
        count = rows = 0
        for batch in self.file.batches([source], BLOCK_BYTES):
            rows += len(batch)
            count += int(self._absent(source, batch[source]).sum())
        article = "an" if what == "id" else "the"
        raise DataError(
            f"{self.file.path} {place}, column '{source}': {article} {what} is "
            f"missing, as in {count:,} of {rows:,} rows: fill it in, or leave such "
            "rows out with drop_missing (--drop-missing)."
        )

    def _typed(self, source: str, values: pa.Array) -> Arrays:
        if source == self.mapping.timestamp:
            return {source: self._times(values)}
        if source == self.mapping.label:
            label = convert.labels(values)
            convert.require_present(label, "label")
            return {source: label.cast(pa.float32())}
        item = self.declared[source]
        return {item.column.name: self._column(item, values)}

    def _times(self, values: pa.Array) -> pa.Array:
        found = times(values, self.mapping.time_unit, self.mapping.time_format)
        if len(found):
            self._earliest = min(self._earliest, pc.min(found).as_py())
        return found

    def _say(self, rows: int) -> None:
        """Warns, once, of rows left out and of times that look like another unit.

        Args:
            rows: Rows of the file.
        """
        if self._said:
            return
        self._said = True
        if self._left_out:
            counts = ", ".join(f"'{n}' in {c:,}" for n, c in self.missing.items())
            warnings.warn(
                f"{self.file.path}: {sum(map(len, self._left_out)):,} of {rows:,} rows "
                f"were left out; missing are {counts}.",
                stacklevel=3,
            )
        if self._earliest < YEAR_1980:
            moment = np.datetime64(self._earliest // SECOND, "s")
            warnings.warn(
                f"{self.file.path}, column '{self.mapping.timestamp}': the earliest "
                f"event is of {moment}, before 1980. If that is not so, pass the unit "
                "of the numbers (time_unit) or how times are written (time_format).",
                stacklevel=3,
            )

    def _column(self, item: Declared, values: pa.Array) -> pa.Array:
        column = item.column
        if isinstance(column, Numeric):
            finite = column.clip is None
            if column.shape:
                return convert.vectors(values, math.prod(column.shape), finite)
            return convert.numbers(values, finite).fill_null(math.nan)
        separator, keep_na = self.mapping.separator, self.mapping.keep_na
        if isinstance(column, Sequence):
            # Its ids take the type of the column it refers to once that is known.
            return convert.bag(values, separator, "string", True, keep_na)
        if isinstance(column, Categorical) and column.max_len:
            return convert.bag(values, separator, column.dtype, item.infer, keep_na)
        if isinstance(column, Categorical):
            ids = convert.ids(values, column.dtype, item.infer, keep_na)
            if self._filled(item.source):
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
