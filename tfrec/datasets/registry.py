"""Data sets by name: a module of this package registers one with a decorator."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfrec.errors import ConfigError, did_you_mean

Loader = Callable[..., Any]
WRITE_BITS = 0o222


@dataclass(frozen=True)
class Entry:
    """A registered data set.

    Attributes:
        name: What :func:`load` takes.
        loader: ``(directory or None, **options)`` to interactions.
        summary: First line of its docstring.
    """

    name: str
    loader: Loader
    summary: str


_entries: dict[str, Entry] = {}


def register(name: str) -> Callable[[Loader], Loader]:
    """Registers a loader under a name.

    Args:
        name: The name; the part before a slash is the family.

    Returns:
        A decorator of ``loader(data_dir: Path | None, **options)``, which returns
        interactions.

    Raises:
        ConfigError: The name is taken.
    """

    def add(loader: Loader) -> Loader:
        if name in _entries and _entries[name].loader.__module__ != loader.__module__:
            raise ConfigError(
                f"data set '{name}' is registered by {_entries[name].loader.__module__}"
                f" and again by {loader.__module__}: choose another name."
            )
        summary = (loader.__doc__ or "").strip().partition("\n")[0]
        _entries[name] = Entry(name, loader, summary)
        return loader

    return add


def entries() -> dict[str, Entry]:
    """All registered data sets by name."""
    package = importlib.import_module("tfrec.datasets")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.ispkg:
            importlib.import_module(f"tfrec.datasets.{module.name}")
    return dict(sorted(_entries.items()))


def names() -> list[str]:
    """Names that :func:`load` takes."""
    return list(entries())


def load(name: str, data_dir: str | Path | None = None, **options: Any) -> Any:
    """Loads a data set.

    Args:
        name: One of :func:`names`.
        data_dir: Where the files and archives are; the environment variable
            ``TFREC_DATA_DIR`` when None. It is only read, and what is prepared goes to
            the folder of TFDS; save for data that are packaged and not read from
            there, which are prepared in it where it is writable.
        **options: Of the data set.

    Returns:
        :class:`~tfrec.data.interactions.Interactions` (what else a data set returns it
        says in its docstring).

    Raises:
        ValueError: Unknown name or option, or the data are not there and cannot be
            downloaded.
    """
    known = entries()
    if name not in known:
        raise ConfigError(f"data set '{name}' is unknown; {did_you_mean(name, known)}")
    accepted = list(inspect.signature(known[name].loader).parameters)[1:]
    for option in options:
        if option not in accepted:
            hint = did_you_mean(option, accepted) if accepted else "it has none"
            raise ConfigError(f"data set '{name}' has no option '{option}'; {hint}")
    given = data_dir or os.environ.get("TFREC_DATA_DIR")
    directory = Path(given).expanduser() if given else None
    if directory is not None and not directory.is_dir():
        raise ConfigError(
            f"data directory {directory} does not exist: create it, or set "
            "TFREC_DATA_DIR to another."
        )
    return known[name].loader(directory, **options)


def writable(directory: Path) -> bool:
    """Whether prepared data may go to an existing directory.

    The mode counts also for a superuser, whom the system would let write anywhere.
    """
    return bool(directory.stat().st_mode & WRITE_BITS) and os.access(directory, os.W_OK)


def prepared_directory(data_dir: Path | None) -> Path:
    """Where prepared data live: the data directory if it is writable, else TFDS's.

    TFDS's is ``$TFDS_DATA_DIR``, or ``~/tensorflow_datasets``.
    """
    if data_dir is not None and writable(data_dir):
        return data_dir
    home = Path("~/tensorflow_datasets").expanduser()
    return Path(os.environ.get("TFDS_DATA_DIR") or home).expanduser()
