"""A version of vectors on its way into Redis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tfrec.errors import ConfigError, ServerError
from tfrec.serving.embedding_keys import (
    TABLES,
    Description,
    Keys,
    check_table,
    finished,
)
from tfrec.serving.embeddings import Table, kind

COUNTED = 1000


@dataclass(frozen=True)
class Push:
    """Writes the vectors of one version and lets it answer.

    Attributes:
        redis: The client.
        keys: The model's keys.
        version: A number of 1 or more.
        batch: Vectors for each transaction.
        ttl: Seconds until the version goes away by itself; None for never.
    """

    redis: Any
    keys: Keys
    version: int
    batch: int
    ttl: int | None

    def __post_init__(self) -> None:
        given = {"version": self.version, "batch": self.batch, "ttl": self.ttl}
        for what, value in given.items():
            if value is not None and value < 1:
                raise ConfigError(f"{what}={value} must be at least 1.")

    def __call__(self, tables: Mapping[str, Table]) -> int:
        """Writes what is not there yet, counts, then switches.

        Args:
            tables: Under ``user``, ``item`` or both.

        Returns:
            How many vectors were written.

        Raises:
            ConfigError: There is no table, or the version holds other vectors.
            OSError: Keys are gone again before the switch.
            redis.RedisError: The server fails.
        """
        for name in tables:
            check_table(name)
        if not tables:
            raise ConfigError("there is nothing to push: give users, items or both.")
        written = sum(self._write(n, tables[n]) for n in TABLES if n in tables)
        for name, table in tables.items():
            self._count(name, table)
        with self.redis.pipeline(transaction=True) as pipe:
            for name in tables:
                pipe.hset(self.keys.meta(self.version), finished(name), 1)
            pipe.set(self.keys.live, self.version)
            pipe.execute()
        return written

    def _write(self, name: str, table: Table) -> int:
        meta, written = self.keys.meta(self.version), 0
        size = self._describe(name, table).batch
        # Each row as one bytes object, made in C.
        rows = table.vectors.view(f"V{4 * table.dim}").ravel()
        for n, begin in enumerate(range(0, len(table.ids), size)):
            ids = table.ids[begin : begin + size]
            keys = self.keys.vectors(self.version, name, ids)
            done = f"{name}:{n}"
            if self.redis.hexists(meta, done) and self._there(keys) == len(keys):
                continue
            listed = self.keys.ids(self.version, name, n)
            values = rows[begin : begin + size].tolist()
            with self.redis.pipeline(transaction=True) as pipe:
                pipe.mset(dict(zip(keys, values, strict=True)))
                pipe.set(listed, json.dumps(ids.tolist()))
                pipe.hset(meta, done, 1)
                for key in (*keys, listed) if self.ttl else ():
                    pipe.expire(key, self.ttl)
                pipe.execute()
            written += len(keys)
        return written

    def _describe(self, name: str, table: Table) -> Description:
        """Notes what comes; what an earlier push of the same noted stays.

        With a ttl the metadata go first: a version without them is refused, one that
        lost vectors alone would seem whole.
        """
        described = Description(
            table.dim, kind(table.ids), len(table.ids), self.batch, table.checksum
        )
        meta = self.keys.meta(self.version)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.sadd(self.keys.versions, self.version)
            pipe.hsetnx(meta, name, json.dumps(asdict(described)))
            pipe.hget(meta, name)
            text = pipe.execute()[-1]
        if self.ttl and self.redis.ttl(meta) < 0:
            self.redis.expire(meta, self.ttl)
        try:
            there = Description.of(text)
        except ServerError as why:
            raise ServerError(
                f"the {name} vectors of version {self.version} of '{self.keys.model}' "
                f"{why}: push these as another version."
            ) from None
        if there.checksum != described.checksum:
            raise ConfigError(
                f"version {self.version} of '{self.keys.model}' holds other {name} "
                "vectors: push these as another version."
            )
        return there

    def _there(self, keys: list[str]) -> int:
        return int(self.redis.exists(*keys))

    def _count(self, name: str, table: Table) -> None:
        count = 0
        for begin in range(0, len(table.ids), COUNTED):
            ids = table.ids[begin : begin + COUNTED]
            count += self._there(self.keys.vectors(self.version, name, ids))
        if count != len(table.ids):
            raise OSError(
                f"version {self.version} of '{self.keys.model}' has {count} of "
                f"{len(table.ids)} {name} vectors after the push and is not live: the "
                "server evicts keys or the ttl is short; raise maxmemory or the ttl."
            )
