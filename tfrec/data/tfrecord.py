"""Prepared data on disk: TFRecord files, their spec, and a reader like that of memory.

A prepared directory holds ``train-00000-of-00008.tfrecord`` ..., the same for ``valid``
and ``test``, ``spec.json``, ``meta.json`` (rows, shards, bytes) and, where there are
columns of the user or item side, ``users.parquet`` and ``items.parquet``. Records hold
raw ids, so the vocabulary may change without preparing again, and event times in
microseconds since 1970.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrec.data.records import BUFFER, Records
from tfrec.errors import ConfigError, DataError, did_you_mean
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    import tensorflow as tf

    from tfrec.data.interactions import Columns, Interactions

SCHEMA = 2
PARTS = ("train", "valid", "test")
SHARD = re.compile(r"\w+-\d+-of-\d+\.tfrecord")


def shard_name(part: str, number: int, shards: int) -> str:
    """File name of a shard, as TensorFlow writes them."""
    return f"{part}-{number:05d}-of-{shards:05d}.tfrecord"


def open(
    directory: str | Path, part: str = "train", min_label: float | None = None
) -> Records:
    """Opens one part of a prepared directory.

    Args:
        directory: What :func:`tfrec.data.prepare.prepare` wrote.
        part: ``train``, ``valid`` or ``test``. The last two have a ``past``, as in
            memory.
        min_label: Labels from here on are positive; None for the rule that the data
            were prepared with.

    Raises:
        ValueError: No prepared directory, another schema, an unknown part, a shard that
            is missing or truncated, or ``min_label`` for data without a label.
    """
    directory = Path(directory)
    if part not in PARTS:
        raise ConfigError(f"part '{part}' is unknown; {did_you_mean(part, PARTS)}")
    meta = read_meta(directory)
    spec = _spec(directory / "spec.json", meta)
    if min_label is not None:
        spec = dataclasses.replace(spec, min_label=min_label)
    users = _side(directory / "users.parquet", spec, spec.user)
    items = _side(directory / "items.parquet", spec, spec.item)

    def records(*parts: str, all_parts: Records | None = None) -> Records:
        files = [
            _whole(directory, s) for p in parts for s in meta["parts"][p]["shards"]
        ]
        rows = sum(meta["parts"][p]["rows"] for p in parts)
        stored = tuple(meta["columns"])
        name = ", ".join(parts)
        return Records(
            directory,
            name,
            spec,
            tuple(files),
            rows,
            stored,
            users,
            items,
            all_parts=all_parts,
        )

    everything = records(*PARTS)
    train = records("train", all_parts=everything)
    if part == "train":
        return train
    past = train if part == "valid" else records("train", "valid", all_parts=everything)
    return dataclasses.replace(
        records(part, all_parts=everything), past=past, train=train
    )


def _whole(directory: Path, shard: dict[str, Any]) -> str:
    """Path of a shard that has all its bytes."""
    path = directory / shard["file"]
    size = path.stat().st_size if path.is_file() else None
    if size != shard["bytes"]:
        found = "is missing" if size is None else f"has {size}"
        raise DataError(
            f"{path} {found} instead of {shard['bytes']} bytes, so it was cut off "
            "or changed: prepare the data again."
        )
    return str(path)


def read_meta(directory: Path) -> dict[str, Any]:
    """Reads ``meta.json``.

    Raises:
        DataError: No prepared directory, or one of another schema.
    """
    path = directory / "meta.json"
    if not path.is_file():
        raise DataError(
            f"{directory} holds no prepared data (no meta.json): prepare a file there "
            "first, with tfrec.data.prepare or 'tfrec data prepare'."
        )
    try:
        meta = json.loads(path.read_text("utf8"))
        schema = meta.get("schema")
    except (ValueError, RecursionError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({error}): prepare again.") from error
    if schema != SCHEMA:
        raise DataError(
            f"{path} is of schema {schema!r:.60} and this version of tfrec reads "
            f"{SCHEMA}: prepare the data again."
        )
    if not _is_meta(meta):
        raise DataError(
            f"{path} is damaged (columns and parts are not as prepare writes them): "
            "prepare again."
        )
    return meta


def _is_meta(meta: dict[str, Any]) -> bool:
    """Whether columns, rows and shards are named and counted as they are written."""
    columns, parts = meta.get("columns"), meta.get("parts")
    if not isinstance(columns, list) or not isinstance(parts, dict):
        return False
    shards: list[Any] = []
    for name in PARTS:
        part = parts.get(name)
        if not isinstance(part, dict) or not isinstance(part.get("shards"), list):
            return False
        inside = part["shards"]
        if not all(isinstance(shard, dict) and _is_shard(shard) for shard in inside):
            return False
        if part.get("rows") != sum(shard["rows"] for shard in inside):
            return False
        shards += inside
    names = [*columns, *(shard["file"] for shard in shards)]
    text = all(isinstance(name, str) for name in names)
    return text and len({*names}) == len(names)


def _is_shard(shard: dict[str, Any]) -> bool:
    file, counts = shard.get("file"), (shard.get("rows"), shard.get("bytes"))
    plain = isinstance(file, str) and bool(SHARD.fullmatch(file))
    return plain and all(type(count) is int and count >= 0 for count in counts)


def _spec(path: Path, meta: dict[str, Any]) -> FeatureSpec:
    """The columns; those that the records hold are among them.

    Raises:
        DataError: The file is missing, damaged, or of other records.
    """
    try:
        spec = FeatureSpec.from_json(path.read_text("utf8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}): prepare again.") from error
    known = {*(column.name for column in spec.columns), spec.label, spec.timestamp}
    stored = {*meta["columns"]}
    if not {spec.user, spec.item} <= stored <= known:
        raise DataError(
            f"{path} does not fit meta.json, which names the columns "
            f"{', '.join(meta['columns'])}: prepare the data again."
        )
    return spec


def _side(path: Path, spec: FeatureSpec, owner: str) -> Columns:
    if not path.is_file():
        return {}
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tfrec.data.encode import encode, side_table

    try:
        table = pq.read_table(path)
        encoded = {name: encode(spec, name, table[name]) for name in table.column_names}
        owners = encoded.pop(owner)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path} is damaged, or does not fit spec.json ({reason}): prepare the "
            "data again."
        ) from error
    return side_table(spec[owner], owners, encoded)  # type: ignore[arg-type]


def load(
    directory: str | Path, part: str = "train", min_label: float | None = None
) -> Interactions:
    """One part in memory, with the past that its split knows.

    Args:
        directory: A prepared directory.
        part: ``train``, ``valid`` or ``test``.
        min_label: As of :func:`open`.

    Raises:
        ValueError: As :func:`open`.
    """
    from tfrec.data.interactions import Interactions

    def loaded(records: Records) -> Interactions:
        return Interactions(
            records.spec,
            records.columns(records.stored),
            records.users,
            records.items,
            name=records.name,
            persons=records.persons,
        )

    records = open(directory, part, min_label)
    if records.past is None or records.train is None:
        return loaded(records)
    past = loaded(records.past)
    if part == "valid":
        return dataclasses.replace(loaded(records), past=past, train=past)
    rows = np.arange(len(records.train))
    train = past.take(rows, name=records.train.name)
    return dataclasses.replace(loaded(records), past=past, train=train, given=train)


def rows(
    directory: str | Path,
    part: str = "train",
    batch_size: int = 4096,
    shuffle: bool = False,
    seed: int = 0,
) -> tf.data.Dataset:
    """Batches of all stored columns in the model's numbers.

    Args:
        directory: A prepared directory.
        part: ``train``, ``valid`` or ``test``.
        batch_size: Rows in a batch; the last may be smaller.
        shuffle: Whether every epoch has another order.
        seed: Seed of the order.

    Returns:
        Batches ``{column: (batch, ...)}``, of known cardinality.
    """
    from tfrec.data.pipeline import BLOCK, finish, seeded_epochs

    records = open(directory, part)
    read = records.reader(records.stored)
    epochs = seeded_epochs(seed, lambda s: read(BLOCK, shuffle, s, None))
    return finish(epochs, batch_size, len(records))


def verify(directory: str | Path) -> int:
    """Reads every record of a prepared directory and checks its checksum.

    Returns:
        The number of records.

    Raises:
        DataError: Names the shard that is truncated or damaged.
    """
    import tensorflow as tf

    total = 0
    for part in PARTS:
        for file in open(directory, part).files:
            try:
                for block in tf.data.TFRecordDataset(file, None, BUFFER).batch(4096):
                    total += len(block)
            except tf.errors.DataLossError as error:
                raise DataError(
                    f"{file} is truncated or damaged: prepare the data again."
                ) from error
    return total
