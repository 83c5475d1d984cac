"""A search on disk: what it searches, and its finished trials."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tfrec import atomic
from tfrec.data.fingerprint import difference
from tfrec.errors import ConfigError, ModelFileError

SEARCH, TRIALS = "search.json", "trials.json"
SPARE = 64 * 1024**2


def claim(folder: Path, search: dict[str, Any], events: str) -> bool:
    """Takes a folder for a search, or finds the same search in it.

    Args:
        folder: The folder, made if need be.
        search: JSON-able settings; those of one search agree, the number of trials
            aside.
        events: The fingerprint of the data.

    Returns:
        Whether an earlier search of the same settings and events is there to go on.

    Raises:
        ConfigError: The folder holds another search, or anything else.
    """
    file = folder / SEARCH
    atomic.clear_all(folder)
    if not file.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(
                f"{folder} is not empty and holds no search: choose another folder."
            )
        write(file, {**search, "events": events})
        return False
    there = read(file)
    for name, value in json.loads(json.dumps(search)).items():
        if there.get(name) != value:
            raise ConfigError(
                f"{folder} holds a search with {name} {there.get(name)}, not {value}: "
                "choose another folder, or remove it to start anew."
            )
    changed = difference(str(there.get("events")), events, search["data"])
    if changed is not None:
        raise ConfigError(
            f"{folder} holds a search with {changed}: choose another folder, or remove "
            "it to start anew."
        )
    return True


def read(file: Path) -> Any:
    """What a state file holds.

    Raises:
        ModelFileError: It is damaged.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ModelFileError(
            f"{file} is damaged: remove {file.parent} and search anew."
        ) from error


def write(path: Path, value: Any) -> None:
    """Writes JSON, whole or not at all."""
    atomic.write_text(path, json.dumps(value, indent=1) + "\n")


def check_space(folder: Path, needed: int) -> None:
    """Raises OSError unless the disk has room for another trial.

    Args:
        folder: Where it is written.
        needed: Bytes of its weights.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise OSError(
            f"{folder} has {free / 1024**2:.0f} MiB left, and a trial needs "
            f"{(needed + SPARE) / 1024**2:.0f}: make room, and the same search goes on "
            "after its finished trials."
        )
