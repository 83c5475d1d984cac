"""A mapped file in one pass: typed columns, and what is learned from them."""

from __future__ import annotations

import pyarrow as pa

from tfrec.data.convert import Converter
from tfrec.data.encode import Gathered
from tfrec.data.fitting import Fit
from tfrec.data.mapping import Mapping, resolve
from tfrec.data.readers import BLOCK_BYTES, TableFile


def read(
    file: TableFile,
    mapping: Mapping,
    min_count: int = 1,
    max_size: int | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> tuple[Fit, dict[str, pa.ChunkedArray]]:
    """Reads the mapped columns.

    Args:
        file: The file.
        mapping: Roles of its columns.
        min_count: Ids and words that occur less often are out of vocabulary.
        max_size: Largest vocabulary; the most frequent stay.
        block_bytes: Bytes of the file read at a time.

    Returns:
        What was learned of all rows, and the typed columns by their names in the spec.

    Raises:
        ValueError: A value does not fit its column; names value, column and line.
    """
    declared = resolve(mapping, file)
    fit, gathered = Fit(mapping, declared, min_count, max_size), Gathered()
    for block in Converter(file, mapping, declared).blocks(block_bytes):
        fit.add(block)
        gathered.add(block)
    return fit, gathered.table()
