"""Columns of a prepared data set, kept in one file that loads in a second."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = 1


def cached(
    directory: Path, name: str, version: str, make: Callable[[], pa.Table]
) -> pa.Table:
    """Reads a table from its cache, or makes it and keeps it.

    Args:
        directory: Where caches live.
        name: Name of the data set.
        version: Version of its contents; another version is another file.
        make: Makes the table when there is no cache.

    Returns:
        The table; strings are dictionary-encoded.
    """
    file = f"{name.replace('/', '-')}-{version}-schema{SCHEMA}.parquet"
    path = directory / "tfrec" / file
    if path.exists():
        try:
            return pq.read_table(path)
        except (pa.ArrowInvalid, OSError):
            # A damaged cache is only a cache: what it was made from still stands.
            path.unlink()
    table = make()
    write_atomically(table, path)
    return table


def write_atomically(table: pa.Table, path: Path) -> None:
    """Writes a Parquet file beside its place and moves it there when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        pq.write_table(table, beside, compression="zstd")
        os.replace(beside, path)
    finally:
        Path(beside).unlink(missing_ok=True)
