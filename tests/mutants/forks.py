"""Runs pytest again and again, each time in a fork of this process.

TensorFlow takes longer to load than most tests take to run. Here it is loaded once,
and no part of the project with it. The argument is the libraries to load. A line of
input is, as JSON, the seconds of work after which a run is ended (0 for never) and the
arguments of pytest; a line of output is the exit code (below 0 the signal that ended
the run) and what pytest said.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import tempfile

import pytest

WAITING = 12  # times the seconds of work: the run waits for what never comes
ELSEWHERE = 99  # the project was imported from another place than this folder


def run(seconds: int, arguments: list[str]) -> int:
    """Exit code of pytest, in the fork."""
    if seconds:
        # A busy machine must not look like a loop without end: work is what counts.
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, 2 * seconds))
        signal.alarm(WAITING * seconds)
    code = int(pytest.main(arguments))
    place = getattr(sys.modules.get("tfrec"), "__file__", None)
    if place is not None and not place.startswith(os.getcwd() + os.sep):
        print(f"tfrec is imported from {place}, not from {os.getcwd()}")
        return ELSEWHERE
    return code


def main(libraries: str) -> None:
    """Answers until the input ends."""
    sys.path[0] = os.getcwd()
    for name in filter(None, libraries.split(",")):
        importlib.import_module(name)
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            child = os.fork()
            if child == 0:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                code = run(*json.loads(line))
                sys.stdout.flush()
                os._exit(code)
            _, status = os.waitpid(child, 0)
            output.seek(0)
            said = output.read()
        print(json.dumps([os.waitstatus_to_exitcode(status), said]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
