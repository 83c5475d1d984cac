"""Scratch copies of a project, in which faults are made and tests run."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from mutants import Mutant

TIMEOUT = 300  # seconds of work; a mutant whose tests do not end is noticed
PASSED, FAILED = 0, 1
PYTEST = ("-q", "--tb=line", "-rfE", "-p", "no:cacheprovider")
THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
SETTINGS = {**THREADS, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
# A fault that only makes the code fail to load or to name things proves nothing.
BROKEN = re.compile(
    r"^\S+:\d+: ((?:Syntax|Indentation|Name|UnboundLocal|Import|ModuleNotFound)Error)"
    r"|^(ERROR \S+\.py)(?!::)",
    re.MULTILINE,
)
NOTICED_BY = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Copy:
    """One copy, with a process that runs tests in it.

    Args:
        root: The project.
        names: Its files.
        folder: Where the copy stands.
        libraries: Names, joined by commas, of what is loaded once for all tests.
    """

    def __init__(
        self, root: Path, names: list[str], folder: Path, libraries: str
    ) -> None:
        self.folder = folder
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
        forks = Path(__file__).with_name("forks.py")
        self._process = subprocess.Popen(
            [sys.executable, str(forks), libraries],
            cwd=folder,
            env={**os.environ, **SETTINGS, "PYTHONPATH": str(folder)},
            start_new_session=True,  # so that all of its children can be ended at once
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def test(self, *arguments: str, seconds: int = 0) -> tuple[int, str]:
        """Exit code and output of pytest, which is ended after so much work."""
        question, answer = self._process.stdin, self._process.stdout
        assert question is not None and answer is not None
        question.write(json.dumps([seconds, [*PYTEST, *arguments]]) + "\n")
        question.flush()
        code, output = json.loads(answer.readline())
        return code, output

    def stop(self) -> None:
        """Ends the process, and the tests that still run."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Copies:
    """Copies of the files of a project that Git does not ignore.

    Args:
        root: The project.
        count: How many copies; each serves one mutant at a time.
        folder: Where they stand.
        libraries: As for :class:`Copy`.
    """

    def __init__(self, root: Path, count: int, folder: Path, libraries: str) -> None:
        listing = ["git", "-C", str(root), "ls-files", "-coz", "--exclude-standard"]
        found = subprocess.run(listing, capture_output=True, text=True, check=True)
        # One that was deleted is listed too.
        names = [n for n in found.stdout.split("\0") if n and (root / n).is_file()]
        self.all: list[Copy] = []
        self.free: SimpleQueue[Copy] = SimpleQueue()
        for number in range(count):
            self.all.append(Copy(root, names, folder / str(number), libraries))
            self.free.put(self.all[-1])

    def stop(self) -> None:
        """Ends everything that still runs."""
        for copy in self.all:
            copy.stop()

    def unchanged(self, tests: list[str]) -> str:
        """What is wrong with the tests before any fault is made; empty if nothing."""
        copy = self.free.get()
        code, output = copy.test(*tests)
        self.free.put(copy)
        if code == PASSED:
            return ""
        return "\n".join(NOTICED_BY.findall(output)) or output[-3000:]

    def judge(self, mutant: Mutant) -> tuple[str, str, float]:
        """``noticed``, ``survived`` or ``invalid``, by what or why, and the seconds."""
        copy, began = self.free.get(), time.monotonic()
        path = copy.folder / mutant.file
        source = path.read_text("utf8")
        changed = source.replace(mutant.find, mutant.replace)
        if source.count(mutant.find) != 1 or changed == source:
            self.free.put(copy)
            return "invalid", "its text must occur once, and change", 0.0
        # Python would take bytecode of a same-sized file of the same second for fresh.
        bytecode = Path(importlib.util.cache_from_source(str(path)))
        try:
            path.write_text(changed, "utf8")
            bytecode.unlink(missing_ok=True)
            code, output = copy.test("-x", *mutant.tests, seconds=TIMEOUT)
        finally:
            path.write_text(source, "utf8")
            bytecode.unlink(missing_ok=True)
            self.free.put(copy)
        return *verdict(code, output), time.monotonic() - began


def verdict(code: int, output: str) -> tuple[str, str]:
    """What an exit code and output of pytest say of a mutant, and by what or why."""
    broken = BROKEN.search(output)
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        return "noticed", f"no end within {TIMEOUT} seconds of work"
    if code == PASSED:
        return "survived", "no test fails"
    if broken:
        return "invalid", broken[1] or broken[2]
    if code != FAILED:
        return "invalid", f"pytest exit code {code}"
    return "noticed", next(iter(NOTICED_BY.findall(output)), "pytest")
