"""Interactions from the user's own files."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.columns import Column, Sequence

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

HISTORY = "history"


def from_file(
    path: str | Path,
    user: str,
    item: str,
    label: str | None = None,
    timestamp: str | None = None,
    columns: Dict[str, Column | str] | None = None,
    format: str | None = None,
    *,
    rename: Dict[str, str] | None = None,
    names: tuple[str, ...] | None = None,
    encoding: str = "utf8",
    separator: str = "|",
    time_unit: str = "s",
    time_format: str | None = None,
    keep_na: bool = False,
    drop_missing: bool = False,
    min_label: float | None = None,
    history: int | None = 50,
    item_names: str | None = None,
    min_count: int | Dict[str, int] = 1,
    max_size: int | None = None,
    block_bytes: int = 4 << 20,
) -> Interactions:
    """Reads a CSV, TSV, Parquet or libSVM file into memory.

    Ids that are all integers become int64 ids, others strings. For files that do not
    fit into memory see :func:`tfrec.data.prepare.prepare`.

    Args:
        path: The file; text may be gzip, bzip2, zstd or xz.
        user: Column of user ids.
        item: Column of item ids.
        label: Column of the label: numbers, or ``true`` and ``false``, ``yes`` and
            ``no``, ``Y`` and ``N`` in any case for 1 and 0; None when every row is a
            positive event.
        timestamp: Column of event times: numbers since 1970, ISO 8601 text (UTC where
            it names no zone), or text of ``time_format``; kept to the microsecond.
        columns: Further columns; see :class:`tfrec.data.mapping.Mapping`. Those of the
            user and the item side take the value of their first row.
        format: ``csv``, ``tsv``, ``parquet`` or ``libsvm``; by the suffix when None.
        rename: Names that columns take, by those they have in the file: ``{"User Id":
            "user_id"}``. All else here calls them by the new ones. Names with spaces or
            accents, and a few others, cannot be inputs of a served model and have to be
            renamed.
        names: Column names of a CSV or TSV file without header line.
        encoding: Of text files.
        separator: Between the ids of a bag.
        time_unit: Unit of numeric event times: ``s``, ``ms``, ``us`` or ``ns``.
        time_format: How event times are written when they are neither numbers nor ISO
            8601, in the directives of ``strptime``: ``%d.%m.%Y %H:%M``. They are UTC.
        keep_na: Whether ``NA``, ``N/A``, ``NULL``, ``None`` and ``nan`` are ids like
            others. Otherwise they are missing, as empty ones always are.
        drop_missing: Whether rows without user, item, label or time are left out, where
            those are named; without it such a row is refused.
        min_label: Labels from here on are positive, None for those above 0; see
            :class:`~tfrec.features.FeatureSpec`.
        history: Length of the column ``history``, the items that the user took before
            the event; None for no such column. It needs a timestamp.
        item_names: Column with the title of the item, for people to read.
        min_count: Ids and words that occur less often are out of vocabulary: in every
            column, or by column of the file, as in ``{user: 5, item: 3}``. Users
            outside the vocabulary share an index, but no history; each has her own.
        max_size: Largest vocabulary; the most frequent stay.
        block_bytes: Bytes of the file read at a time.

    Returns:
        The interactions with the spec learned from all rows.

    Raises:
        ValueError: One sentence that names the file, the value, its line and the cure.

    Warns:
        UserWarning: A user or an item has several values in a column of its side; rows
            were left out; some event is of before 1980.

    Example:
        >>> data = from_file("ratings.csv", "userId", "movieId", "rating", "timestamp")
        >>> train, valid, test = data.split("temporal")
    """
    from tfrec.data.encode import interactions, names_by_index
    from tfrec.data.mapping import Mapping
    from tfrec.data.readers import open_table
    from tfrec.datasets.sources.reading import read

    columns = dict(columns or {})
    only_names = item_names is not None and item_names not in columns
    if item_names is not None:
        columns.setdefault(item_names, "item:string")
    mapping = Mapping(
        user,
        item,
        label,
        timestamp,
        columns,
        names,
        separator,
        time_unit,
        time_format,
        keep_na,
        drop_missing,
        min_label=min_label,
        rename=rename or {},
    )
    file = open_table(path, format, encoding, names, mapping.rename)
    spec, table = read(file, mapping, min_count, max_size, block_bytes)
    if history and timestamp and HISTORY not in file.names():
        spec = spec.replace(Sequence(HISTORY, of=spec.item, max_len=history))
    data = interactions(spec, table, Path(path).name)
    if item_names is None:
        return data
    data = names_by_index(data, table[item_names])
    if only_names:
        kept = (c.name for c in data.spec.columns if c.name != item_names)
        data = data.with_spec(data.spec.select(*kept))
    return data
