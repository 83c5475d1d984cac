"""Scratch copies of a project, in which tests run and faults are made."""

from __future__ import annotations

import importlib.util
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

TIMEOUT = 600  # seconds; a mutant that hangs for so long is noticed
PASSED, FAILED, TIMED_OUT = 0, 1, -1
THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
PYTEST = ("-m", "pytest", "-q", "--tb=line", "-rfE", "-p", "no:cacheprovider")
# A fault that only makes the code fail to load or to name things proves nothing.
BROKEN = re.compile(
    r"^\S+:\d+: ((?:Syntax|Indentation|Name|UnboundLocal|Import|ModuleNotFound)Error)"
    r"|^(ERROR \S+\.py)(?!::)",
    re.MULTILINE,
)
NOTICED_BY = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Copies:
    """Copies of the files of a project that Git does not ignore.

    Args:
        root: The project.
        count: How many copies; each serves one mutant at a time.
        folder: Where they stand.
    """

    def __init__(self, root: Path, count: int, folder: Path) -> None:
        self.running: set[subprocess.Popen[str]] = set()
        self.free: SimpleQueue[Path] = SimpleQueue()
        listing = ["git", "-C", str(root), "ls-files", "-coz", "--exclude-standard"]
        names = subprocess.run(listing, capture_output=True, text=True, check=True)
        for number in range(count):
            for name in filter(None, names.stdout.split("\0")):
                if (root / name).is_file():  # one that is deleted is listed too
                    target = folder / str(number) / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(root / name, target)
            self.free.put(folder / str(number))

    def stop(self) -> None:
        """Ends the tests that still run, and what they have started."""
        for process in tuple(self.running):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def unchanged(self, tests: list[str]) -> str:
        """What is wrong with the tests before any fault is made; empty if nothing."""
        copy = self.free.get()
        _, output = self._python(copy, "-c", "import tfrec; print(tfrec.__file__)")
        if str(copy) not in output:
            return f"tfrec is not imported from {copy}: {output}"
        code, output = self._python(copy, *PYTEST, *tests)
        self.free.put(copy)
        if code == PASSED:
            return ""
        return "\n".join(NOTICED_BY.findall(output)) or output[-3000:]

    def judge(self, mutant: Mutant) -> tuple[str, str, float]:
        """``noticed``, ``survived`` or ``invalid``, by what or why, and the seconds."""
        copy, began = self.free.get(), time.monotonic()
        path = copy / mutant.file
        source = path.read_text()
        changed = source.replace(mutant.find, mutant.replace)
        if source.count(mutant.find) != 1 or changed == source:
            self.free.put(copy)
            return "invalid", "its text must occur once, and change", 0.0
        # Python would take bytecode of a same-sized file of the same second for fresh.
        bytecode = Path(importlib.util.cache_from_source(str(path)))
        try:
            path.write_text(changed)
            bytecode.unlink(missing_ok=True)
            code, output = self._python(copy, *PYTEST, "-x", *mutant.tests)
        finally:
            path.write_text(source)
            bytecode.unlink(missing_ok=True)
            self.free.put(copy)
        seconds, broken = time.monotonic() - began, BROKEN.search(output)
        if code == TIMED_OUT:
            return "noticed", f"no end within {TIMEOUT} seconds", seconds
        if code == PASSED:
            return "survived", "no test fails", seconds
        if broken:
            return "invalid", broken[1] or broken[2], seconds
        if code != FAILED:
            return "invalid", f"pytest exit code {code}", seconds
        return "noticed", NOTICED_BY.findall(output)[0], seconds

    def _python(self, copy: Path, *arguments: str) -> tuple[int, str]:
        """Exit code and output of Python in a copy."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=copy,
            env={**os.environ, **THREADS, "PYTHONPATH": str(copy)},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.running.add(process)
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return TIMED_OUT, process.communicate()[0]
        finally:
            self.running.discard(process)
