"""MovieLens 100K, 1M and latest-small through TFDS, also from an archive at hand.

What TFDS prepares, 350 MB of 1M, goes to its own folder, ``$TFDS_DATA_DIR`` or
``~/tensorflow_datasets``, and never to the folder of the archive.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec.datasets.registry import prepared_directory, register
from tfrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from tfrec.data.interactions import Interactions

# Pinned, so that a cache made from it is found without loading TFDS.
TFDS_VERSION = "0.1.1"
SITE = "https://files.grouplens.org/datasets/movielens/"
DATED = r"^(?P<title>.*?)\s*(?:\((?P<year>\d{4})\)\s*(?:\(V\))?)?$"
MEMBERS = {
    "100k": ("ml-100k/u.data", "ml-100k/u.item", "ml-100k/u.user"),
    "1m": ("ml-1m/ratings.dat", "ml-1m/movies.dat", "ml-1m/users.dat"),
    "latest-small": ("ml-latest-small/ratings.csv", "ml-latest-small/movies.csv"),
}


@register("movielens/100k")
def movielens_100k(data_dir: Path | None = None, history: int = 50) -> Interactions:
    """MovieLens 100K: 100,000 ratings of 1,682 movies by 943 users, with demography.

    Columns and positive events as in ``movielens``, and ``gender``, ``age``,
    ``occupation``, ``zip_code``.

    Args:
        data_dir: Where ``ml-100k.zip`` may lie; it is only read.
        history: Length of the column ``history``.

    Raises:
        ValueError: Neither archive nor network, or the archive is damaged.
    """
    return _load("100k", "MovieLens 100K", data_dir, history)


@register("movielens/1m")
def movielens_1m(data_dir: Path | None = None, history: int = 50) -> Interactions:
    """MovieLens 1M: 1,000,209 ratings of 3,706 movies by 6,040 users, with demography.

    Columns and positive events as in ``movielens/100k``. Preparing takes two minutes,
    once.

    Args:
        data_dir: Where ``ml-1m.zip`` may lie; it is only read.
        history: Length of the column ``history``.

    Raises:
        ValueError: Neither archive nor network, or the archive is damaged.
    """
    return _load("1m", "MovieLens 1M", data_dir, history)


@register("movielens/latest-small")
def movielens_latest_small(
    data_dir: Path | None = None, history: int = 50
) -> Interactions:
    """MovieLens latest-small of 2018: 100,836 ratings of 9,724 movies by 610 users.

    Columns and positive events as in ``movielens``.

    Args:
        data_dir: Where ``ml-latest-small.zip`` may lie; it is only read.
        history: Length of the column ``history``.

    Raises:
        ValueError: Neither archive nor network, or the archive is damaged.
    """
    return _load("latest-small", "MovieLens latest-small", data_dir, history)


def _load(release: str, name: str, data_dir: Path | None, history: int) -> Interactions:
    import pyarrow.compute as pc

    from tfrec.datasets.sources.cache import cached
    from tfrec.datasets.sources.movielens_tables import DEMOGRAPHY, movielens

    directory = prepared_directory(None)
    table = cached(
        directory,
        f"movielens/{release}",
        TFDS_VERSION,
        lambda: _prepared(release, directory, data_dir),
    )
    events = {n: table[n] for n in ("user_id", "movie_id", "rating", "timestamp")}
    users, movies = _first_rows(table, "user_id"), _first_rows(table, "movie_id")
    titles = pc.extract_regex(
        movies["title"].cast("string"),
        r"^(?P<title>.*?)\s*(?:\((?P<year>\d{4})\)\s*)?$",
    )
    year = pc.struct_field(titles, "year")
    year = pc.if_else(pc.equal(year, ""), None, year).cast("float64")
    demography = [
        item.source for item in DEMOGRAPHY if item.source in table.schema.names
    ]
    return movielens(
        events,
        {n: users[n] for n in ("user_id", *demography)} if demography else {},
        {
            "movie_id": movies["movie_id"],
            "genres": movies["genres"],
            "title": pc.struct_field(titles, "title"),
            "year": year.fill_null(float("nan")),
        },
        name,
        history,
    )


def _first_rows(table: pa.Table, owner: str) -> pa.Table:
    import numpy as np

    from tfrec.data.encode import distinct

    _, rows = np.unique(distinct(table[owner])[1], return_index=True)
    return table.take(rows)


def _prepared(release: str, directory: Path, data_dir: Path | None) -> pa.Table:
    """The release as one table under the names of tfrec, through TFDS."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import tensorflow_datasets as tfds

    from tfrec.datasets.sources.tfds_reader import prepare, read

    dataset = f"movielens/{release}-ratings"
    for place in (data_dir, directory):
        if place and (place / dataset / TFDS_VERSION / "dataset_info.json").exists():
            directory = place
    builder: Any = tfds.builder(f"{dataset}:{TFDS_VERSION}", data_dir=directory)
    if not Path(builder.data_path, "dataset_info.json").exists():
        _provide_archive(release, directory, data_dir)
        prepare(builder)
    table = read(builder)
    names = {
        "user_id": "user_id",
        "movie_id": "movie_id",
        "user_rating": "rating",
        "timestamp": "timestamp",
        "movie_title": "title",
        "movie_genres": "genres",
        "user_gender": "gender",
        "bucketized_user_age": "age",
        "user_occupation_text": "occupation",
        "user_zip_code": "zip_code",
    }
    columns = {
        new: table[old] for old, new in names.items() if old in table.schema.names
    }
    if "gender" in columns:
        gender = pc.if_else(pc.equal(columns["gender"], 1), "M", "F")
        columns["gender"] = gender.dictionary_encode()
        columns["age"] = columns["age"].cast(pa.int32()).cast(pa.string())
    return pa.table(columns)


def _provide_archive(release: str, directory: Path, data_dir: Path | None) -> None:
    """Sees to it that TFDS finds the archive, or that it can fetch it."""
    from tfrec.datasets.sources import archives

    archive = f"ml-{release}.zip"
    url = SITE + archive
    if archives.downloaded(url, directory, "movielens"):
        return
    for place in (data_dir, directory):
        if place and (place / archive).is_file():
            archives.check_zip(place / archive, MEMBERS[release])
            archives.seed_download(place / archive, url, directory, "movielens")
            return
    if not archives.reachable(url):
        raise DataError(
            f"movielens/{release} needs {archive} and {url} cannot be reached: put "
            f"{archive} into {data_dir or directory} and try again."
        )
