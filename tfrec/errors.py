"""The exceptions of tfrec, and words that their messages share.

All are `ValueError` too. A message says what is wrong, where, and the cure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class TfrecError(ValueError):
    """What tfrec refuses, of any kind."""

    # AutoGraph keeps the class of an error in a traced function only with this one.
    __init__ = Exception.__init__


class DataError(TfrecError):
    """A data file, a prepared folder or a table of values that cannot be used."""


class ConfigError(TfrecError):
    """An argument, option or configuration that cannot be, alone or for this model."""


class ModelFileError(TfrecError):
    """A saved model, run, search or export that cannot be read, or lacks a part."""


class ServerError(TfrecError, RuntimeError):
    """An answer or a content of a server (TensorFlow Serving, Redis) that is wrong."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns how to go on after an unknown name.

    Args:
        name: What was asked for.
        known: The names there are.

    Returns:
        ``did you mean 'x'?`` when one is near, else ``known: a, b, c``.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"


def listed(values: Iterable[Any], most: int = 3) -> str:
    """Some values for a message: ``'a', 'b', 'c' and 5 more``.

    Args:
        values: All of them.
        most: How many are named.
    """
    values = list(values)
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return ", ".join(map(repr, values[:most])) + more
