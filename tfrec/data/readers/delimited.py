"""CSV and TSV files as record batches of strings."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from tfrec.data.readers.base import UNREADABLE, CountedInput, check_columns
from tfrec.errors import ConfigError, DataError

LONGEST_VALUE = 1 << 20
LONGEST_FIELD = 1 << 30  # what Python's own reader, which finds lines, gets through


class Delimited:
    """A CSV or TSV file.

    Args:
        path: The file.
        delimiter: Comma or tab.
        encoding: Of the text.
        names: Column names of a file without header line.

    Raises:
        ValueError: No header, no rows, a repeated column name, or another encoding.
    """

    def __init__(
        self,
        path: Path,
        delimiter: str,
        encoding: str = "utf8",
        names: tuple[str, ...] | None = None,
    ) -> None:
        self.path, self.encoding = path, encoding
        self._delimiter, self._given = delimiter, names
        self._input: CountedInput | None = None
        try:
            "".encode(encoding)
        except LookupError:
            raise ConfigError(
                f"encoding '{encoding}' is unknown: use utf8 or latin-1, for example."
            ) from None
        self._names = list(names) if names else self._header()
        twice = [name for name, count in Counter(self._names).items() if count > 1]
        if twice:
            raise DataError(
                f"{path} has two columns named '{twice[0]}': rename one of them."
            )

    def names(self) -> list[str]:
        """Column names in file order."""
        return list(self._names)

    def batches(self, names: list[str], block_bytes: int) -> Iterator[pa.RecordBatch]:
        """Columns as strings, in blocks of about ``block_bytes``."""
        check_columns(self.path, self._names, names)
        self._input = CountedInput(self.path)
        empty = True
        try:
            reader = arrow_csv.open_csv(
                self._input.stream,
                arrow_csv.ReadOptions(
                    block_size=block_bytes,
                    encoding=self.encoding,
                    column_names=list(self._given) if self._given else None,
                ),
                arrow_csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True
                ),
                arrow_csv.ConvertOptions(
                    column_types={name: pa.string() for name in names},
                    include_columns=names,
                ),
            )
            for batch in reader:
                empty = empty and not len(batch)
                if len(batch):
                    yield batch
        except (pa.ArrowInvalid, UnicodeDecodeError, *UNREADABLE) as error:
            self._refuse(error)
        if empty:
            raise DataError(f"{self.path} has no rows after its header line: add some.")

    def done(self) -> float:
        """Share of the bytes read."""
        return self._input.done() if self._input else 0.0

    def place(self, row: int) -> str:
        """The line on which a data row begins, quoted line breaks counted."""
        skipped = row if self._given else row + 1
        for number, (line, _) in enumerate(self._records()):
            if number == skipped:
                return f"line {line}"
        return f"row {row + 1}"

    def _header(self) -> list[str]:
        try:
            _, header = next(self._records())
        except StopIteration:
            raise DataError(f"{self.path} is empty: it has no header line.") from None
        except (UnicodeDecodeError, *UNREADABLE) as error:
            self._refuse(error)
        return header

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Slow reading in Python, to find the line of an error."""
        text = io.TextIOWrapper(
            CountedInput(self.path).stream,
            "utf-8-sig" if re.fullmatch("utf-?8", self.encoding) else self.encoding,
            newline="",
        )
        limit = csv.field_size_limit(LONGEST_FIELD)
        try:
            with text:
                reader = csv.reader(text, delimiter=self._delimiter)
                begin = 1
                for fields in reader:
                    if fields:
                        yield begin, fields
                    begin = reader.line_num + 1
        finally:
            csv.field_size_limit(limit)

    def _refuse(self, error: Exception) -> Any:
        """Raises the error with the line it is on."""
        wanted = len(self._names) if hasattr(self, "_names") else 0
        line = 0
        try:
            for line, fields in self._records():
                if wanted and len(fields) != wanted:
                    raise DataError(
                        f"{self.path} line {line} has {len(fields)} fields and the "
                        f"header names {wanted}: mend the line."
                    ) from error
                longest = max(map(len, fields))
                if longest > LONGEST_VALUE:
                    raise DataError(
                        f"{self.path} line {line} has a value of {longest:,} letters, "
                        f"more than {LONGEST_VALUE:,}: mend the line, a quote may be "
                        "open."
                    ) from error
        except UnicodeDecodeError:
            raise DataError(
                f"{self.path} line {self._undecodable()} is not {self.encoding} text: "
                "pass the file's encoding, for example encoding='latin-1'."
            ) from error
        except (csv.Error, *UNREADABLE) as cause:
            raise DataError(
                f"{self.path} cannot be read after line {line}: {cause}; write or "
                "fetch it again."
            ) from error
        first = str(error).splitlines()[0].rstrip(". ")
        raise DataError(
            f"{self.path} cannot be read: {first}; write or fetch it again."
        ) from error

    def _undecodable(self) -> int:
        """First line whose bytes are not of the encoding."""
        lines = io.BufferedReader(CountedInput(self.path).stream)
        for number, line in enumerate(lines, 1):
            try:
                line.decode(self.encoding)
            except UnicodeDecodeError:
                return number
        return 1
