"""Models on disk: Keras's own ``.keras`` format, never half a file."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec import keras
from tfrec.models import registry

if TYPE_CHECKING:
    from tfrec.models.base import Recommender


def save(write: Callable[[str], Any], path: Path) -> None:
    """Writes beside ``path`` and renames.

    Args:
        write: Writes a ``.keras`` file at a path.
        path: Where the file shall stand.

    Raises:
        ValueError: The path does not end in ``.keras``.
    """
    if path.suffix != ".keras":
        raise ValueError(
            f"a model is saved as one .keras file, not as '{path}': end the path in "
            ".keras, or use export(...) for TF Serving."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
        beside = Path(folder) / path.name
        write(str(beside))
        os.replace(beside, path)


def load(path: str | Path) -> Recommender:
    """Loads a saved model, its class found by the name in the file.

    Args:
        path: A ``.keras`` file.

    Raises:
        ValueError: Not a model file of tfrec.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, IsADirectoryError) as why:
        raise ValueError(
            f"'{path}' is no saved model: give a .keras file written by model.save."
        ) from why
    if not str(config.get("registered_name")).startswith("tfrec>"):
        raise ValueError(
            f"'{path}' holds a {config.get('class_name')}, which is no model of tfrec: "
            "load it with tfrec.keras.models.load_model."
        )
    for entry in registry.entries().values():
        if entry.class_name == config.get("class_name"):
            registry.get(entry.name)
    return keras.models.load_model(path)
