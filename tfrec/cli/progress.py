"""How far long work is, on standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfrec.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress


def bar() -> Progress:
    """A progress bar that is drawn on a terminal only and then disappears."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = output.notes()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Says what is being done, with a spinner on a terminal."""
    console = output.notes()
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()

    def __call__(self) -> float:
        return time.perf_counter() - self._begin
