"""Every model by name, known from the source files alone.

A file ``models/<family>/<name>.py`` holds one public class; that class statement is
the registration. Sources are read with :mod:`ast`, so listing the canon loads no
TensorFlow.
"""

from __future__ import annotations

import ast
import importlib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from tfrec.models.base import Recommender


@dataclass(frozen=True)
class Entry:
    """One model of the canon.

    Attributes:
        name: Registry name, the file's name.
        class_name: The model class.
        family: The folder.
        paper: Source.
        objective: What is learned.
    """

    name: str
    class_name: str
    family: str
    paper: str
    objective: str

    def to_dict(self) -> dict[str, str]:
        """The entry as ``tfrec list --json`` prints it."""
        values = asdict(self)
        return {("class" if k == "class_name" else k): v for k, v in values.items()}


def _entry(path: Path) -> Entry:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (model,) = (
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    values: dict[str, Any] = {}
    for node in model.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="paper" | "objective" as name)], value=value
            ):
                values[name] = ast.literal_eval(value)
    return Entry(path.stem, model.name, path.parent.name, **values)


@cache
def entries() -> dict[str, Entry]:
    """All models by registry name, sorted by family and name."""
    found = [
        _entry(path)
        for path in sorted(Path(__file__).parent.glob("*/*.py"))
        if not path.stem.startswith("_")
    ]
    return {entry.name: entry for entry in found}


def get(name: str) -> type[Recommender]:
    """The model class of a registry name.

    Raises:
        ConfigError: No such model; the near match is named.
    """
    if name not in entries():
        raise ConfigError(f"unknown model '{name}'; {did_you_mean(name, entries())}")
    entry = entries()[name]
    module = importlib.import_module(f"tfrec.models.{entry.family}.{entry.name}")
    return getattr(module, entry.class_name)


def name_of(model: type) -> str:
    """The registry name of a model class: its module's name."""
    return model.__module__.rpartition(".")[2]
