"""libSVM and libFM files (``label index:value ...``) as record batches.

Two layouts are told apart by the first block of lines.

Fields: every line has the same number of entries, as libFM writes categorical fields.
Entry p (0-based) becomes the column ``field_p``: its index (int64), or its value
(float64) when the index is the same on every line and a value is other than 1.

Bag: lines of different lengths. The indices become one multi-valued column ``features``
and every value must be 1.

The first column is ``label`` in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from tfrec.data.readers.base import UNREADABLE, CountedInput, check_columns
from tfrec.errors import DataError

LABEL = "label"
BAG = "features"
_NUMBER = rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LINE = re.compile(_NUMBER + rb"(?: \d+:" + _NUMBER + rb")*")
_BREAKS = re.compile(rb"\s*\n\s*")
_SPACES = re.compile(rb"[ \t]+")
_UNTIDY = (b"\t", b"\r", b"  ", b" \n", b"\n ", b"\n\n")
_COLON, _SPACE, _BREAK = b": \n"
_ONE_A_LINE = bytes.maketrans(b": ", b"\n\n")
_COMMENT = re.compile(rb"#[^\n]*")
HEAD_BYTES = 1 << 20
MOST_EXACT = 1 << 53  # as numbers are read in double precision


class LibSvm:
    """A libSVM file.

    Args:
        path: The file.

    Raises:
        DataError: No entries, or a line that is not libSVM.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._input: CountedInput | None = None
        block = next(self._blocks(HEAD_BYTES), None)
        if block is None:
            raise DataError(f"{path} is empty: it needs at least one row.")
        _, counts, index, value = self._parse(block, 0)
        width = int(counts[0])
        self._fields = 0
        if width and (counts == width).all():
            self._fields = width
            table = index.reshape(-1, width)
            constant = (table == table[0]).all(axis=0)
            self._numeric = constant & (value.reshape(-1, width) != 1).any(axis=0)
            self._constant = table[0]

    def names(self) -> list[str]:
        """``label`` and ``field_0`` ..., or ``label`` and ``features``."""
        if self._fields:
            return [LABEL, *(f"field_{p}" for p in range(self._fields))]
        return [LABEL, BAG]

    def batches(self, names: list[str], block_bytes: int) -> Iterator[pa.RecordBatch]:
        """Columns in blocks of about ``block_bytes``."""
        check_columns(self.path, self.names(), names)
        row = 0
        for block in self._blocks(block_bytes):
            label, counts, index, value = self._parse(block, row)
            columns = {LABEL: pa.array(label)}
            if self._fields:
                columns |= self._field_columns(counts, index, value, row)
            else:
                self._require_ones(counts, value, row)
                offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
                columns[BAG] = pa.ListArray.from_arrays(offsets, pa.array(index))
            yield pa.record_batch({name: columns[name] for name in names})
            row += len(label)

    def done(self) -> float:
        """Share of the bytes read."""
        return self._input.done() if self._input else 0.0

    def place(self, row: int) -> str:
        """The line of a data row; blank and comment lines are counted."""
        seen = 0
        for number, line in enumerate(self._lines(), 1):
            seen += bool(_uncommented(line).strip())
            if seen > row:
                return f"line {number}"
        return f"row {row + 1}"

    def _field_columns(
        self, counts: np.ndarray, index: np.ndarray, value: np.ndarray, row: int
    ) -> dict[str, pa.Array]:
        wrong = np.flatnonzero(counts != self._fields)
        if len(wrong):
            raise DataError(
                f"{self.path} {self.place(row + int(wrong[0]))} has "
                f"{counts[wrong[0]]} entries and the lines before it "
                f"{self._fields}: every line needs one entry per field."
            )
        index, value = (v.reshape(-1, self._fields) for v in (index, value))
        numeric = self._numeric
        moved = np.flatnonzero((index != self._constant)[:, numeric].any(axis=1))
        if len(moved):
            raise DataError(
                f"{self.path} {self.place(row + int(moved[0]))} has another index in a "
                "field whose index was the same on all lines before: fields must keep "
                "their order."
            )
        ones = (value == 1) | numeric
        self._require_ones(np.full(len(ones), self._fields), ones.ravel(), row)
        return {
            f"field_{p}": pa.array(value[:, p] if numeric[p] else index[:, p])
            for p in range(self._fields)
        }

    def _require_ones(self, counts: np.ndarray, value: np.ndarray, row: int) -> None:
        other = np.flatnonzero(value != 1)
        if len(other):
            line = int(np.searchsorted(np.cumsum(counts), other[0], side="right"))
            raise DataError(
                f"{self.path} {self.place(row + line)} gives an id a value other than "
                "1, which no column can hold: keep ids as index:1 and numbers in "
                "fields of a constant index."
            )

    def _parse(
        self, block: bytes, row: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A block of lines to labels, entries per line, indices and values."""
        text = block.strip()
        if any(run in text for run in _UNTIDY):
            text = _SPACES.sub(b" ", _BREAKS.sub(b"\n", text))
        text += b"\n"
        data = np.frombuffer(text, np.uint8)
        separators = data[(data == _COLON) | (data == _SPACE) | (data == _BREAK)]
        ends = np.flatnonzero(separators == _BREAK)
        begins = np.concatenate([[0], ends[:-1] + 1])
        counts = (ends - begins) // 2
        expected = np.full(len(separators), _COLON, np.uint8)
        place = np.arange(len(separators)) - np.repeat(begins, ends - begins + 1)
        expected[place % 2 == 0] = _SPACE
        expected[ends[place[ends] % 2 == 0]] = _BREAK  # behind a label or a value
        numbers = _numbers(text)
        fits = len(numbers) == len(separators) and (separators == expected).all()
        if not fits or b"\r" in text:
            self._refuse_line(text, row)
        entries = np.delete(numbers, begins).reshape(-1, 2)
        large = np.flatnonzero(np.abs(entries[:, 0]) >= MOST_EXACT)
        if len(large):
            line = int(np.searchsorted(np.cumsum(counts), large[0], side="right"))
            raise DataError(
                f"{self.path} {self.place(row + line)} has an index beyond "
                f"{MOST_EXACT:,}, and larger ones are not told apart: number the ids "
                "from 0."
            )
        index = entries[:, 0].astype(np.int64)
        if (index != entries[:, 0]).any() or (index < 0).any():
            self._refuse_line(text, row)
        return numbers[begins], counts, index, entries[:, 1]

    def _refuse_line(self, text: bytes, row: int) -> None:
        lines = text.split(b"\n")
        number = next(i for i, line in enumerate(lines) if not _LINE.fullmatch(line))
        raise DataError(
            f"{self.path} {self.place(row + number)} is not 'label index:value ...': "
            f"'{lines[number][:60].decode(errors='replace')}'; mend the line."
        )

    def _blocks(self, size: int) -> Iterator[bytes]:
        """Whole lines, comments removed, in blocks of about ``size`` bytes."""
        self._input = CountedInput(self.path)
        rest = b""
        try:
            while chunk := self._input.stream.read(size):
                head, newline, tail = chunk.rpartition(b"\n")
                if not newline:
                    rest += chunk
                    continue
                block, rest = _uncommented(rest + head), tail
                if block.strip():
                    yield block
            if _uncommented(rest).strip():
                yield _uncommented(rest)
        except UNREADABLE as error:
            raise DataError(
                f"{self.path} cannot be read: {error}; write or fetch it again."
            ) from error

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        stream = CountedInput(self.path).stream
        while chunk := stream.read(1 << 20):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        yield rest


def _numbers(text: bytes) -> np.ndarray:
    """The numbers of a text, none when one of them is no number."""
    options = arrow_csv.ConvertOptions(
        column_types={"x": pa.float64()}, null_values=[], strings_can_be_null=False
    )
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(text.translate(_ONE_A_LINE)),
            arrow_csv.ReadOptions(column_names=["x"]),
            arrow_csv.ParseOptions(quote_char=False),
            options,
        )
    except pa.ArrowInvalid:
        return np.empty(0)
    return table["x"].to_numpy()


def _uncommented(text: bytes) -> bytes:
    return _COMMENT.sub(b"", text) if b"#" in text else text
