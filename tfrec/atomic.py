"""Files and folders that appear whole: written beside their place and renamed."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = re.compile(r"\.(.+)\.\w{8}\.lock")
HOST = socket.gethostname()
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A hidden place beside a path, to write at before renaming.

    A lock file of the same name and ``.lock`` holds host and process id, and is locked
    as long as the process lives. What stands at the place afterwards is removed, and so
    is, before, what killed processes have left for the same path.

    Args:
        path: Where a file or folder shall stand; the folder around it is made.

    Yields:
        ``.{name}.{eight characters}`` in the same folder, where nothing stands.

    Raises:
        OSError: The folder cannot be made or written.
    """
    clear(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, lock = _locked(path)
    try:
        os.write(handle, f"{HOST} {os.getpid()}\n".encode())
        yield lock.with_suffix("")
    finally:
        _remove(path, lock)
        os.close(handle)


def clear(path: Path) -> None:
    """Removes what killed processes have left beside a path.

    What :func:`replace` had moved aside comes back where nothing has taken its place.
    Places of processes that live stay, and so do those of other hosts, whose locks a
    network disk may not show.

    Args:
        path: What they were to write.
    """
    with suppress(FileNotFoundError):
        for lock in list(path.parent.iterdir()):
            if _target(lock) == path:
                _clear(path, lock)


def clear_all(folder: Path) -> None:
    """As :func:`clear`, for all that was to be written in a folder and those in it."""
    for lock in list(folder.rglob(".*.lock")):
        path = _target(lock)
        if path is not None:
            _clear(path, lock)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """As :func:`beside`, for a file that takes its place unless writing it fails."""
    with beside(path) as new:
        yield new
        os.replace(new, path)


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file, whole or not at all."""
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")


def replace(new: Path, path: Path) -> None:
    """Moves a folder from its place beside a path to the path.

    Args:
        new: The folder, at the place that :func:`beside` gave.
        path: Its place; a folder that stands there is moved aside until then.
    """
    if path.is_dir():
        os.replace(path, _old(new))
    os.replace(new, path)


def full_disk(why: BaseException) -> str | None:
    """What the system says of a disk that takes no more; None for another failure.

    Args:
        why: Raised by Python, TensorFlow, h5py or Arrow. All quote the system.
    """
    said = str(why)
    return next((text for text in map(os.strerror, FULL) if text in said), None)


def _locked(path: Path) -> tuple[int, Path]:
    """A new lock file, open and locked."""
    while True:
        handle, name = tempfile.mkstemp(".lock", f".{path.name}.", path.parent)
        _take(handle)  # where a disk knows no locks, nothing is ever cleared
        if os.path.exists(name):
            return handle, Path(name)
        os.close(handle)  # it was cleared before it was locked


def _take(handle: int) -> bool:
    """Locks an open file; whether that could be done."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _target(lock: Path) -> Path | None:
    """What is written beside under a lock; None for another file."""
    match = LOCK.fullmatch(lock.name)
    return match and lock.with_name(match[1])


def _clear(path: Path, lock: Path) -> None:
    """Removes what a process has left beside a path if it is dead."""
    # Gone meanwhile, or another user's.
    with suppress(OSError), lock.open("r+") as file:
        # A process that dies at once has written no host.
        if file.read().partition(" ")[0] in ("", HOST) and _take(file.fileno()):
            _remove(path, lock)


def _old(place: Path) -> Path:
    return Path(f"{place}.old")


def _remove(path: Path, lock: Path) -> None:
    """Removes what stands at the place of a lock, and the lock when nothing does."""
    place = lock.with_suffix("")
    old = _old(place)
    if old.is_dir() and not path.exists():
        os.replace(old, path)
    for left in (old, place):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    if not place.exists() and not old.exists():
        lock.unlink(missing_ok=True)
