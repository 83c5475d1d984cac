"""Words that the refusals of tfrec share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
