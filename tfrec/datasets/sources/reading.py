"""A mapped file in one pass: typed columns, and what is learned from them."""

from __future__ import annotations

import pyarrow as pa

from tfrec.data.convert import Converter
from tfrec.data.encode import Gathered
from tfrec.data.fitting import Fit, MinCount, learned
from tfrec.data.mapping import Mapping, resolve
from tfrec.data.readers import BLOCK_BYTES, TableFile
from tfrec.data.separators import SeparatorCheck
from tfrec.data.side_rows import side_rows
from tfrec.features import FeatureSpec


def read(
    file: TableFile,
    mapping: Mapping,
    min_count: MinCount = 1,
    max_size: int | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> tuple[FeatureSpec, dict[str, pa.ChunkedArray]]:
    """Reads the mapped columns.

    Args:
        file: The file.
        mapping: Roles of its columns.
        min_count: See :class:`~tfrec.data.fitting.Fit`.
        max_size: Largest vocabulary; the most frequent stay.
        block_bytes: Bytes of the file read at a time.

    Returns:
        The spec learned from all rows, and the typed columns by their names in it.

    Raises:
        ValueError: A value does not fit its column; names value, column and line.

    Warns:
        UserWarning: A user or an item has several values in a column of its side.
    """
    declared = resolve(mapping, file)
    fit, gathered = Fit(mapping, declared, min_count, max_size), Gathered()
    tables = side_rows(declared)
    converter = Converter(file, mapping, declared)
    separators = SeparatorCheck(converter, declared, mapping.separator)
    for block in converter.blocks(block_bytes):
        fit.add(block)
        gathered.add(block)
        separators.add(block)
        for table in tables:
            table.add(block)
    spec = learned(fit, file)
    separators.finish(spec)
    for table in tables:
        table.say(file.path)
    return spec, gathered.table()
