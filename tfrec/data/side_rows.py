"""Columns of users or items collected from events: the first row of each counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tfrec.data.convert import Arrays, typed
from tfrec.features import FeatureSpec


class SideRows:
    """First rows of all owners met.

    Args:
        owner: Name of the user or item column.
        names: Columns of that side; nothing is collected when there are none.
    """

    def __init__(self, owner: str, names: tuple[str, ...]) -> None:
        self.owner, self.names = owner, names
        self._known: pa.Array | None = None
        self._rows: list[pa.Table] = []

    def add(self, block: Arrays) -> None:
        """Takes the owners of a block that were not met before."""
        if not self.names:
            return
        encoded = block[self.owner].dictionary_encode()
        _, first = np.unique(encoded.indices.to_numpy(), return_index=True)
        owners = encoded.dictionary
        if self._known is not None:
            new = pc.invert(pc.is_in(owners, self._known))
            owners, first = owners.filter(new), first[new.to_numpy(False)]
        if len(owners):
            old = [] if self._known is None else [self._known]
            self._known = pa.concat_arrays([*old, owners])
            rows = pa.array(first)
            columns = {n: block[n].take(rows) for n in (self.owner, *self.names)}
            self._rows.append(pa.table(columns))

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
