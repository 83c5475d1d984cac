"""What is in a file, in one pass and the memory of its distinct user-item pairs."""

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
from tfrec.data.vocabulary import Counter, Distinct

Progress = Callable[[str, float], None]
MOST_LABELS = 100


@dataclass(frozen=True)
class Description:
    """Size and shape of a data set.

    Attributes:
        rows: Events. Those without user, item, label or time (where named) are left out
            of this and all that follows.
        users: Distinct users.
        items: Distinct items.
        density: Share of the cells of the user-item matrix that hold an event.
        duplicates: Events whose user had the same item in an earlier row.
        missing: Rows of the file without a value, by column, where there are any.
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
    duplicates: int
    missing: dict[str, int]
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
    file = open_table(path, format, encoding, mapping.names, mapping.rename)
    roles = dataclasses.replace(
        mapping,
        drop_missing=True,
        columns={
            name: what
            for name, what in mapping.columns.items()
            if name in (mapping.user, mapping.item)
        },
    )
    declared = resolve(roles, file)
    user, item = declared[0].column.name, declared[1].column.name
    users, items, pairs, labels = Counter(), Counter(), Distinct(), Labels()
    rows, first, last = 0, None, None
    converter = Converter(file, roles, declared)
    for block in converter.blocks(block_bytes):
        rows += len(block[user])
        users.add(block[user])
        items.add(block[item])
        pairs.add(block[user], block[item])
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
        len(pairs) / (len(users) * len(items)),
        rows - len(pairs),
        converter.missing,
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
