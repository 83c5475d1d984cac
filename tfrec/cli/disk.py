"""A full disk, and what is saved nevertheless."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tfrec import atomic


@contextmanager
def told(folder: Path, saved: Callable[[], str]) -> Iterator[None]:
    """Says of a full disk what is saved, and how to go on.

    Args:
        folder: What is written.
        saved: Says what of it is saved, asked when the disk is full.

    Raises:
        OSError: The disk takes no more.
    """
    try:
        yield
    except Exception as why:
        reason = atomic.full_disk(why)
        if reason is None:
            raise
        raise OSError(
            f"{folder} cannot be written to its end ({reason}); {saved()}: free space "
            "there, and give the same command again."
        ) from why
