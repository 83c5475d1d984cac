"""User and item vectors in Redis, versioned, switched at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfrec.errors import ConfigError, ServerError, TfrecError
from tfrec.serving.embedding_keys import (
    TABLES,
    Description,
    Keys,
    check_keep,
    check_table,
    finished,
)
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
        return None if value is None else self.keys.number(value, self.place)

    def versions(self) -> list[int]:
        """All versions, finished or not, ascending."""
        with told(self.place):
            found = self._redis.smembers(self.keys.versions)
        return sorted(self.keys.number(value, self.place) for value in found)

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
        if len(wanted) and kind(wanted) != described.ids:
            raise ConfigError(
                f"{self._name(version, table)} are under ids of {described.ids}, "
                f"not {kind(wanted)}: convert the ids."
            )
        return self._read(version, table, described.dim, wanted)

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
        for n in range(-(-described.count // described.batch)):
            with told(self.place):
                text = self._redis.get(self.keys.ids(version, table, n))
            batch = self._ids(version, table, text) if text else np.zeros(0, object)
            found, known = self._read(version, table, described.dim, batch)
            if not text or not known.all():
                raise ServerError(
                    f"{self._name(version, table)} have lost keys, expired, evicted or "
                    "deleted: push the version again."
                )
            ids.append(batch)
            parts.append(found)
        try:
            result = Table(np.concatenate(ids), np.concatenate(parts))
            same = result.checksum == described.checksum
        except TfrecError:  # an id twice, or ids of two types
            same = False
        if not same:
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
        check_keep(keep)
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

        All its vectors are read first, so that what answers is whole.

        Raises:
            ServerError: There is no such version, it is not finished, or its vectors
                are not those that were pushed.
            OSError: The server does not answer, or the version goes meanwhile.
        """
        meta = self.keys.meta(version)
        with told(self.place), self._redis.pipeline(transaction=True) as pipe:
            pipe.watch(meta)
            begun = pipe.hmget(meta, TABLES)
            ended = pipe.hmget(meta, [finished(name) for name in TABLES])
            if not any(begun) or [*map(bool, begun)] != [*map(bool, ended)]:
                raise ServerError(
                    f"version {version} of '{self.keys.model}' on {self.place} is not "
                    f"there or not finished: there are {self.versions()}; push it "
                    "first."
                )
            for name, text in zip(TABLES, begun, strict=True):
                if text:
                    self.vectors(name, version)
            pipe.multi()
            pipe.set(self.keys.live, version)
            pipe.execute()

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
        check_keep(keep)
        live = self.live
        others = [version for version in self.versions() if version != live]
        old = others[: max(0, len(others) - keep + (live is not None))]
        with told(self.place):
            for version in old:
                self._delete(version)
        return old

    def _delete(self, version: int) -> None:
        # The metadata first, so that nobody reads what is half gone; then step by step,
        # so that no other client waits.
        self._redis.unlink(self.keys.meta(version))
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

    def _ids(self, version: int, table: str, text: bytes) -> np.ndarray:
        try:
            return raw_ids(json.loads(text))
        except (ValueError, RecursionError):
            raise ServerError(
                f"{self._name(version, table)} have a list of ids that tfrec did not "
                "write: push them as another version."
            ) from None

    def _unfinished(self, version: int, table: str) -> ServerError:
        return ServerError(
            f"{self._name(version, table)} were never finished, or have expired: push "
            "them."
        )

    def _open(self, table: str, version: int | None) -> tuple[int, Description]:
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
            raise self._unfinished(version, table)
        try:
            return version, Description.of(text)
        except ServerError as why:
            raise ServerError(
                f"{self._name(version, table)} {why}: push them as another version."
            ) from None

    def _read(
        self, version: int, table: str, dim: int, ids: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        keys, size = self.keys.vectors(version, table, ids), 4 * dim
        values: list[bytes | None] = []
        if keys:
            # Together: vectors that are gone are not taken for unknown ids.
            with told(self.place), self._redis.pipeline(transaction=True) as pipe:
                pipe.hget(self.keys.meta(version), finished(table))
                ended, values = pipe.mget(keys).execute()
            if not ended:
                raise self._unfinished(version, table)
        for key, value in zip(keys, values, strict=True):
            if value is not None and len(value) != size:
                raise self._no_vector(version, table, key, dim)
        known = np.array([value is not None for value in values], bool)
        data = b"".join(value for value in values if value is not None)
        found = np.zeros((len(keys), dim), np.float32)
        found[known] = np.frombuffer(data, "<f4").reshape(-1, dim)
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            raise self._no_vector(version, table, keys[int(np.argmin(finite))], dim)
        return found, known

    def _no_vector(self, version: int, table: str, key: str, dim: int) -> ServerError:
        return ServerError(
            f"{self._name(version, table)} are damaged: {key} holds no vector of {dim} "
            "finite numbers; push them as another version."
        )
