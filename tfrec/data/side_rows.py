"""Columns of users or items collected from events: the first row of each counts."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tfrec.columns import Sequence
from tfrec.data.convert import Arrays, typed
from tfrec.data.mapping import Declared
from tfrec.features import FeatureSpec


def side_rows(declared: tuple[Declared, ...]) -> list[SideRows]:
    """Collectors of the user's and the item's columns of a file."""
    tables = []
    for owner in declared[:2]:
        own = owner.column
        names = tuple(
            d.column.name
            for d in declared
            if d.column.side == own.side
            and d.column.name != own.name
            and not isinstance(d.column, Sequence)
        )
        tables.append(SideRows(own.name, names))
    return tables


class SideRows:
    """First rows of all owners met, and who has other values later on.

    Args:
        owner: Name of the user or item column.
        names: Columns of that side; nothing is collected when there are none.
    """

    def __init__(self, owner: str, names: tuple[str, ...]) -> None:
        self.owner, self.names = owner, names
        self._known: pa.Array | None = None
        self._rows: list[pa.Table] = []
        self._several: dict[str, list[pa.Array]] = {name: [] for name in names}

    def add(self, block: Arrays) -> None:
        """Takes the owners of a block that were not met before."""
        if not self.names:
            return
        encoded = block[self.owner].dictionary_encode()
        place = encoded.indices.to_numpy()
        _, first = np.unique(place, return_index=True)
        owners = encoded.dictionary
        for name in self.names:
            codes = _codes(block[name])
            self._note(name, owners, place[codes != codes[first][place]])
        if self._known is not None:
            there = pc.index_in(owners, self._known)
            new = there.is_null().to_numpy(zero_copy_only=False)
            self._compare(block, owners, there, first)
            owners, first = owners.filter(pa.array(new)), first[new]
        if len(owners):
            old = [] if self._known is None else [self._known]
            self._known = pa.concat_arrays([*old, owners])
            rows = pa.array(first)
            columns = {n: block[n].take(rows) for n in (self.owner, *self.names)}
            self._rows.append(pa.table(columns))

    def _compare(
        self, block: Arrays, owners: pa.Array, there: pa.Array, first: np.ndarray
    ) -> None:
        """Notes owners whose first row of the block is not that of before."""
        old = np.flatnonzero(there.is_valid().to_numpy(zero_copy_only=False))
        before = pa.concat_tables(self._rows).take(there.drop_null())
        for name in self.names:
            now = block[name].take(pa.array(first[old]))
            both = pa.concat_arrays([*before[name].chunks, now])
            codes = _codes(both)
            self._note(name, owners, old[codes[: len(old)] != codes[len(old) :]])

    def _note(self, name: str, owners: pa.Array, places: np.ndarray) -> None:
        if len(places):
            self._several[name].append(owners.take(pa.array(np.unique(places))))

    def say(self, path: Path) -> None:
        """Warns of columns that have several values for one owner."""
        for name, found in self._several.items():
            if found and self._known is not None:
                count = len(pc.unique(pa.concat_arrays(found)))
                warnings.warn(
                    f"{path}: column '{name}' contradicts itself for {count:,} of "
                    f"{len(self._known):,} ids of '{self.owner}', such as "
                    f"'{found[0][0].as_py()}'; the value of the first row counts.",
                    stacklevel=4,
                )

    def write(self, path: Path, spec: FeatureSpec) -> None:
        """Writes the table as Parquet, ids in the raw types of the spec."""
        if not self.names:
            return
        table = pa.concat_tables(self._rows).combine_chunks()
        columns = {}
        for name in table.column_names:
            values = table[name].combine_chunks()
            if spec[name].kind in ("categorical", "sequence"):
                values = typed(values, spec.raw_dtype(name))
            columns[name] = values
        pq.write_table(pa.table(columns), path, compression="zstd")


def _codes(values: pa.Array) -> np.ndarray:
    """``(n,)`` numbers that are equal where the values are."""
    if pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
        lengths = pc.list_value_length(values).fill_null(0).to_numpy()
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        text = pc.list_flatten(values).cast(pa.string()).fill_null("")
        values = pc.binary_join(pa.ListArray.from_arrays(offsets, text), "\x1f")
    return values.dictionary_encode().indices.fill_null(-1).to_numpy()
