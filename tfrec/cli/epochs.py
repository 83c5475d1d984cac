"""The epochs of a run on disk: the last one, to go on from, and the best one."""

from __future__ import annotations

import csv
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATE, HISTORY = "state", "history.csv"
Rows = list[dict[str, float]]


@dataclass(frozen=True)
class Epochs:
    """What is kept of the epochs of a run.

    ``epoch-7/`` holds the state of training after the seventh epoch and the numbers of
    all seven. It is written beside and renamed, so it is whole or not there. Which
    epoch is the best is read from the numbers of the last one, and that one is there.

    Attributes:
        folder: Where the epochs stand.
        monitor: The number by which an epoch is the best; None for the last one.
        mode: Whether that number shall be ``max`` or ``min``.
    """

    folder: Path
    monitor: str | None = None
    mode: str = "max"

    @property
    def last(self) -> int:
        """The last epoch that ended, from 1; 0 for none."""
        names = [path.name.partition("-")[2] for path in self.folder.glob("epoch-*")]
        return max((int(name) for name in names if name.isdecimal()), default=0)

    def best(self, rows: Rows) -> int:
        """The best of the epochs with these numbers, from 1.

        The first of equals; the last epoch where none has a number.
        """
        numbers = [row.get(self.monitor or "", math.nan) for row in rows]
        known = [number for number in numbers if not math.isnan(number)]
        if not known:
            return len(rows)
        return numbers.index((max if self.mode == "max" else min)(known)) + 1

    def state(self, epoch: int) -> Path:
        """Where the state after an epoch stands."""
        return self.folder / f"epoch-{epoch}" / STATE

    def rows(self) -> Rows:
        """The numbers of all epochs that ended."""
        if not self.last:
            return []
        with self.state(self.last).with_name(HISTORY).open(encoding="utf-8") as lines:
            return [
                {name: float(value) for name, value in row.items() if value}
                for row in csv.DictReader(lines)
            ]

    def keep(self, rows: Rows, write: Callable[[str], Any]) -> None:
        """Keeps another epoch, and of the earlier ones the best.

        Args:
            rows: The numbers of all epochs, of this one last.
            write: Writes the state at a path.
        """
        beside = self.folder / ".epoch"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        write(str(beside / STATE))
        write_rows(beside / HISTORY, rows)
        os.replace(beside, self.state(len(rows)).parent)
        kept = {self.state(epoch).parent for epoch in (len(rows), self.best(rows))}
        for other in set(self.folder.iterdir()) - kept:
            shutil.rmtree(other)


def write_rows(path: Path, rows: Rows) -> None:
    """Writes the numbers of epochs as a CSV file."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows([{**row, "epoch": int(row["epoch"])} for row in rows])
