"""Files of rows, read as Arrow record batches: the one door for CSV to Parquet."""

from __future__ import annotations

import lzma
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from tfrec.errors import ConfigError, DataError, did_you_mean

BLOCK_BYTES = 4 << 20
FORMATS = ("csv", "tsv", "parquet", "libsvm")
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".libsvm": "libsvm",
    ".svm": "libsvm",
    ".svmlight": "libsvm",
    ".libfm": "libsvm",
}
COMPRESSED = (".gz", ".bz2", ".zst", ".xz")
UNREADABLE = (OSError, EOFError, lzma.LZMAError)


class TableFile(Protocol):
    """A file of rows."""

    path: Path

    def names(self) -> list[str]:
        """Column names in file order."""

    def batches(self, names: list[str], block_bytes: int) -> Iterator[pa.RecordBatch]:
        """Columns in blocks of about ``block_bytes`` of the file.

        Text formats give strings, whatever they hold: types are the reader's business.
        """

    def done(self) -> float:
        """Share of the file read by the current pass, 0 to 1."""

    def place(self, row: int) -> str:
        """Where a data row stands, for error messages: ``line 7`` or ``row 7``."""


def open_table(
    path: str | Path,
    format: str | None = None,
    encoding: str = "utf8",
    names: tuple[str, ...] | None = None,
    rename: Mapping[str, str] | None = None,
) -> TableFile:
    """Opens a CSV, TSV, Parquet or libSVM file; text may be gzip, bzip2, zstd or xz.

    Args:
        path: The file.
        format: ``csv``, ``tsv``, ``parquet`` or ``libsvm``; by the suffix when None.
        encoding: Of text files.
        names: Column names of a CSV or TSV file without header line.
        rename: Names that columns take, by those they have in the file.

    Raises:
        ValueError: No such file, an empty file, an unknown format, or a new name for a
            column that is not there or for two.
    """
    file = _open(Path(path), format, encoding, names)
    return Renamed(file, rename) if rename else file


def _open(
    path: Path, format: str | None, encoding: str, names: tuple[str, ...] | None
) -> TableFile:
    if not path.is_file():
        kind = "is a directory" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {kind}: name a {', '.join(FORMATS)} file.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: it needs at least one row.")
    format = format or _format_of(path)
    if format not in FORMATS:
        raise ConfigError(
            f"format '{format}' of {path} is unknown; {did_you_mean(format, FORMATS)}"
        )
    if format == "parquet":
        from tfrec.data.readers.parquet import Parquet

        return Parquet(path)
    if format == "libsvm":
        from tfrec.data.readers.libsvm import LibSvm

        return LibSvm(path)
    from tfrec.data.readers.delimited import Delimited

    return Delimited(path, "," if format == "csv" else "\t", encoding, names)


def _format_of(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in SUFFIXES:
        raise ConfigError(
            f"the format of {path} is unknown from its suffix '{suffix}': pass format="
            f"{' or '.join(FORMATS)}."
        )
    return SUFFIXES[suffix]


class Renamed:
    """A file whose columns have other names.

    Args:
        file: The file.
        rename: New names by those in the file.

    Raises:
        ValueError: There is no such column, or two would have one name.
    """

    def __init__(self, file: TableFile, rename: Mapping[str, str]) -> None:
        self.file, self.path = file, file.path
        self.done, self.place = file.done, file.place
        found = file.names()
        check_columns(file.path, found, list(rename))
        self._names = [rename.get(name, name) for name in found]
        self._old = dict(zip(self._names, found, strict=True))
        twice = [n for n in rename.values() if self._names.count(n) > 1]
        if twice:
            raise ConfigError(
                f"two columns of {file.path} would be called '{twice[0]}': give each a "
                "name of its own."
            )

    def names(self) -> list[str]:
        """Column names in file order."""
        return self._names

    def batches(self, names: list[str], block_bytes: int) -> Iterator[pa.RecordBatch]:
        """As of :meth:`TableFile.batches`, by the new names."""
        old = [self._old[name] for name in names]
        for batch in self.file.batches(old, block_bytes):
            yield pa.RecordBatch.from_arrays([batch[name] for name in old], names)


class CountedInput:
    """A possibly compressed file, opened for reading, that knows how far it is.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.size = path.stat().st_size
        self.raw = pa.OSFile(str(path), "rb")
        suffix = path.suffix.lower()
        codec = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}.get(suffix)
        self.stream: Any = self.raw
        if suffix == ".xz":  # Arrow has no such codec
            self.stream = lzma.LZMAFile(self.raw)  # noqa: SIM115
        elif codec:
            self.stream = pa.CompressedInputStream(self.raw, codec)

    def done(self) -> float:
        """Share of the bytes on disk that were read."""
        return 1.0 if self.raw.closed else min(1.0, self.raw.tell() / self.size)


def check_columns(path: Path, found: list[str], wanted: list[str]) -> None:
    """Refuses missing columns.

    Raises:
        DataError: Names the column, the file, what was found and the near match.
    """
    for name in wanted:
        if name not in found:
            raise DataError(
                f"column '{name}' missing from {path}: found {', '.join(found)}; "
                f"{did_you_mean(name, found)}"
            )
