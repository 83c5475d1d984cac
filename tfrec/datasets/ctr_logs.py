"""Click logs in the formats of Criteo and Avazu."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.columns import Categorical, Column, Numeric
from tfrec.data.timeline import SECOND
from tfrec.datasets.registry import register
from tfrec.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from tfrec.data.interactions import Interactions
    from tfrec.data.mapping import Mapping
    from tfrec.data.readers import TableFile

HASH_BINS = 1 << 20
MISSING = "missing"
NUMBERS = tuple(f"I{n}" for n in range(1, 14))
CATEGORIES = tuple(f"C{n}" for n in range(1, 27))
CRITEO = ("label", *NUMBERS, *CATEGORIES)
AVAZU = (
    *("C1", "banner_pos", "site_id", "site_domain", "site_category"),
    *("app_id", "app_domain", "app_category", "device_id", "device_ip"),
    *("device_model", "device_type", "device_conn_type"),
    *(f"C{n}" for n in range(14, 22)),
)
CLICK, HOUR, TIMESTAMP = "click", "hour", "timestamp"
CRITEO_FILES = ("criteo/train.txt", "ctr-samples/criteo.csv")
AVAZU_FILES = (
    *("avazu/train.csv", "avazu/train.gz", "avazu/train.csv.gz"),
    "ctr-samples/avazu.csv",
)


def criteo(
    path: str | Path, hash_bins: int = HASH_BINS, user: str = "C10", item: str = "C7"
) -> Interactions:
    """Reads a log in the format of the Criteo display advertising challenge, 2014.

    Tab-separated without header: ``label`` (0 or 1), the numbers ``I1`` to ``I13``,
    the categories ``C1`` to ``C26``; an empty field is a missing value. All meanings
    are withheld, so no column is known to be a user or an item: the two that play these
    roles are merely of many values and never missing. They matter where results are
    grouped by user (GAUC) and to ``recommend``, and to nothing else.

    Numbers are Numeric with normalisation ``log``: a count of -1 is as 0, a missing
    one as the mean. Categories are hashed, each into its own table of ``hash_bins``
    rows (26 tables: choose fewer bins for a small log), by TensorFlow's fingerprint,
    which is the same on every machine. A missing category is the id ``missing``, a
    value of its own; pass it when you ask the model. The item column has a vocabulary
    instead, so that its ids can be recommended. There are no times: rows are in order.

    The whole log does not fit into memory: give :func:`criteo_mapping` to
    :func:`tfrec.data.prepare.prepare`, with ``format="tsv"``.

    Args:
        path: The file, plain or compressed.
        hash_bins: Buckets of each category.
        user: Category in the role of the user.
        item: Category in the role of the item.

    Returns:
        The interactions; ``label`` is float32.

    Raises:
        ValueError: A role is no category, or a value does not fit its column.
    """
    from tfrec.data.encode import interactions
    from tfrec.data.readers import open_table
    from tfrec.datasets.sources.reading import read

    mapping = criteo_mapping(hash_bins, user, item)
    spec, table = read(open_table(path, "tsv", names=mapping.names), mapping)
    return interactions(spec, table, "Criteo")


def criteo_mapping(
    hash_bins: int = HASH_BINS, user: str = "C10", item: str = "C7"
) -> Mapping:
    """Roles of the columns of a Criteo log; arguments as of :func:`criteo`.

    Raises:
        ValueError: A role is no category.
    """
    from tfrec.data.mapping import Mapping

    columns: dict[str, Column | str] = {
        name: Numeric(name, normalisation="log") for name in NUMBERS
    }
    columns |= _categories(CATEGORIES, hash_bins, user, item)
    return Mapping(user, item, "label", None, columns, CRITEO, missing=MISSING)


def avazu(
    path: str | Path,
    hash_bins: int = HASH_BINS,
    user: str = "device_ip",
    item: str = "site_id",
) -> Interactions:
    """Reads a log in the format of the Avazu click-through challenge, 2014.

    CSV with header: ``id`` (not read), ``click`` (0 or 1), ``hour`` (YYMMDDHH, taken
    as UTC) and 21 categories, hashed as :func:`criteo` says. ``hour`` becomes the
    timestamp, and the context columns ``hour_of_day`` (0 to 23) and
    ``weekday`` (0 is Monday). Events of one hour have the same time.

    No column is a user or an item: an address stands for a device, and impressions
    inside apps share one ``site_id`` (take ``app_id`` for those). The roles matter
    where results are grouped by user (GAUC) and to ``recommend``, and to nothing else.

    Args:
        path: The file, plain or compressed.
        hash_bins: Buckets of each category.
        user: Category in the role of the user.
        item: Category in the role of the item; it has a vocabulary.

    Returns:
        The interactions; ``click`` is float32.

    Raises:
        ValueError: A role is no category, or a value does not fit its column.
    """
    import dataclasses

    import pyarrow as pa

    from tfrec.data.encode import distinct, interactions
    from tfrec.data.mapping import Mapping
    from tfrec.data.readers import open_table
    from tfrec.datasets.sources.reading import read

    columns = _categories(AVAZU, hash_bins, user, item)
    columns[HOUR] = Categorical(HOUR)
    mapping = Mapping(user, item, CLICK, None, columns, missing=MISSING)
    file = open_table(path, "csv")
    spec, table = read(file, mapping)
    hours, place = distinct(table.pop(HOUR))
    time = _seconds(file, hours, place)[place]
    # The first of January 1970 was a Thursday.
    derived = {"hour_of_day": time // 3600 % 24, "weekday": (time // 86_400 + 3) % 7}
    sizes = {"hour_of_day": 24, "weekday": 7}
    context = (
        Categorical(name, dtype="int64", vocabulary=tuple(range(sizes[name])))
        for name in derived
    )
    for name, values in {TIMESTAMP: time * SECOND, **derived}.items():
        table[name] = pa.chunked_array([pa.array(values)])
    kept = (c for c in spec.columns if c.name != HOUR)
    spec = dataclasses.replace(spec, columns=(*kept, *context), timestamp=TIMESTAMP)
    return interactions(spec, table, "Avazu")


@register("criteo")
def load_criteo(
    data_dir: Path | None = None,
    hash_bins: int = HASH_BINS,
    user: str = "C10",
    item: str = "C7",
) -> Interactions:
    """Criteo's display advertising log of 2014, or a sample of it.

    The file, plain or ``.xz``, is ``criteo/train.txt`` in the data directory, else
    ``ctr-samples/criteo.csv``. For the rest see :func:`criteo`.
    """
    from tfrec.datasets.sources.folder import found

    source = "take train.txt of the Kaggle challenge from Criteo's page of data sets"
    path = found("criteo", data_dir, CRITEO_FILES, source)
    return criteo(path, hash_bins, user, item)


@register("avazu")
def load_avazu(
    data_dir: Path | None = None,
    hash_bins: int = HASH_BINS,
    user: str = "device_ip",
    item: str = "site_id",
) -> Interactions:
    """Avazu's log of mobile advertising of 2014, or a sample of it.

    The file is ``avazu/train.csv`` (plain, ``.gz`` or ``.xz``) or ``avazu/train.gz``
    in the data directory, else ``ctr-samples/avazu.csv``. For the rest see
    :func:`avazu`.
    """
    from tfrec.datasets.sources.folder import found

    source = "take train.gz of the Kaggle challenge avazu-ctr-prediction"
    path = found("avazu", data_dir, AVAZU_FILES, source)
    return avazu(path, hash_bins, user, item)


def _categories(
    names: tuple[str, ...], hash_bins: int, user: str, item: str
) -> dict[str, Column | str]:
    """Categories by name, hashed; that of the item is learned."""
    for role, name in (("user", user), ("item", item)):
        if name not in names:
            raise ConfigError(
                f"{role}='{name}' is no categorical column of the log; "
                f"{did_you_mean(name, names)}"
            )
    return {
        name: Categorical(name, hash_bins=None if name == item else hash_bins)
        for name in names
    }


def _seconds(file: TableFile, hours: pa.Array, place: np.ndarray) -> np.ndarray:
    """``(distinct hours,)`` int64 seconds since 1970 of YYMMDDHH."""
    import numpy as np

    seconds = np.empty(len(hours), np.int64)
    for index, text in enumerate(hours.to_pylist()):
        try:
            moment = datetime.strptime(text, "%y%m%d%H")
        except ValueError:
            row = int(np.flatnonzero(place == index)[0])
            raise DataError(
                f"{file.path} {file.place(row)}, column '{HOUR}': '{text}' is no hour "
                "YYMMDDHH: mend the line."
            ) from None
        seconds[index] = int(moment.replace(tzinfo=timezone.utc).timestamp())
    return seconds
