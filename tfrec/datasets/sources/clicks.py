"""Text files of sessions: a line a session, or a line a click."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.data.timeline import SECOND
from tfrec.datasets.sources.sequences import NUMBER, contents
from tfrec.errors import DataError

if TYPE_CHECKING:
    import numpy as np

HEAD = ("SessionId", "ItemId", "Time")


def lines(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads ``item item ...``, numbers with one space between, a line a session.

    Args:
        path: The file, plain or ``.xz``.

    Returns:
        ``(events,)`` int64 number of the line, from 0, and item.

    Raises:
        DataError: The file is damaged or a line is of another form.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    text = contents(path).decode("utf8", "replace").rstrip()
    split = pc.split_pattern(pc.utf8_trim_whitespace(pa.array(text.split("\n"))), " ")
    words = pc.list_flatten(split)
    session = pc.list_parent_indices(split).to_numpy()
    right = pc.match_substring_regex(words, f"^{NUMBER}$")
    wrong = np.flatnonzero(~right.to_numpy(zero_copy_only=False))
    if len(wrong):
        line = int(session[wrong[0]])
        raise DataError(
            f"{path} line {line + 1} is not items, numbers with one space between: "
            f"'{' '.join(split[line].as_py())[:60]}'; fetch the file again."
        )
    return session.astype(np.int64), words.cast(pa.int64()).to_numpy()


def clicks(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads tab-separated ``SessionId``, ``ItemId`` and ``Time``, a line a click.

    Args:
        path: The file, plain or ``.xz``.

    Returns:
        ``(clicks,)`` int64 session, item and microseconds since 1970, line by line.

    Raises:
        DataError: The file is damaged, has other columns, or a value is no number.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    types = (pa.int64(), pa.int64(), pa.float64())
    try:
        table = pa.csv.read_csv(
            io.BytesIO(contents(path)),
            parse_options=pa.csv.ParseOptions(delimiter="\t"),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict(zip(HEAD, types, strict=True)), null_values=[]
            ),
        )
    except pa.ArrowInvalid as why:
        raise DataError(
            f"{path} is not tab-separated clicks ({why}): fetch it again."
        ) from why
    if tuple(table.column_names) != HEAD or not len(table):
        raise DataError(
            f"{path} has the columns {', '.join(table.column_names)} and "
            f"{len(table)} lines below, instead of clicks below {', '.join(HEAD)}: "
            "fetch it again."
        )
    session, item, time = (table[name].to_numpy() for name in HEAD)
    return session, item, np.rint(time * SECOND).astype(np.int64)
