"""Typed Arrow columns as in-memory interactions, vectorised."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.columns import Audio, Categorical, Column, Image, Numeric, Sequence, Text
from tfrec.data.convert import Arrays, typed
from tfrec.data.interactions import Columns, Interactions
from tfrec.data.persons import Persons, first_own, id_fingerprints
from tfrec.features import FeatureSpec


class Gathered:
    """Typed blocks kept in memory, repeated strings once.

    Attributes:
        rows: Rows so far.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._blocks: dict[str, list[pa.Array]] = {}

    def add(self, block: Arrays) -> None:
        """Takes the typed columns of a block."""
        self.rows += len(next(iter(block.values())))
        for name, values in block.items():
            if pa.types.is_string(values.type):
                values = values.dictionary_encode()
            self._blocks.setdefault(name, []).append(values)

    def table(self) -> dict[str, pa.ChunkedArray]:
        """Columns over all blocks."""
        return {
            name: pa.chunked_array(blocks).unify_dictionaries()
            for name, blocks in self._blocks.items()
        }


def distinct(values: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Distinct values and, for each row, which of them it is."""
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode().unify_dictionaries()
    if not values.num_chunks:
        return pa.array([], values.type.value_type), np.empty(0, np.int64)
    places = [chunk.indices.to_numpy() for chunk in values.chunks]
    return values.chunk(0).dictionary, np.concatenate(places)


def lookup(spec: FeatureSpec, name: str, values: pa.Array) -> np.ndarray:
    """``(n,)`` single raw ids of a column to int32 table indices."""
    import tensorflow as tf

    from tfrec.layers.inputs import Lookup

    column = spec.table(name)
    dtype = getattr(column, "dtype", "string")
    with tf.device("CPU"):
        raw = typed(values, dtype).to_numpy(zero_copy_only=False)
        return Lookup(column)(tf.constant(raw, dtype)).numpy()


def encode(spec: FeatureSpec, name: str, values: pa.ChunkedArray) -> np.ndarray:
    """A typed column as the model's numbers.

    Args:
        spec: The finished spec.
        name: Column, label or timestamp.
        values: ``(n,)`` typed values, lists for bags and sequences.

    Returns:
        int32 indices ``(n,)`` or ``(n, max_len)``, float32 numbers ``(n, *shape)``,
        int64 microseconds, or bytes for images and audio.
    """
    if name == spec.timestamp:
        return values.to_numpy().astype(np.int64)
    if name == spec.label and name not in spec:
        return values.to_numpy().astype(np.float32)
    column = spec[name]
    if isinstance(column, Numeric):
        if not column.shape:
            return values.to_numpy().astype(np.float32)
        flat = pc.list_flatten(values).to_numpy().astype(np.float32)
        return flat.reshape(-1, *column.shape)
    if isinstance(column, Sequence) or spec.length(name):
        return _padded(spec, column, values)
    if isinstance(column, Image | Audio):
        return values.fill_null(b"").to_numpy()
    unique, place = distinct(values)
    if isinstance(column, Text):
        raw = unique.to_numpy(zero_copy_only=False)
        return spec.encode(name, raw.astype(object))[place]
    return lookup(spec, name, unique)[place]


def _padded(spec: FeatureSpec, column: Column, values: pa.ChunkedArray) -> np.ndarray:
    """Lists of ids as ``(n, max_len)`` indices; sequences keep their latest.

    Padding and missing ids in a list are no entries.
    """
    max_len = int(spec.length(column.name) or 0)
    unique, place = distinct(pc.list_flatten(values))
    flat = lookup(spec, column.name, unique)[place]
    lengths = pc.list_value_length(values).to_numpy()
    owner = np.repeat(np.arange(len(lengths)), lengths)[flat > 0]
    lengths, flat = np.bincount(owner, minlength=len(lengths)), flat[flat > 0]
    end = np.cumsum(lengths)
    kept = np.minimum(lengths, max_len)
    begin = end - kept if isinstance(column, Sequence) else end - lengths
    row = np.repeat(np.arange(len(lengths)), kept)
    position = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept)
    result = np.zeros((len(lengths), max_len), np.int32)
    result[row, position] = flat[np.repeat(begin, kept) + position]
    return result


def side_table(
    column: Categorical, owners: np.ndarray, columns: dict[str, np.ndarray]
) -> Columns:
    """Values by index of their owner.

    Args:
        column: The user or item column.
        owners: ``(n,)`` index of the owner of each row; of several rows the first
            counts.
        columns: ``(n, ...)`` encoded side columns.

    Returns:
        ``(column.size, ...)``; owners without a row, padding and unknown have 0, or NaN
        (missing) where the column is numeric.
    """
    known, rows = np.unique(owners, return_index=True)
    rows = rows[known >= column.first] if column.hash_bins is None else rows
    known = owners[rows]
    table = {}
    for name, values in columns.items():
        fill: Any = np.nan if values.dtype.kind == "f" else 0
        if values.dtype == object:
            fill = b""
        table[name] = np.full((column.size, *values.shape[1:]), fill, values.dtype)
        table[name][known] = values[rows]
    return table


def interactions(
    spec: FeatureSpec, table: dict[str, pa.ChunkedArray], name: str
) -> Interactions:
    """Interactions from typed columns; user and item columns go to side tables.

    A side column holds the value of the first row of its user or item.

    Args:
        spec: The finished spec; columns that the table lacks (a history) are left out.
        table: Typed columns of all events.
        name: What the data is called.
    """
    present = {n: encode(spec, n, values) for n, values in table.items()}
    sides: dict[str, Columns] = {}
    for side, owner in (("user", spec.user_column), ("item", spec.item_column)):
        names = [
            c.name
            for c in spec.on(side)  # type: ignore[arg-type]
            if c.name in present
            and c.name != owner.name
            and not isinstance(c, Sequence)
        ]
        columns = {n: present.pop(n) for n in names}
        sides[side] = side_table(owner, present[owner.name], columns)
    persons = _persons(spec, present[spec.user], table[spec.user])
    return Interactions(
        spec, present, sides["user"], sides["item"], name=name, persons=persons
    )


def joined(
    spec: FeatureSpec,
    events: dict[str, pa.ChunkedArray],
    users: dict[str, pa.ChunkedArray],
    items: dict[str, pa.ChunkedArray],
    name: str,
) -> Interactions:
    """Interactions from three tables: events, users and items.

    Args:
        spec: The finished spec.
        events: Ids, label, timestamp and context columns of all events.
        users: User ids and user columns, one row per user; may be empty.
        items: Item ids and item columns, one row per item; may be empty.
        name: What the data is called.
    """
    sides = []
    for owner, table in ((spec.user_column, users), (spec.item_column, items)):
        encoded = {n: encode(spec, n, values) for n, values in table.items()}
        owners = encoded.pop(owner.name, np.empty(0, np.int32))
        sides.append(side_table(owner, owners, encoded))
    columns = {n: encode(spec, n, values) for n, values in events.items()}
    persons = _persons(spec, columns[spec.user], events[spec.user])
    return Interactions(spec, columns, sides[0], sides[1], name=name, persons=persons)


def _persons(
    spec: FeatureSpec, users: np.ndarray, raw: pa.ChunkedArray
) -> Persons | None:
    """Who is behind ``(n,)`` events, by user index and raw id."""
    import tensorflow as tf

    column = spec.user_column
    if not (users < first_own(column)).any():
        return None
    unique, place = distinct(raw)
    with tf.device("CPU"):
        values = typed(unique, column.dtype).to_numpy(zero_copy_only=False)
        ids = id_fingerprints(tf.constant(values, column.dtype)).numpy()
    return Persons.of(column, users, ids[place])


def names_by_index(data: Interactions, titles: pa.ChunkedArray) -> Interactions:
    """The interactions with item names.

    Args:
        data: Events.
        titles: ``(n,)`` title of the item of each event; the first counts.
    """
    unique, place = distinct(titles)
    column = data.spec.item_column
    first = side_table(column, data.item, {"row": place})["row"]
    table = np.asarray(unique.to_pylist(), object)
    names = table[first]
    counts = np.bincount(data.item, minlength=column.size)
    names[(counts == 0) | (np.arange(column.size) < column.first)] = ""
    return dataclasses.replace(data, item_names=names)
