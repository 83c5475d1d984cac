"""What is on the disk when a command is killed, before each of its file operations.

A process that is killed leaves the disk as it is, so the state before an operation is
what a kill there leaves. One run of a command gives all of them, and none of its time
is spent again: the folder is copied whenever Python tells its audit hooks of an
operation. What C++ writes between two of them is seen at the next. A lock of the copies
is held by nobody, as that of a killed process.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

RANDOM = re.compile(r"\.[a-z0-9_]{8}\b")
CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}


class Recording:
    """The states of a folder while a command runs in this process.

    Attributes:
        states: Copies of the folder: before each operation that may change a disk, and
            one more with half of the file that was opened last; equal ones once, names
            of :mod:`tfrec.atomic` aside.
    """

    def __init__(self, folder: Path, into: Path) -> None:
        self.folder, self.into = folder, into
        self.states: list[Path] = []
        self._opened: Path | None = None
        self._copying = False
        self._seen: set[str] = set()

    def audit(self, event: str, arguments: tuple) -> None:
        """Called by Python before every audited operation."""
        opens = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if self._copying or not (opens or event in CHANGES):
            return
        self._copying = True
        self._copy()
        if self._opened is not None:
            self._copy(half=self._opened)
        self._opened = None
        if opens and isinstance(arguments[0], str):
            path = Path(arguments[0]).absolute()
            if path.is_relative_to(self.folder) and path.suffix != ".lock":
                self._opened = path.relative_to(self.folder)
        self._copying = False

    def _copy(self, half: Path | None = None) -> None:
        state = self.into / str(len(self.states))
        shutil.copytree(self.folder, state)
        if half is not None and (state / half).is_file():
            os.truncate(state / half, (state / half).stat().st_size // 2)
        found = RANDOM.sub(".", repr(contents(state)))
        if found in self._seen:
            shutil.rmtree(state)
        else:
            self._seen.add(found)
            self.states.append(state)


_recording: Recording | None = None


def _hook(event: str, arguments: tuple) -> None:
    if _recording is not None:
        _recording.audit(event, arguments)


sys.addaudithook(_hook)  # for the life of the process


@contextmanager
def recorded(folder: Path, into: Path) -> Iterator[Recording]:
    """Records the states of a folder while its body runs.

    Args:
        folder: What the body changes.
        into: An empty folder elsewhere, for the states.
    """
    global _recording
    _recording = Recording(folder, into)
    try:
        yield _recording
    finally:
        _recording = None


def put_back(state: Path, folder: Path) -> None:
    """Makes a folder what it was in a state."""
    shutil.rmtree(folder)
    shutil.copytree(state, folder)


def contents(folder: Path, read: Callable[[Path], object] = Path.read_bytes) -> dict:
    """All that is in a folder, by path, its folders as None."""
    return {
        str(path.relative_to(folder)): read(path) if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
