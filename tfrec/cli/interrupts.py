"""What ends a command from outside: Ctrl-C, and SIGTERM in the same way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # exit code
STDERR = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def sigterm_as_ctrl_c() -> None:
    """Lets SIGTERM raise KeyboardInterrupt, unless it is ignored."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def ending_at_once(stderr: int = STDERR) -> Iterator[None]:
    """Ends the process at once when it is interrupted, with one line.

    For imports: modules on their way may take a KeyboardInterrupt for a fault of their
    own, or drop it, and nothing is written yet that would have to be cleared away.

    Args:
        stderr: File descriptor for the line.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return

    def end(*_: object) -> None:
        os.write(stderr, b"tfrec: interrupted\n")
        os._exit(INTERRUPTED)

    heard = [n for n in _SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
