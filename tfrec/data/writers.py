"""Shards of TFRecord, in the order of the file or shuffled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from tfrec.data.convert import Arrays
from tfrec.data.tfrecord import shard_name

BLOCK = 1 << 16
Report = Callable[[float], None]


class Shards(Protocol):
    """Writes the rows of one part."""

    def add(self, columns: Arrays) -> None:
        """Takes rows in the order of the file."""

    def close(self, report: Report) -> dict[str, Any]:
        """Finishes; returns ``rows`` and ``shards`` (see :func:`write_shard`)."""


def write_shard(path: Path, rows: pa.Table) -> dict[str, Any]:
    """Writes a table as one TFRecord file.

    Args:
        path: The file.
        rows: Raw columns.

    Returns:
        ``file``, ``rows`` and ``bytes`` of the shard, and the ``digest`` of its rows.

    Raises:
        OSError: The disk is full, or cannot be written.
    """
    import tensorflow as tf

    from tfrec.data.examples import serialise

    digest = hashlib.blake2b(digest_size=16)
    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for start in range(0, len(rows), BLOCK):
                block = rows.slice(start, BLOCK).combine_chunks()
                columns = {n: block[n].combine_chunks() for n in block.column_names}
                for example in serialise(columns):
                    writer.write(example)
                    digest.update(example)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
    return {
        "file": path.name,
        "rows": len(rows),
        "bytes": path.stat().st_size,
        "digest": digest.hexdigest(),
    }


class OrderedShards:
    """Rows in the order they come, so many to a shard.

    Args:
        directory: Where to write.
        part: ``train``, ``valid`` or ``test``.
        rows: Rows that will come.
        shard_rows: Rows of a shard.
        seed: Not used; both kinds of shards are made alike.
    """

    def __init__(
        self, directory: Path, part: str, rows: int, shard_rows: int, seed: int = 0
    ) -> None:
        self._directory, self._part, self._size = directory, part, shard_rows
        self._count = -(-rows // shard_rows)
        self._pending: list[pa.Table] = []
        self._shards: list[dict[str, Any]] = []

    def add(self, columns: Arrays) -> None:
        """Takes rows; full shards are written."""
        self._pending.append(pa.table(columns))
        while sum(map(len, self._pending)) >= self._size:
            rows = pa.concat_tables(self._pending)
            self._write(rows.slice(0, self._size))
            self._pending = [rows.slice(self._size)]

    def _write(self, rows: pa.Table) -> None:
        name = shard_name(self._part, len(self._shards), self._count)
        self._shards.append(write_shard(self._directory / name, rows))

    def close(self, report: Report) -> dict[str, Any]:
        """Writes what is left."""
        if any(map(len, self._pending)):
            self._write(pa.concat_tables(self._pending))
        return {"rows": sum(s["rows"] for s in self._shards), "shards": self._shards}


class ShuffledShards:
    """Rows in random order: each goes to a random shard, shards are shuffled in memory.

    Args:
        directory: Where to write.
        part: ``train``, ``valid`` or ``test``.
        rows: Rows that will come.
        shard_rows: Rows of a shard, on average.
        seed: Seed of the order.
    """

    def __init__(
        self, directory: Path, part: str, rows: int, shard_rows: int, seed: int = 0
    ) -> None:
        self._directory, self._part = directory, part
        self._generator = np.random.default_rng(seed)
        self._count = -(-rows // shard_rows)
        self._spill: list[tuple[Path, Any]] = []

    def add(self, columns: Arrays) -> None:
        """Spills rows to their shards."""
        rows = pa.record_batch(columns)
        if not self._spill:
            for number in range(self._count):
                path = self._directory / f"spill-{self._part}-{number}.arrow"
                self._spill.append((path, pa.ipc.new_file(path, rows.schema)))
        shard = self._generator.integers(0, self._count, len(rows))
        for number, (_, writer) in enumerate(self._spill):
            taken = np.flatnonzero(shard == number)
            if len(taken):
                writer.write_batch(rows.take(pa.array(taken)))

    def close(self, report: Report) -> dict[str, Any]:
        """Shuffles and writes shard by shard."""
        shards = []
        for number, (path, writer) in enumerate(self._spill):
            writer.close()
            with pa.OSFile(str(path)) as stream:
                rows = pa.ipc.open_file(stream).read_all()
            order = pa.array(self._generator.permutation(len(rows)))
            name = shard_name(self._part, number, self._count)
            shards.append(write_shard(self._directory / name, rows.take(order)))
            path.unlink()
            report((number + 1) / self._count)
        return {"rows": sum(s["rows"] for s in shards), "shards": shards}
