"""Text files in which a line is a user and the user's items."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def sequences(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads ``user item item ...``, numbers with one space between, a line a user.

    Args:
        path: The file, plain or ``.xz``.

    Returns:
        ``(events,)`` int64 users, items, and positions in the user's line from 0.

    Raises:
        ValueError: The file is damaged, a line is of another form, or a user has two.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    text = contents(path).decode("utf8", "replace").rstrip()
    lines = pc.split_pattern(pc.utf8_trim_whitespace(pa.array(text.split("\n"))), " ")
    lengths = pc.list_value_length(lines).to_numpy()
    words = pc.list_flatten(lines)
    right = pc.match_substring_regex(words, "^[0-9]{1,18}$").to_numpy(
        zero_copy_only=False
    )
    begin = np.cumsum(lengths) - lengths
    wrong = (lengths < 2) | (np.add.reduceat(right, begin, dtype=np.int64) < lengths)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{path} line {line + 1} is not a user and items, numbers with one space "
            f"between: '{' '.join(lines[line].as_py())[:60]}'; fetch the file again."
        )
    numbers = words.cast(pa.int64()).to_numpy()
    owners, first = np.unique(numbers[begin], return_index=True)
    if len(owners) < len(begin):
        line = int(np.setdiff1d(np.arange(len(begin)), first)[0])
        raise ValueError(
            f"{path} line {line + 1} is another line of user {numbers[begin[line]]}: "
            "fetch the file again."
        )
    users = np.repeat(numbers[begin], lengths - 1)
    items = np.delete(numbers, begin)
    starts = np.repeat(begin - np.arange(len(begin)), lengths - 1)
    return users, items, np.arange(len(items)) - starts


def contents(path: Path) -> bytes:
    """The bytes of a file, plain or ``.xz``.

    Raises:
        ValueError: The file is damaged.
    """
    from tfrec.data.readers.base import UNREADABLE

    try:
        if path.suffix == ".xz":
            return lzma.decompress(path.read_bytes())
        return path.read_bytes()
    except UNREADABLE as error:
        raise ValueError(f"{path} is damaged ({error}): fetch it again.") from error
