"""Text files in which a line is a user and the user's items."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.errors import DataError

if TYPE_CHECKING:
    import numpy as np

NUMBER = "[0-9]{1,18}"


def sequences(
    path: Path, timed: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads ``user item item ...``, numbers with one space between, a line a user.

    Args:
        path: The file, plain or ``.xz``.
        timed: Whether it is ``user item|time item|time ...``.

    Returns:
        ``(events,)`` int64 users, items, and times; positions in the user's line from
        0 where there are none.

    Raises:
        DataError: The file is damaged, a line is of another form, or a user has two.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    text = contents(path).decode("utf8", "replace").rstrip()
    lines = pc.split_pattern(pc.utf8_trim_whitespace(pa.array(text.split("\n"))), " ")
    lengths = pc.list_value_length(lines).to_numpy()
    words = pc.list_flatten(lines)
    begin = np.cumsum(lengths) - lengths

    def matches(pattern: str) -> np.ndarray:
        found = pc.match_substring_regex(words, pattern)
        return found.to_numpy(zero_copy_only=False)

    right = matches(f"^{NUMBER}[|]{NUMBER}$" if timed else f"^{NUMBER}$")
    right[begin] = matches(f"^{NUMBER}$")[begin]
    wrong = (lengths < 2) | (np.add.reduceat(right, begin, dtype=np.int64) < lengths)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path} line {line + 1} is not a user and items, numbers with one space "
            f"between{', and a time after each item' if timed else ''}: "
            f"'{' '.join(lines[line].as_py())[:60]}'; fetch the file again."
        )
    is_user = np.zeros(len(words), bool)
    is_user[begin] = True
    owners = words.filter(pa.array(is_user)).cast(pa.int64()).to_numpy()
    known, first = np.unique(owners, return_index=True)
    if len(known) < len(owners):
        line = int(np.setdiff1d(np.arange(len(owners)), first)[0])
        raise DataError(
            f"{path} line {line + 1} is another line of user {owners[line]}: "
            "fetch the file again."
        )
    users = np.repeat(owners, lengths - 1)
    events = words.filter(pa.array(~is_user))
    if timed:
        parts = pc.list_flatten(pc.split_pattern(events, "|")).cast(pa.int64())
        items, times = parts.to_numpy().reshape(-1, 2).T
        return users, items, times
    starts = np.repeat(begin - np.arange(len(begin)), lengths - 1)
    return users, events.cast(pa.int64()).to_numpy(), np.arange(len(users)) - starts


def contents(path: Path) -> bytes:
    """The bytes of a file, plain or ``.xz``.

    Raises:
        DataError: The file is damaged.
    """
    from tfrec.data.readers.base import UNREADABLE

    try:
        if path.suffix == ".xz":
            return lzma.decompress(path.read_bytes())
        return path.read_bytes()
    except UNREADABLE as error:
        raise DataError(f"{path} is damaged ({error}): fetch it again.") from error
