"""The arithmetic of splits: which side of it each row falls on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tfrec.errors import ConfigError, DataError

TRAIN, VALID, TEST = 0, 1, 2
BINS = 65_536


def temporal_sides(times: np.ndarray, valid: float, test: float) -> np.ndarray:
    """Side of every row: 0 train, 1 validation, 2 test.

    Args:
        times: ``(n,)`` event times.
        valid: Share of validation.
        test: Share of the test.

    Returns:
        ``(n,)`` int8.

    Raises:
        ValueError: Bad shares, or ties leave a part empty.
    """
    begin, end = held_out(len(times), valid, test)
    ordered = np.sort(times)
    last = ordered[-1] + 1 if len(ordered) else 0
    first = ordered[begin] if begin < len(times) else last
    second = ordered[end] if end < len(times) else last
    sides = sides_by_cuts(times, (first, second))
    check_parts(np.bincount(sides, minlength=3), valid, test, "temporal")
    return sides


def leave_last_out_sides(users: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Side of every row: 2 for each user's last event, 1 for the one before, else 0.

    Args:
        users: ``(n,)`` user ids, or whatever tells people apart.
        times: ``(n,)`` event times.

    Returns:
        ``(n,)`` int8.

    Raises:
        ValueError: No user has three events.
    """
    _, codes = np.unique(users, return_inverse=True)
    order = np.lexsort((np.arange(len(times)), times, codes))
    end = np.cumsum(np.bincount(codes))
    begin = np.concatenate([[0], end[:-1]])
    enough = end - begin >= 3
    check_parts(np.full(3, enough.sum()), 1, 1, "leave_last_out")
    sides = np.zeros(len(times), np.int8)
    sides[order[end[enough] - 1]] = TEST
    sides[order[end[enough] - 2]] = VALID
    return sides


def held_out(rows: int, valid: float, test: float) -> tuple[int, int]:
    """First rows of validation and of the test when rows are in order.

    Raises:
        ConfigError: Shares that are negative or leave nothing to train on.
    """
    if valid < 0 or test < 0 or valid + test >= 1:
        raise ConfigError(
            f"shares valid={valid:g} and test={test:g} must not be negative and must "
            "sum to less than 1."
        )
    end = rows - round(rows * test)
    return end - round(rows * valid), end


def random_cuts(
    rows: int, valid: float, test: float, seed: int, block: int = 1 << 20
) -> tuple[float, float]:
    """Where to cut uniform draws so that the parts have exactly the shares asked for.

    The draws are made twice, block by block, and never held: first counted in bins,
    then only those of the two bins in question are sorted.

    Args:
        rows: Number of draws.
        valid: Share of validation.
        test: Share of the test.
        seed: Seed of the draws, ``np.random.default_rng(seed).random``.
        block: Draws in memory at a time.

    Returns:
        Lowest draw of validation and of the test.

    Raises:
        ValueError: Bad shares, or a part would be empty.
    """
    places = held_out(rows, valid, test)
    sizes = np.diff([0, *places, rows])
    check_parts(sizes, valid, test, "random")
    counts = np.zeros(BINS, np.int64)
    for draws in _draws(rows, seed, block):
        counts += np.bincount((draws * BINS).astype(np.int64), minlength=BINS)
    below = np.cumsum(counts)
    wanted = np.searchsorted(below, places, side="right")
    kept: list[list[np.ndarray]] = [[], []]
    for draws in _draws(rows, seed, block):
        bins = (draws * BINS).astype(np.int64)
        for values, number in zip(kept, wanted, strict=True):
            values.append(draws[bins == number])
    cuts = []
    for place, number, values in zip(places, wanted, kept, strict=True):
        rank = place - (below[number - 1] if number else 0)
        cuts.append(float(np.sort(np.concatenate(values))[rank]) if place < rows else 1)
    return cuts[0], cuts[1]


def _draws(rows: int, seed: int, block: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(seed)
    for start in range(0, rows, block):
        yield generator.random(min(block, rows - start))


def sides_by_cuts(values: np.ndarray, cuts: tuple[Any, Any]) -> np.ndarray:
    """Side of every value: below the first cut, below the second, or the rest."""
    sides = np.zeros(len(values), np.int8)
    sides[values >= cuts[0]] = VALID
    sides[values >= cuts[1]] = TEST
    return sides


def of_sides(sides: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers of each side."""
    return (
        np.flatnonzero(sides == TRAIN),
        np.flatnonzero(sides == VALID),
        np.flatnonzero(sides == TEST),
    )


def check_parts(sizes: np.ndarray, valid: float, test: float, how: str) -> None:
    """Refuses a split one of whose wanted parts is empty.

    Raises:
        DataError: Names the parts and what to do.
    """
    wanted = {"train": (sizes[0], 1), "valid": (sizes[1], valid)}
    wanted["test"] = (sizes[2], test)
    empty = [name for name, (size, share) in wanted.items() if share and not size]
    if empty:
        cure = {
            "temporal": "too many events share one time; use split 'random'",
            "leave_last_out": "no user has three events; use split 'temporal'",
            "random": "there are too few events; ask for larger shares",
        }[how]
        raise DataError(f"split '{how}' leaves {' and '.join(empty)} empty: {cure}.")
