"""Where the vectors of a model are in Redis."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfrec.errors import ConfigError, ServerError, did_you_mean
from tfrec.serving.embeddings import SIGNATURES

TABLES = tuple(SIGNATURES)
MOST_DIM = 2**20  # 4 MiB a vector
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

    def number(self, value: bytes, place: str) -> int:
        """A version as Redis holds it.

        Raises:
            ServerError: It is no number.
        """
        try:
            return int(value)
        except ValueError:
            raise ServerError(
                f"{value[:40]!r} on {place} is no version of '{self.model}': delete "
                f"{self.live} and {self.versions}, and push again."
            ) from None

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


@dataclass(frozen=True)
class Description:
    """What the metadata say of a table.

    Attributes:
        dim: Length of a vector.
        ids: ``string`` or ``int64``.
        count: Number of vectors.
        batch: Ids under each key of ids.
        checksum: SHA-256 of ids and vectors, hexadecimal.
        dtype: Of the vectors.
    """

    dim: int
    ids: str
    count: int
    batch: int
    checksum: str
    dtype: str = "float32"

    @classmethod
    def of(cls, text: bytes) -> Description:
        """Reads JSON that anybody may have written.

        Raises:
            ServerError: It is no description.
        """
        try:
            found = cls(**json.loads(text))
        except (TypeError, ValueError, RecursionError):
            raise ServerError("are not described by what tfrec writes") from None
        numbers = (found.dim, found.count, found.batch)
        if not (
            all(type(number) is int and number > 0 for number in numbers)
            and found.dim <= MOST_DIM
            and found.ids in ("string", "int64")
            and found.dtype == "float32"
            and isinstance(found.checksum, str)
        ):
            raise ServerError(
                f"are described by dim {found.dim!r}, count {found.count!r}, batch "
                f"{found.batch!r}, ids {found.ids!r} and dtype {found.dtype!r}, which "
                "cannot be"
            )
        return found


def finished(table: str) -> str:
    """The field that says that all of a table is there."""
    return f"{table}:finished"


def check_keep(keep: int) -> None:
    """Refuses to keep no version.

    Raises:
        ConfigError: Less than 1.
    """
    if keep < 1:
        raise ConfigError(f"keep={keep} must be at least 1.")


def check_table(name: str) -> None:
    """Refuses what is no table.

    Raises:
        ConfigError: Neither ``user`` nor ``item``.
    """
    if name not in TABLES:
        raise ConfigError(f"no table '{name}'; {did_you_mean(name, TABLES)}")
