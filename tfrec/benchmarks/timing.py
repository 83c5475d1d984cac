"""Two ways to do the same work, timed in turns so that both meet the same machine."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Work = Callable[[], Any]


class LeftOut(RuntimeError):
    """A measurement cannot be made here; the message is one sentence that says why."""


@dataclass(frozen=True)
class Timed:
    """What one of two contenders took and returned.

    Attributes:
        seconds: Of each round.
        busy: Processor seconds of each round, all threads together. They hardly change
            when other programs want the processors too.
        results: What the work returned in each round.
    """

    seconds: tuple[float, ...]
    busy: tuple[float, ...]
    results: tuple[Any, ...]

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)


def in_turns(ours: Work, baseline: Work, rounds: int) -> tuple[Timed, Timed]:
    """Runs two pieces of work in turns: ours, baseline, ours, baseline, ...

    One round of each comes before and is not timed: it traces graphs and fills caches.

    Args:
        ours: What is measured.
        baseline: What it is compared with.
        rounds: Timed rounds of each.

    Returns:
        The timings of both.
    """
    both = (ours, baseline)
    for work in both:
        work()
    turns = [[_timed(work) for work in both] for _ in range(rounds)]
    first, second = (
        Timed(*zip(*done, strict=True)) for done in zip(*turns, strict=True)
    )
    return first, second


def _timed(work: Work) -> tuple[float, float, Any]:
    start, busy = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - start, time.process_time() - busy, result


def busy_ratio(ours: Timed, baseline: Timed) -> float:
    """Ratio of the processor seconds of the two."""
    return statistics.median(ours.busy) / statistics.median(baseline.busy)


def row(
    name: str,
    ours: float,
    baseline: float,
    unit: str,
    note: str,
    at_least: float | None = None,
    at_most: float | None = None,
    **details: Any,
) -> Row:
    """One line of the table.

    Args:
        name: What is measured.
        ours: Our number.
        baseline: The number it is compared with.
        unit: Unit of both.
        note: What stands behind the numbers.
        at_least: Target of ``ours / baseline``, where more is better.
        at_most: Target of ``ours / baseline``, where less is better.
        **details: More, JSON-able, for whoever wants to check.

    Returns:
        ``name``, ``ours``, ``baseline``, ``unit``, ``ratio``, ``target`` (text),
        ``met`` (whether the target is reached, None without one), ``note``, details.
    """
    ratio = ours / baseline
    target, met = "", None
    if at_least is not None:
        target, met = f">= {at_least:g}", ratio >= at_least
    elif at_most is not None:
        target, met = f"<= {at_most:g}", ratio <= at_most
    return {
        "name": name,
        "ours": ours,
        "baseline": baseline,
        "unit": unit,
        "ratio": ratio,
        "target": target,
        "met": met,
        "note": note,
        **details,
    }


def peak_memory() -> float:
    """Peak resident memory of this process, in GB (10^9 bytes).

    On Linux from ``/proc``: what ``getrusage`` says there starts with the size of the
    process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(
            line.split(":", 1)
            for line in status.read_text().splitlines()
            if ":" in line
        )
        return int(fields["VmHWM"].split()[0]) * 1024 / 1e9
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)


def mapped_memory() -> float:
    """Resident memory of mapped files, mostly libraries, in GB; 0 but on Linux."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("RssFile:")]
    return int(found[0]) * 1024 / 1e9 if found else 0.0


def in_fresh_process(module: str, *arguments: str) -> Any:
    """Runs ``python -m module arguments`` and reads the JSON of its last line.

    A peak of memory belongs to a process, so it is measured in one of its own.

    Raises:
        RuntimeError: The process failed; the end of what it said is in the message.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"python -m {module} ended with exit code {done.returncode}: "
            f"{done.stderr.strip()[-500:]}"
        )
    return json.loads(done.stdout.strip().splitlines()[-1])
