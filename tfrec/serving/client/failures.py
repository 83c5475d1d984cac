"""How a request fails, whatever the protocol, and when it is sent again."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import TypeVar

from tfrec.errors import ConfigError, ServerError

Answer = TypeVar("Answer")
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
ASSERTION = re.compile(r"assertion failed: \[(.+?)\]")


class Kind(Enum):
    """What went wrong."""

    UNREACHABLE = auto()
    BUSY = auto()
    SLOW = auto()
    LARGE = auto()
    UNKNOWN = auto()
    REFUSED = auto()
    BROKEN = auto()


RETRIED = (Kind.UNREACHABLE, Kind.BUSY)


class Failure(Exception):
    """A request without an answer.

    Attributes:
        kind: What went wrong.
        reason: The server's or the network's own words.
    """

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        # A check inside a graph says its sentence among the names of nodes.
        check = ASSERTION.search(reason)
        text = " ".join((check.group(1) if check else reason).split())
        self.reason = text.rstrip(". ")[:500]

    def told(self, place: str, model: str, timeout: float) -> Exception:
        """The failure as one sentence.

        Args:
            place: The server's URL.
            model: The model, with the version or label that was asked for.
            timeout: Seconds that it had.

        Returns:
            ConnectionError, TimeoutError, ServerError when the server failed, or
            ConfigError.
        """
        if self.kind is Kind.UNREACHABLE:
            return ConnectionError(
                f"no model server can be reached at {place} ({self.reason}): start it, "
                "or correct the URL."
            )
        if self.kind is Kind.BUSY:
            return ConnectionError(
                f"the model server at {place} is too busy ({self.reason}): try again "
                "later, or start more of them."
            )
        if self.kind is Kind.SLOW:
            return TimeoutError(
                f"{model} at {place} gave no answer within {timeout:g} seconds: raise "
                "the timeout, or ask for fewer queries at once."
            )
        if self.kind is Kind.LARGE:
            return ConfigError(
                f"{model} at {place}: {self.reason}: ask for fewer queries at once, or "
                "raise the limit."
            )
        if self.kind is Kind.UNKNOWN:
            return ConfigError(
                f"there is no {model} at {place} ({self.reason}): correct the name, "
                "version or label."
            )
        if self.kind is Kind.REFUSED:
            return ConfigError(f"{model} at {place} refuses: {self.reason}.")
        return ServerError(
            f"{place} does not answer as a model server does ({self.reason}): correct "
            "the URL, or look into the server's log."
        )


def too_large(what: str, limit: int) -> Failure:
    """The failure of a request or an answer that has more bytes than it may have."""
    return Failure(Kind.LARGE, f"the {what} has more than {limit:,} bytes")


def retrying(call: Callable[[], Answer], retries: int) -> Answer:
    """Calls again while the server cannot be reached or is busy.

    Between two calls it waits 0.1 s, then twice as long each time up to 5 s, and of
    that a random half to whole, so that many clients do not come back at once.

    Raises:
        Failure: The last one.
    """
    for attempt in range(retries):
        try:
            return call()
        except Failure as failure:
            if failure.kind not in RETRIED:
                raise
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2**attempt)
        time.sleep(random.uniform(wait / 2, wait))
    return call()
