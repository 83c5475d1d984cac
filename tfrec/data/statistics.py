"""Numbers and times learned from a stream in bounded memory.

Results do not depend on how the stream is cut into blocks.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tfrec.columns import Numeric
from tfrec.data.sides import held_out


class Sample:
    """A uniform sample of a stream: the values with the smallest random keys.

    Args:
        size: Values kept; all of them when there are fewer.
        seed: Seed of the keys.
    """

    def __init__(self, size: int = 100_000, seed: int = 0) -> None:
        self._size, self._generator = size, np.random.default_rng(seed)
        self._keys, self._values = np.empty(0), np.empty(0)

    def add(self, values: np.ndarray) -> None:
        """Offers ``(n,)`` values."""
        self._keys = np.append(self._keys, self._generator.random(len(values)))
        self._values = np.append(self._values, values)
        if len(self._keys) > 2 * self._size:
            self._cut()

    def _cut(self) -> None:
        if len(self._keys) > self._size:
            keep = np.argpartition(self._keys, self._size)[: self._size]
            self._keys, self._values = self._keys[keep], self._values[keep]

    def values(self) -> np.ndarray:
        """The sample, ascending."""
        self._cut()
        return np.sort(self._values)


class Statistics:
    """Mean, variance and sample of a numeric column, missing values left out.

    Variances of blocks are merged as in Chan, Golub and LeVeque 1979.

    Args:
        column: What is to be learned.
        seed: Seed of the sample behind quantiles.
    """

    def __init__(self, column: Numeric, seed: int = 0) -> None:
        self.column = column
        self.count, self.mean, self._squares = 0, 0.0, 0.0
        self._sample = Sample(seed=seed)

    def add(self, values: np.ndarray) -> None:
        """Takes ``(n,)`` float64 values; NaN is missing."""
        values = self.column.present(values)
        if not len(values):
            return
        if self.column.normalisation == "quantile":
            self._sample.add(values)
        if self.column.normalisation == "log":
            values = np.log1p(np.maximum(values, 0))
        total, shift = self.count + len(values), values.mean() - self.mean
        self._squares += float(
            np.square(values - values.mean()).sum()
            + shift**2 * self.count * len(values) / total
        )
        self.mean += float(shift * len(values) / total)
        self.count = total

    def fitted(self) -> Numeric:
        """The column with its statistics.

        Raises:
            ValueError: Every value is missing.
        """
        if self.column.normalisation == "quantile" or not self.count:
            return self.column.fit(self._sample.values())
        if self.column.normalisation is None:
            return self.column
        std = (self._squares / self.count) ** 0.5 or 1.0
        return dataclasses.replace(self.column, mean=self.mean, std=std)


class TimeCounts:
    """Events per tick of time, to cut a stream into parts by time.

    A tick is a microsecond until there are more than ``limit`` distinct ticks; then its
    length doubles, and cuts fall on ticks of that length.

    Args:
        limit: Most ticks held.

    Attributes:
        span: First and last time so far; None before any.
    """

    def __init__(self, limit: int = 1 << 22) -> None:
        self._limit, self.tick = limit, 1
        self.span: tuple[int, int] | None = None
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, times: np.ndarray) -> None:
        """Counts ``(n,)`` int64 times in microseconds."""
        if not len(times):
            return
        first, last = self.span or (times[0], times[0])
        self.span = int(min(first, times.min())), int(max(last, times.max()))
        self._parts.append(np.unique(times // self.tick, return_counts=True))
        if sum(len(ticks) for ticks, _ in self._parts) > 2 * self._limit:
            self._merge()

    def _merge(self) -> tuple[np.ndarray, np.ndarray]:
        ticks = np.concatenate([ticks for ticks, _ in self._parts])
        counts = np.concatenate([counts for _, counts in self._parts])
        ticks, counts = _summed(ticks, counts)
        while len(ticks) > self._limit:
            self.tick *= 2
            ticks, counts = _summed(ticks // 2, counts)
        self._parts = [(ticks, counts)]
        return ticks, counts

    def cuts(self, valid: float, test: float) -> tuple[tuple[int, int], np.ndarray]:
        """Where a temporal split falls.

        Args:
            valid: Share of validation.
            test: Share of the test.

        Returns:
            First time of validation and of the test, and ``(3,)`` events of each part.
        """
        ticks, counts = self._merge()
        below = np.cumsum(counts)
        places = held_out(int(below[-1]), valid, test)
        at = np.searchsorted(below, places, side="right")
        begins = np.append(ticks, ticks[-1] + 1) * self.tick
        sizes = np.diff(np.concatenate([[0], np.append(0, below)[at], below[-1:]]))
        return (int(begins[at[0]]), int(begins[at[1]])), sizes


def _summed(ticks: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(ticks, kind="stable")
    ticks = ticks[order]
    first = np.flatnonzero(np.diff(ticks, prepend=ticks[0] - 1))
    return ticks[first], np.add.reduceat(counts[order], first)
