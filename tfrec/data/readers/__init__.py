"""Readers of row files: CSV, TSV, Parquet, libSVM."""

from tfrec.data.readers.base import BLOCK_BYTES, FORMATS, TableFile, open_table

__all__ = ["BLOCK_BYTES", "FORMATS", "TableFile", "open_table"]
