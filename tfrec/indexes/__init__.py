"""Top-k over many item vectors: exact in blocks, and approximate."""

from tfrec.indexes.exact import Exact
from tfrec.indexes.indexed import Indexed
from tfrec.indexes.scann import Scann

__all__ = ["Exact", "Indexed", "Scann"]
