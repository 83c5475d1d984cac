"""A file of any size becomes split, vocabularied TFRecord files.

Two passes over the file: the first learns vocabularies, statistics and the cut of the
split, the second writes. Memory is that of the distinct ids and one shard.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tfrec.data import streaming_split
from tfrec.data.convert import Arrays, Converter, typed
from tfrec.data.describe import Description, describe
from tfrec.data.fitting import Fit, MinCount, learned
from tfrec.data.mapping import Mapping, resolve
from tfrec.data.readers import BLOCK_BYTES, open_table
from tfrec.data.separators import SeparatorCheck
from tfrec.data.side_rows import SideRows, side_rows
from tfrec.data.tfrecord import PARTS, SCHEMA
from tfrec.data.writers import OrderedShards, Shards, ShuffledShards
from tfrec.errors import ConfigError
from tfrec.features import FeatureSpec

__all__ = ["Description", "Prepared", "describe", "prepare"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Prepared:
    """What was written.

    Attributes:
        directory: Where.
        spec: The columns.
        rows: Events by part.
        shards: Files by part.
    """

    directory: Path
    spec: FeatureSpec
    rows: dict[str, int]
    shards: dict[str, int]


def prepare(
    path: str | Path,
    out_dir: str | Path,
    mapping: Mapping,
    split: str = "temporal",
    *,
    format: str | None = None,
    encoding: str = "utf8",
    min_count: MinCount = 1,
    max_size: int | None = None,
    shard_rows: int = 1_000_000,
    shuffle: bool = True,
    seed: int = 0,
    overwrite: bool = False,
    block_bytes: int = BLOCK_BYTES,
    progress: Progress | None = None,
    **split_options: Any,
) -> Prepared:
    """Splits a CSV, TSV, Parquet or libSVM file and writes it as TFRecord.

    Vocabularies and statistics are those of all rows, as in
    :func:`tfrec.datasets.from_file`, so both give the same spec. Everything is written
    to a directory beside ``out_dir`` and moved there when it is whole.

    Args:
        path: The file.
        out_dir: Where to write.
        mapping: Roles of the columns. Those of the user and the item side go to side
            tables, with the value of their first row.
        split: ``temporal``, ``leave_last_out`` or ``random``; :mod:`tfrec.data.split`
            says what each leaks.
        format: ``csv``, ``tsv``, ``parquet`` or ``libsvm``; by the suffix when None.
        encoding: Of text files.
        min_count: Ids and words that occur less often are out of vocabulary: in every
            column, or by column of the file, as in ``{mapping.user: 5}``. Users
            outside the vocabulary share an index, but no history; each has her own.
        max_size: Largest vocabulary; the most frequent stay.
        shard_rows: Rows of a shard.
        shuffle: Whether training rows are shuffled over all shards, so that reading
            needs no large buffer. Without it, rows stay in the order of the file.
        seed: Seed of the shuffle and of split ``random``.
        overwrite: Whether to replace prepared data in ``out_dir``.
        block_bytes: Bytes of the file read at a time.
        progress: Called with what is done and the share of it, 0 to 1.
        **split_options: ``valid`` and ``test``: shares of ``temporal`` and ``random``.

    Returns:
        What was written.

    Raises:
        ValueError: One sentence that names the file, the value, its line and the cure;
            or ``out_dir`` holds something else.

    Warns:
        UserWarning: A user or an item has several values in a column of its side; rows
            were left out; some event is of before 1980.
    """
    out_dir = Path(out_dir)
    _check_target(out_dir, overwrite)
    if split == "random":
        split_options["seed"] = seed
    file = open_table(path, format, encoding, mapping.names, mapping.rename)
    declared = resolve(mapping, file)
    converter = Converter(file, mapping, declared)
    user = declared[0].column.name
    splitter = streaming_split.make(split, mapping, user, **split_options)
    fit = Fit(mapping, declared, min_count, max_size, seed)
    tables = side_rows(declared)
    separators = SeparatorCheck(converter, declared, mapping.separator)
    report = progress or _silent
    for block in converter.blocks(block_bytes):
        fit.add(block)
        splitter.observe(block)
        for table in tables:
            table.add(block)
        separators.add(block)
        report("learning", file.done())
    sizes, spec = splitter.finish(), learned(fit, file)
    separators.finish(spec)
    for table in tables:
        table.say(file.path)
    stored = _stored(spec, tables)

    def raw_blocks() -> Iterator[tuple[Arrays, np.ndarray]]:
        for block in converter.blocks(block_bytes):
            raw = {name: _raw(spec, name, block[name]) for name in stored}
            yield raw, splitter.sides(block)
            report("writing", file.done())

    beside = out_dir.parent / f".{out_dir.name}.{uuid.uuid4().hex[:8]}"
    try:
        beside.mkdir(parents=True)
        kinds = (ShuffledShards if shuffle else OrderedShards, OrderedShards)
        writers: list[Shards] = [
            kinds[part != "train"](beside, part, int(size), shard_rows, seed)
            for part, size in zip(PARTS, sizes, strict=True)
        ]
        parts = _write(writers, raw_blocks(), report)
        for table, name in zip(tables, ("users", "items"), strict=True):
            table.write(beside / f"{name}.parquet", spec)
        (beside / "spec.json").write_text(spec.to_json(), "utf8")
        meta = {
            "schema": SCHEMA,
            "source": file.path.name,
            "split": {"how": split, **split_options},
            "columns": stored,
            "parts": parts,
        }
        (beside / "meta.json").write_text(json.dumps(meta, indent=1), "utf8")
        _move(beside, out_dir)
    except OSError as error:
        raise ConfigError(
            f"writing to {out_dir} failed ({error.strerror or error}) and nothing was "
            "kept: free some space or choose another directory."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    rows = {part: shards["rows"] for part, shards in parts.items()}
    files = {part: len(shards["shards"]) for part, shards in parts.items()}
    return Prepared(out_dir, spec, rows, files)


def _write(
    writers: list[Shards],
    blocks: Iterator[tuple[Arrays, np.ndarray]],
    report: Progress,
) -> dict[str, dict[str, Any]]:
    """Deals rows to the parts; returns rows and shards of each."""
    for columns, sides in blocks:
        for number, writer in enumerate(writers):
            rows = pa.array(np.flatnonzero(sides == number))
            if len(rows):
                writer.add({n: v.take(rows) for n, v in columns.items()})
    return {
        part: writer.close(lambda share: report("shuffling", share))
        for part, writer in zip(PARTS, writers, strict=True)
    }


def _silent(stage: str, share: float) -> None:
    """Takes progress and shows nothing."""


def _stored(spec: FeatureSpec, tables: list[SideRows]) -> list[str]:
    aside = {name for table in tables for name in table.names}
    names = [c.name for c in spec.columns if c.name not in aside]
    return [*names, *(n for n in (spec.label, spec.timestamp) if n)]


def _raw(spec: FeatureSpec, name: str, values: pa.Array) -> pa.Array:
    if name in spec and spec[name].kind in ("categorical", "sequence"):
        return typed(values, spec.raw_dtype(name))
    return values


def _check_target(out_dir: Path, overwrite: bool) -> None:
    if not out_dir.exists():
        return
    prepared = (out_dir / "meta.json").is_file()
    if not out_dir.is_dir() or (any(out_dir.iterdir()) and not prepared):
        raise ConfigError(
            f"{out_dir} exists and holds something other than prepared data: choose "
            "another directory."
        )
    if prepared and not overwrite:
        raise ConfigError(
            f"{out_dir} holds prepared data already: pass overwrite=True to replace "
            "them, or choose another directory."
        )


def _move(beside: Path, out_dir: Path) -> None:
    """Puts a finished directory in its place, the old one aside until then."""
    old = beside.with_name(f"{beside.name}.old")
    if out_dir.exists():
        os.replace(out_dir, old)
    os.replace(beside, out_dir)
    shutil.rmtree(old, ignore_errors=True)
