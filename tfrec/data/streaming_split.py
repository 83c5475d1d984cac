"""The splits of :mod:`tfrec.data.split` over a file that does not fit into memory.

A splitter meets every block twice, in the same order: once to find where to cut, once
to say on which side each row falls. The sides are those of the same split in memory;
cuts among more than four million distinct times are rounded, as
:class:`~tfrec.data.statistics.TimeCounts` says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pyarrow as pa

from tfrec.data.convert import Arrays
from tfrec.data.mapping import Mapping
from tfrec.data.sides import (
    TEST,
    VALID,
    check_parts,
    held_out,
    random_cuts,
    sides_by_cuts,
)
from tfrec.data.split import NAMES, check_name
from tfrec.data.statistics import TimeCounts
from tfrec.errors import ConfigError, DataError


class Splitter(ABC):
    """Two passes over the same blocks."""

    @abstractmethod
    def observe(self, block: Arrays) -> None:
        """First pass: takes a block."""

    @abstractmethod
    def finish(self) -> np.ndarray:
        """Ends the first pass; returns ``(3,)`` rows of train, validation and test.

        Raises:
            ValueError: A part would be empty.
        """

    @abstractmethod
    def sides(self, block: Arrays) -> np.ndarray:
        """Second pass: ``(n,)`` int8 side of each row of the next block."""


def make(how: str, mapping: Mapping, user: str, **options: Any) -> Splitter:
    """The splitter of a split.

    Args:
        how: ``temporal``, ``leave_last_out`` or ``random``.
        mapping: Roles of the columns.
        user: Name of the user column in the blocks.
        **options: ``valid``, ``test``, ``seed``, as far as the split takes them.

    Raises:
        ValueError: Unknown split or option, or no timestamp where one is needed.
    """
    check_name(how)
    accepted = {
        "temporal": ("valid", "test"),
        "leave_last_out": (),
        "random": ("valid", "test", "seed"),
    }[how]
    for option in options:
        if option not in accepted:
            others = [n for n in NAMES if n != how]
            raise ConfigError(
                f"split '{how}' takes no '{option}': drop it, or use split "
                f"{' or '.join(others)}."
            )
    if how == "random":
        return Random(user, **options)
    if mapping.timestamp is None:
        raise DataError(
            f"split '{how}' needs event times: name the timestamp column, or use split "
            "'random'."
        )
    if how == "temporal":
        return Temporal(mapping.timestamp, **options)
    return LeaveLastOut(user, mapping.timestamp)


class Temporal(Splitter):
    """One cut in time.

    Args:
        timestamp: Name of the time column.
        valid: Share of validation.
        test: Share of the test.
    """

    def __init__(self, timestamp: str, valid: float = 0.1, test: float = 0.1) -> None:
        held_out(1, valid, test)
        self._timestamp, self._valid, self._test = timestamp, valid, test
        self._times = TimeCounts()
        self._cuts = (0, 0)

    def observe(self, block: Arrays) -> None:
        self._times.add(block[self._timestamp].to_numpy())

    def finish(self) -> np.ndarray:
        self._cuts, sizes = self._times.cuts(self._valid, self._test)
        check_parts(sizes, self._valid, self._test, "temporal")
        return sizes

    def sides(self, block: Arrays) -> np.ndarray:
        return sides_by_cuts(block[self._timestamp].to_numpy(), self._cuts)


class Random(Splitter):
    """Rows at random.

    Args:
        user: Any column, to count rows by.
        valid: Share of validation.
        test: Share of the test.
        seed: Seed of the draw.
    """

    def __init__(
        self, user: str, valid: float = 0.1, test: float = 0.1, seed: int = 0
    ) -> None:
        held_out(1, valid, test)
        self._user, self._valid, self._test, self._seed = user, valid, test, seed
        self._rows = 0
        self._cuts = (0.0, 0.0)
        self._generator = np.random.default_rng(seed)

    def observe(self, block: Arrays) -> None:
        self._rows += len(block[self._user])

    def finish(self) -> np.ndarray:
        self._cuts = random_cuts(self._rows, self._valid, self._test, self._seed)
        return np.diff([0, *held_out(self._rows, self._valid, self._test), self._rows])

    def sides(self, block: Arrays) -> np.ndarray:
        return sides_by_cuts(self._generator.random(len(block[self._user])), self._cuts)


class LeaveLastOut(Splitter):
    """Each user's last two events; memory is that of three events per user.

    Args:
        user: Name of the user column.
        timestamp: Name of the time column.
        pending: Rows to collect before they are reduced.
    """

    def __init__(self, user: str, timestamp: str, pending: int = 1 << 21) -> None:
        self._user, self._timestamp, self._limit = user, timestamp, pending
        self._parts: list[tuple[pa.Array, np.ndarray, np.ndarray]] = []
        self._rows = self._kept = self._row = 0
        self._held: dict[int, np.ndarray] = {}

    def observe(self, block: Arrays) -> None:
        users = block[self._user]
        rows = np.arange(self._rows, self._rows + len(users))
        self._rows += len(users)
        self._parts.append((users, block[self._timestamp].to_numpy(), rows))
        if sum(len(part[2]) for part in self._parts) > self._kept + self._limit:
            self._reduce()

    def _reduce(self) -> tuple[np.ndarray, np.ndarray]:
        """Keeps three events per user, in order; returns their users and rows."""
        users = pa.concat_arrays([part[0] for part in self._parts])
        times, rows = (np.concatenate([p[i] for p in self._parts]) for i in (1, 2))
        codes = users.dictionary_encode().indices.to_numpy()
        order = np.lexsort((rows, times, codes))
        counts = np.bincount(codes)
        from_end = np.repeat(np.cumsum(counts), counts) - np.arange(len(codes))
        order = order[from_end <= 3]
        self._kept = len(order)
        self._parts = [(users.take(pa.array(order)), times[order], rows[order])]
        return codes[order], rows[order]

    def finish(self) -> np.ndarray:
        users, rows = self._reduce()
        counts = np.bincount(users)
        end = np.cumsum(counts)[counts == 3]
        check_parts(np.full(3, len(end)), 1, 1, "leave_last_out")
        self._held = {TEST: np.sort(rows[end - 1]), VALID: np.sort(rows[end - 2])}
        return np.array([self._rows - 2 * len(end), len(end), len(end)])

    def sides(self, block: Arrays) -> np.ndarray:
        size = len(block[self._user])
        sides = np.zeros(size, np.int8)
        for side, rows in self._held.items():
            begin, end = np.searchsorted(rows, (self._row, self._row + size))
            sides[rows[begin:end] - self._row] = side
        self._row += size
        return sides
