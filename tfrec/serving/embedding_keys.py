"""Where the vectors of a model are in Redis."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfrec.errors import ConfigError, did_you_mean
from tfrec.serving.embeddings import SIGNATURES

TABLES = tuple(SIGNATURES)
NAME = re.compile(r"[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Keys:
    """The keys of one model, all under ``{prefix}:{model}``.

    ``:live`` is the version that answers, ``:versions`` the set of all.
    ``:{version}:{table}:{raw id}`` is a vector as little-endian float32 bytes,
    ``:{version}:ids:{table}:{n}`` the ids of batch n as JSON. The hash
    ``:{version}:meta`` has for each table its description as JSON under its name,
    ``{table}:{n}`` for each batch that is written, and ``{table}:finished`` when all
    are there and counted.

    Attributes:
        prefix: Letters, digits, ``.``, ``_`` and ``-``.
        model: The model's name, in the same letters.
    """

    prefix: str
    model: str

    def __post_init__(self) -> None:
        for name in (self.prefix, self.model):
            if not NAME.fullmatch(name):
                raise ConfigError(
                    f"'{name}' cannot be part of a key: use letters, digits, dots, "
                    "underscores and dashes."
                )

    def __call__(self, *parts: Any) -> str:
        return ":".join(map(str, (self.prefix, self.model, *parts)))

    @property
    def live(self) -> str:
        """The key of the version that answers."""
        return self("live")

    @property
    def versions(self) -> str:
        """The key of the set of versions."""
        return self("versions")

    def meta(self, version: int) -> str:
        """The key of a version's description."""
        return self(version, "meta")

    def ids(self, version: int, table: str, n: int) -> str:
        """The key of the ids of a batch."""
        return self(version, "ids", table, n)

    def vectors(self, version: int, table: str, ids: np.ndarray) -> list[str]:
        """The keys of vectors."""
        start = self(version, table, "")
        return [f"{start}{value}" for value in ids.tolist()]


def finished(table: str) -> str:
    """The field that says that all of a table is there."""
    return f"{table}:finished"


def check_table(name: str) -> None:
    """Refuses what is no table.

    Raises:
        ConfigError: Neither ``user`` nor ``item``.
    """
    if name not in TABLES:
        raise ConfigError(f"no table '{name}'; {did_you_mean(name, TABLES)}")
