"""Faults that the tests must notice, read from the YAML lists of this folder.

Each entry of a list is one fault in one line of the project::

    - file: tfrec/data/negatives.py
      find: "the exact text, part of one line, that occurs exactly once in the file"
      replace: "what it becomes"
      means: "one plain sentence: what would be wrong"
      tests: [tests/data/test_negatives.py]   # pytest ids, as few as needed
      model: deepfm   # optional: models it covers, where the file is not the model's
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Mutant:
    """One fault: in ``file``, the text ``find`` becomes ``replace``."""

    file: str
    find: str
    replace: str
    means: str
    tests: tuple[str, ...]
    model: tuple[str, ...] = ()


def load(folder: Path) -> list[Mutant]:
    """The mutants of all lists of a folder, in the order of files and entries."""
    lists = [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))]
    return [_mutant(**values) for each in lists for values in each or ()]


def _mutant(tests: list[str], model: str | list[str] = (), **values: Any) -> Mutant:
    models = (model,) if isinstance(model, str) else tuple(model)
    return Mutant(**values, tests=tuple(tests), model=models)
