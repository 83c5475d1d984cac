"""What is in a file, in one pass and bounded memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tfrec.data.convert import Converter
from tfrec.data.mapping import Mapping, resolve
from tfrec.data.readers import BLOCK_BYTES, open_table
from tfrec.data.statistics import Sample
from tfrec.data.timeline import SECOND
from tfrec.data.vocabulary import Counter

Progress = Callable[[str, float], None]
MOST_LABELS = 100


@dataclass(frozen=True)
class Description:
    """Size and shape of a data set.

    Attributes:
        rows: Events.
        users: Distinct users.
        items: Distinct items.
        density: Events per cell of the user-item matrix.
        first_time: Seconds since 1970 of the first event, rounded down; None without
            timestamps.
        last_time: Of the last event.
        labels: Events per label, ascending, when there are at most a hundred labels.
        label_deciles: Minimum, deciles and maximum of a sample of the labels otherwise.
    """

    rows: int
    users: int
    items: int
    density: float
    first_time: int | None = None
    last_time: int | None = None
    labels: dict[float, int] | None = None
    label_deciles: tuple[float, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


def describe(
    path: str | Path,
    mapping: Mapping,
    format: str | None = None,
    encoding: str = "utf8",
    block_bytes: int = BLOCK_BYTES,
    progress: Progress | None = None,
) -> Description:
    """Describes a CSV, TSV, Parquet or libSVM file of any size.

    Args:
        path: The file.
        mapping: Which columns are user, item, label and timestamp.
        format: ``csv``, ``tsv``, ``parquet`` or ``libsvm``; by the suffix when None.
        encoding: Of text files.
        block_bytes: Bytes of the file read at a time.
        progress: Called with what is done and the share of it, 0 to 1.

    Raises:
        ValueError: One sentence that names the file, the value, its line and the cure.
    """
    file = open_table(path, format, encoding, mapping.names)
    roles = dataclasses.replace(
        mapping,
        columns={
            name: what
            for name, what in mapping.columns.items()
            if name in (mapping.user, mapping.item)
        },
    )
    declared = resolve(roles, file)
    user, item = declared[0].column.name, declared[1].column.name
    users, items, labels = Counter(), Counter(), Labels()
    rows, first, last = 0, None, None
    for block in Converter(file, roles, declared).blocks(block_bytes):
        rows += len(block[user])
        users.add(block[user])
        items.add(block[item])
        if mapping.label:
            labels.add(block[mapping.label])
        if mapping.timestamp:
            times = block[mapping.timestamp].to_numpy()
            first = int(times.min() if first is None else min(first, times.min()))
            last = int(times.max() if last is None else max(last, times.max()))
        if progress:
            progress("describing", file.done())
    return Description(
        rows,
        len(users),
        len(items),
        rows / (len(users) * len(items)),
        None if first is None else first // SECOND,
        None if last is None else last // SECOND,
        labels.counts() if mapping.label else None,
        labels.deciles() if mapping.label else None,
    )


class Labels:
    """Labels counted while they are few, sampled always."""

    def __init__(self) -> None:
        self._counter: Counter | None = Counter()
        self._sample = Sample()

    def add(self, values: pa.Array) -> None:
        """Takes ``(n,)`` float32 labels."""
        self._sample.add(values.to_numpy())
        if self._counter is not None:
            self._counter.add(values)
            if len(self._counter) > MOST_LABELS:
                self._counter = None

    def counts(self) -> dict[float, int] | None:
        """Events per label; None when there are too many labels."""
        if self._counter is None:
            return None
        table = self._counter.ordered().sort_by("value").to_pydict()
        return dict(zip(table["value"], table["count"], strict=True))

    def deciles(self) -> tuple[float, ...] | None:
        """Deciles of the sample; None when the labels are counted."""
        if self._counter is not None:
            return None
        cuts = np.quantile(self._sample.values(), np.linspace(0, 1, 11))
        return tuple(float(cut) for cut in cuts)
