"""Columns of a prepared data set, kept in one file that loads in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tfrec import atomic

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
    with atomic.replacing(path) as new:
        pq.write_table(table, new, compression="zstd")
    return table
