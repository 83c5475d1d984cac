"""Parquet files as record batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tfrec.data.readers.base import check_columns
from tfrec.errors import DataError

# The last where the name of a column is no text.
DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)


class Parquet:
    """A Parquet file.

    Args:
        path: The file.

    Raises:
        DataError: The file is not Parquet, is cut off, or has no rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        try:
            self._file = pq.ParquetFile(path)
            self._names = list(self._file.schema_arrow.names)
        except DAMAGED as error:
            raise DataError(
                f"{path} is not a readable Parquet file ({_first_line(error)}): write "
                "it again, or pass its real format."
            ) from error
        if not self._file.metadata.num_rows:
            raise DataError(f"{path} has no rows: it needs at least one.")

    def names(self) -> list[str]:
        """Column names in file order."""
        return list(self._names)

    def batches(self, names: list[str], block_bytes: int) -> Iterator[pa.RecordBatch]:
        """Columns in blocks of rows whose file size is about ``block_bytes``."""
        check_columns(self.path, self.names(), names)
        rows = self._file.metadata.num_rows
        row_bytes = max(1, self.path.stat().st_size // rows)
        size = min(max(1, block_bytes // row_bytes), 1 << 18)
        self._read = 0
        try:
            for batch in self._file.iter_batches(size, columns=names):
                self._read += len(batch)
                yield batch.select(names)
        except DAMAGED as error:
            raise DataError(
                f"{self.path} is damaged after row {self._read} "
                f"({_first_line(error)}): write it again."
            ) from error

    def done(self) -> float:
        """Share of the rows read."""
        return self._read / self._file.metadata.num_rows

    def place(self, row: int) -> str:
        """Rows are counted from 1."""
        return f"row {row + 1}"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0].rstrip(". ")
