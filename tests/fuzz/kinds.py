"""Every kind of file that tfrec reads, and the one rule for all of them.

A spoiled file is refused in one sentence, of the right class, that names the file and
a cure, or it is read as a plain reader reads it. The corpus is made here, by code.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from folders import Configuration, Export, ExportGraph, ModelFile, Prepared
from tables import Delimited, LibSvm, ParquetBytes, ParquetTypes

KINDS: dict[str, Callable[[Path], Any]] = {
    "csv": lambda folder: Delimited(folder, "events.csv", ","),
    "tsv": lambda folder: Delimited(folder, "events.tsv", "\t"),
    "libsvm": LibSvm,
    "parquet_bytes": ParquetBytes,
    "parquet_types": ParquetTypes,
    "prepared": Prepared,
    "yaml": Configuration,
    "export": Export,
    "export_graph": ExportGraph,
    "keras": ModelFile,
}
CURE = re.compile(
    "[:;,] (give|mend|correct|convert|fill it in|fetch|write|name|pass|rename|complete|"
    "drop|it needs|add|every line needs|keep|fields must|number|use|did you mean|known|"
    "store|end|such ids|prepare|take|run)"
)


def outcome(kind: Any, content: Any) -> str:
    """Reads a spoiled file.

    Returns:
        The class of the refusal, or ``read``.

    Raises:
        Exception: Anything else: a fault of the reader.
    """
    kind.put(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd times and columns
        try:
            found = kind.read()
        except kind.refusals as error:
            check_sentence(str(error), kind.path)
            return type(error).__name__
        kind.check(found)
    return "read"


def check_sentence(text: str, path: Path) -> None:
    """Holds a refusal against the form that all have."""
    assert "\n" not in text, text
    assert str(path) in text, text
    if path.suffix != ".keras":  # which is one piece, and saved again or not at all
        assert CURE.search(text.partition(str(path))[2]), text
