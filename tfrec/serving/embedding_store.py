"""User and item vectors in Redis, versioned, switched at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfrec.errors import ConfigError, ServerError
from tfrec.serving.embedding_keys import TABLES, Keys, check_table, finished
from tfrec.serving.embedding_push import Push
from tfrec.serving.embeddings import Table, kind, raw_ids
from tfrec.serving.redis_server import connect, told

SCANNED = 1000


class EmbeddingStore:
    """The vectors of one model on a Redis server.

    Every batch is a transaction over many keys, so the server is a single one, with
    replicas or not, and no cluster.

    Args:
        url: See :func:`tfrec.serving.redis_server.connect`.
        model: The model's name: letters, digits, ``.``, ``_`` and ``-``.
        prefix: Of all keys, in the same letters.
        timeout: Seconds for connecting and for each answer.

    Raises:
        ValueError: The URL or a name cannot be used.
    """

    def __init__(
        self, url: str, model: str, prefix: str = "tfrec", timeout: float = 5.0
    ) -> None:
        self.keys = Keys(prefix, model)
        self._redis, self.place = connect(url, timeout)

    def __repr__(self) -> str:
        return f"EmbeddingStore({self.keys()} on {self.place})"

    @property
    def live(self) -> int | None:
        """The version that answers, or None."""
        with told(self.place):
            value = self._redis.get(self.keys.live)
        return None if value is None else int(value)

    def versions(self) -> list[int]:
        """All versions, finished or not, ascending."""
        with told(self.place):
            return sorted(map(int, self._redis.smembers(self.keys.versions)))

    def get(
        self, table: str, ids: Any, version: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of some ids, with one MGET.

        Args:
            table: ``user`` or ``item``.
            ids: Raw ids, text or whole numbers.
            version: The live one when None.

        Returns:
            ``(ids, dim)`` float32, zeros where an id is unknown, and ``(ids,)`` bool,
            whether it is known.

        Raises:
            ValueError: No such version or table, or ids of another type.
            OSError: The server does not answer.
        """
        version, described = self._open(table, version)
        wanted = raw_ids(ids) if len(ids) else np.zeros(0, object)
        if len(wanted) and kind(wanted) != described["ids"]:
            raise ConfigError(
                f"{self._name(version, table)} are under ids of {described['ids']}, "
                f"not {kind(wanted)}: convert the ids."
            )
        return self._read(version, table, described["dim"], wanted)

    def vectors(self, table: str, version: int | None = None) -> Table:
        """A whole table, in the order in which it was pushed.

        Args:
            table: ``user`` or ``item``.
            version: The live one when None.

        Raises:
            ServerError: No such version or table, or not what was pushed.
            OSError: The server does not answer.
        """
        version, described = self._open(table, version)
        ids, parts = [], []
        for n in range(-(-described["count"] // described["batch"])):
            with told(self.place):
                text = self._redis.get(self.keys.ids(version, table, n))
            batch = raw_ids(json.loads(text)) if text else np.zeros(0, object)
            found, known = self._read(version, table, described["dim"], batch)
            if not text or not known.all():
                raise ServerError(
                    f"{self._name(version, table)} have lost keys, expired, evicted or "
                    "deleted: push the version again."
                )
            ids.append(batch)
            parts.append(found)
        result = Table(np.concatenate(ids), np.concatenate(parts))
        if result.checksum != described["checksum"]:
            raise ServerError(
                f"{self._name(version, table)} are not those that were pushed: push "
                "them as another version."
            )
        return result

    def push(
        self,
        version: int,
        tables: Mapping[str, Table],
        batch: int = 1000,
        ttl: int | None = None,
        keep: int = 2,
    ) -> int:
        """Writes a version, counts what is there, and lets it answer.

        What answered before does so until then, and when the push breaks. A second push
        of the same version and vectors goes on where the first one ended.

        Args:
            version: A number of 1 or more.
            tables: Under ``user``, ``item`` or both.
            batch: Vectors for each transaction.
            ttl: Seconds until the version goes away by itself; None for never.
            keep: How many versions stay, the live one among them.

        Returns:
            How many vectors were written; those found there are not.

        Raises:
            ValueError: An argument is wrong, or the version holds other vectors.
            OSError: The server cannot be reached, refuses or is full.
        """
        _check_keep(keep)
        push = Push(self._redis, self.keys, version, batch, ttl)
        cure = (
            f"version {version} is not live and what was live stays so, and the same "
            "push goes on where this one ended"
        )
        with told(self.place, cure):
            written = push(tables)
        self.prune(keep)
        return written

    def activate(self, version: int) -> None:
        """Lets another finished version answer, for example an older one.

        Raises:
            ServerError: There is no such version, or it is not finished.
            OSError: The server does not answer.
        """
        with told(self.place):
            begun = self._redis.hmget(self.keys.meta(version), TABLES)
            ended = self._redis.hmget(
                self.keys.meta(version), [finished(name) for name in TABLES]
            )
        if not any(begun) or [*map(bool, begun)] != [*map(bool, ended)]:
            raise ServerError(
                f"version {version} of '{self.keys.model}' on {self.place} is not "
                f"there or not finished: there are {self.versions()}; push it first."
            )
        with told(self.place):
            self._redis.set(self.keys.live, version)

    def prune(self, keep: int) -> list[int]:
        """Deletes old versions; the live one stays.

        Args:
            keep: How many stay, the live one among them.

        Returns:
            The versions that were deleted.

        Raises:
            ValueError: ``keep`` is less than 1.
            OSError: The server does not answer.
        """
        _check_keep(keep)
        live = self.live
        others = [version for version in self.versions() if version != live]
        old = others[: max(0, len(others) - keep + (live is not None))]
        with told(self.place):
            for version in old:
                self._delete(version)
        return old

    def _delete(self, version: int) -> None:
        # Step by step, so that no other client waits.
        pattern, cursor = self.keys(version, "*"), 0
        while True:
            cursor, found = self._redis.scan(cursor, pattern, SCANNED)
            if found:
                self._redis.unlink(*found)
            if cursor == 0:
                break
        self._redis.srem(self.keys.versions, version)

    def _name(self, version: int, table: str) -> str:
        return (
            f"the {table} vectors of version {version} of '{self.keys.model}' on "
            f"{self.place}"
        )

    def _open(self, table: str, version: int | None) -> tuple[int, dict[str, Any]]:
        check_table(table)
        version = self.live if version is None else version
        if version is None:
            raise ServerError(
                f"no version of '{self.keys.model}' is live on {self.place}: push one."
            )
        with told(self.place):
            text, ended = self._redis.hmget(
                self.keys.meta(version), [table, finished(table)]
            )
        if not text or not ended:
            raise ServerError(
                f"{self._name(version, table)} were never finished, or have expired: "
                "push them."
            )
        return version, json.loads(text)

    def _read(
        self, version: int, table: str, dim: int, ids: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        keys, blank = self.keys.vectors(version, table, ids), bytes(4 * dim)
        with told(self.place):
            values = self._redis.mget(keys) if keys else []
        data = b"".join(blank if value is None else value for value in values)
        if len(data) != len(blank) * len(keys):
            raise ServerError(
                f"{self._name(version, table)} have keys that hold no vector of {dim}: "
                "push them as another version."
            )
        found = np.frombuffer(data, "<f4").reshape(-1, dim).astype(np.float32)
        return found, np.array([value is not None for value in values], bool)


def _check_keep(keep: int) -> None:
    if keep < 1:
        raise ConfigError(f"keep={keep} must be at least 1.")
