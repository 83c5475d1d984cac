"""The split of MovieLens 1M published with Neural Collaborative Filtering."""

from __future__ import annotations

import io
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.columns import Categorical, Sequence
from tfrec.data.timeline import SECOND
from tfrec.datasets.registry import register
from tfrec.errors import ConfigError, DataError
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from tfrec.data.interactions import Interactions

TRAIN, TEST = "ml-1m.train.rating", "ml-1m.test.rating"
NEGATIVES, ITEMS = "ml-1m.test.negative", "ncf_item_to_movieid.tsv"
COLUMNS = ("user_id", "movie_id", "rating", "timestamp")


@dataclass(frozen=True, eq=False)
class NCFSplit:
    """Training events, each user's last event, and the stored negatives.

    Attributes:
        train: 994,169 events of 6,040 users and 3,706 movies.
        test: The last event of each user; its past is ``train``.
        candidates: ``(6040, 99)`` int32 item indices, row by row those of ``test``, for
            :class:`tfrec.evaluation.SampledNegatives`. For 156 users the published
            negatives hold the test item itself; the authors rank it once.
    """

    train: Interactions
    test: Interactions
    candidates: np.ndarray


@register("movielens/ncf")
def ncf(data_dir: Path | None = None, history: int = 50) -> NCFSplit:
    """MovieLens 1M in the split of He et al. 2017, with the 99 stored negatives.

    Files, plain or ``.xz``, lie in the folder ``ncf`` of the data directory:
    ``ml-1m.train.rating``, ``ml-1m.test.rating`` and ``ml-1m.test.negative`` as the
    authors published them. Ids are the split's numbers as strings, in order; with a
    file ``ncf_item_to_movieid.tsv`` (the split's number of an item, its MovieLens id)
    ``movie_id`` is the id of MovieLens.

    Args:
        data_dir: The data directory.
        history: Length of the column ``history``.

    Returns:
        An :class:`NCFSplit`.

    Raises:
        ValueError: A file is missing, damaged, or does not fit the others.
    """
    import numpy as np

    from tfrec.data.interactions import Interactions

    if data_dir is None:
        raise ConfigError(
            "movielens/ncf is read from the folder 'ncf' of a data directory: pass "
            "data_dir, or set TFREC_DATA_DIR."
        )
    folder = data_dir / "ncf"
    train = _table(folder, TRAIN, COLUMNS)
    test = _table(folder, TEST, COLUMNS)
    negatives = _table(folder, NEGATIVES)
    numbers = np.stack([negatives[f"f{c}"] for c in range(1, len(negatives))], axis=1)
    movies = _movies(folder, train, test, numbers)
    users = int(max(train["user_id"].max(), test["user_id"].max())) + 1
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=tuple(map(str, range(users)))),
            Categorical("movie_id", "item", vocabulary=movies),
            Sequence("history", of="movie_id", max_len=history),
        ),
        item="movie_id",
        label="rating",
        timestamp="timestamp",
        min_label=0.5,  # every rating counts
    )
    first = spec.item_column.first

    def events(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            "user_id": (table["user_id"] + spec.user_column.first).astype(np.int32),
            "movie_id": (table["movie_id"] + first).astype(np.int32),
            "rating": table["rating"].astype(np.float32),
            "timestamp": table["timestamp"].astype(np.int64) * SECOND,
        }

    _check(folder, negatives["f0"], numbers, train, test, len(movies))
    name = "MovieLens 1M, NCF split"
    known = Interactions(spec, events(train), name=f"{name}, train")
    asked = Interactions(
        spec, events(test), name=f"{name}, test", past=known, train=known
    )
    return NCFSplit(known, asked, (numbers + first).astype(np.int32))


def _movies(
    folder: Path,
    train: dict[str, np.ndarray],
    test: dict[str, np.ndarray],
    negatives: np.ndarray,
) -> tuple[str, ...]:
    """Item ids by the split's number."""
    if any((folder / name).is_file() for name in (ITEMS, f"{ITEMS}.xz")):
        ids = _table(folder, ITEMS, ("number", "movie_id"))["movie_id"]
        return tuple(map(str, ids.tolist()))
    last = max(train["movie_id"].max(), test["movie_id"].max(), negatives.max())
    return tuple(map(str, range(int(last) + 1)))


def _check(
    folder: Path,
    pairs: np.ndarray,
    numbers: np.ndarray,
    train: dict[str, np.ndarray],
    test: dict[str, np.ndarray],
    items: int,
) -> None:
    """Refuses negatives of other events, or numbers that are no item."""
    if len(pairs) != len(test["user_id"]):
        raise DataError(
            f"{folder / NEGATIVES} has {len(pairs)} lines and {TEST} has "
            f"{len(test['user_id'])}: fetch both files again."
        )
    for row, (pair, user, item) in enumerate(
        zip(pairs.tolist(), test["user_id"], test["movie_id"], strict=True), 1
    ):
        if pair != f"({user},{item})":
            raise DataError(
                f"{folder / NEGATIVES} line {row} is for {pair} and {TEST} has "
                f"({user},{item}) there: fetch both files again."
            )
    last = max(numbers.max(), train["movie_id"].max(), test["movie_id"].max())
    if last >= items:
        raise DataError(
            f"the split in {folder} names item {last} and {ITEMS} has {items} items: "
            "fetch the files again."
        )


def _table(
    folder: Path, name: str, columns: tuple[str, ...] | None = None
) -> dict[str, np.ndarray]:
    """A tab-separated file without header, plain or ``.xz``."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    try:
        text = _bytes(folder, name)
        table: pa.Table = arrow_csv.read_csv(
            io.BytesIO(text),
            arrow_csv.ReadOptions(
                column_names=columns, autogenerate_column_names=columns is None
            ),
            arrow_csv.ParseOptions(delimiter="\t"),
        )
    except (pa.ArrowInvalid, lzma.LZMAError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{folder / name} is damaged ({reason}): fetch it again."
        ) from error
    return {n: table[n].to_numpy() for n in table.column_names}


def _bytes(folder: Path, name: str) -> bytes:
    if (folder / name).is_file():
        return (folder / name).read_bytes()
    packed = folder / f"{name}.xz"
    if packed.is_file():
        with lzma.open(packed) as stream:
            return stream.read()
    raise DataError(
        f"movielens/ncf needs {name} (or {packed.name}) in {folder}: take the files of "
        "the neural_collaborative_filtering repository by He et al."
    )
