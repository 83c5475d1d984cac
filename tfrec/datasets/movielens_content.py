"""MovieLens 1M with what its films look like and are about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.columns import Categorical, Image, Text
from tfrec.datasets.registry import register
from tfrec.errors import DataError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

FOLDER = "ml-1m-content"
TEXTS, POSTERS = f"{FOLDER}/movies_extrainfos.dat", f"{FOLDER}/posters-64x96.zip"
SOURCE = (
    "plots and posters of the films of MovieLens 1M, one line of '::' for each film "
    "and a zip of '<movie id>.jpg', were collected by others and are copyrighted"
)
FIELDS = 11  # id, title, year, rating, release, genres, directors, ..., plot, poster
PEOPLE = {"directors": 6, "actors": 8}
PLOT = 9
UNKNOWN = "N/A"


@register("movielens/1m-content")
def movielens_1m_content(
    data_dir: Path | None = None, history: int = 50, words: int = 100
) -> Interactions:
    """MovieLens 1M with plots, directors, actors and posters of its 3,706 movies.

    Columns as in ``movielens/1m``, and ``plot`` (text), ``directors`` and ``actors``
    (bags of names), ``poster`` (an image of 96 x 64 pixels). Words and people of a
    single film are out of vocabulary. Posters are read from the user's disk as they
    are, in memory as the bytes of their files (7 MB); models decode them.

    Args:
        data_dir: Where ``ml-1m-content`` lies, and what ``movielens/1m`` needs.
        history: Length of the column ``history``.
        words: Words kept of a plot; half of the plots have 78 or fewer.

    Raises:
        ValueError: No such folder, or a damaged file.
    """
    import dataclasses

    import numpy as np
    import pyarrow as pa

    from tfrec.data.encode import encode, side_table
    from tfrec.data.fitting import Fit
    from tfrec.data.mapping import Declared, Mapping
    from tfrec.datasets.movielens_releases import movielens_1m
    from tfrec.datasets.sources.folder import found

    lines = _lines(found("movielens/1m-content", data_dir, (TEXTS,), SOURCE))
    posters = _posters(found("movielens/1m-content", data_dir, (POSTERS,), SOURCE))
    data = movielens_1m(data_dir, history)
    item = data.spec.item_column
    known = {movie: fields for movie, fields in lines.items() if movie in item.raw}
    table = {
        "movie_id": pa.array(known),
        "plot": pa.array([_known(fields[PLOT]) for fields in known.values()]),
    }
    for name, place in PEOPLE.items():
        people = [_people(fields[place]) for fields in known.values()]
        table[name] = pa.array(people, pa.list_(pa.string()))
    declared = (
        Declared("user_id", data.spec.user_column),
        Declared("movie_id", item),
        Declared("plot", Text("plot", "item", max_len=words)),
        *(
            Declared(name, Categorical(name, "item", max_len=1), infer=True)
            for name in PEOPLE
        ),
    )
    fit = Fit(Mapping("user_id", "movie_id"), declared, min_count=2)
    fit.add(table)
    learned, spec = fit.spec(), data.spec
    for name in ("plot", *PEOPLE):
        spec = spec.replace(learned[name])
    columns = {n: encode(spec, n, pa.chunked_array([v])) for n, v in table.items()}
    owners = columns.pop("movie_id")
    images = np.array([posters.get(movie, b"") for movie in item.raw], object)
    return dataclasses.replace(
        data,
        spec=spec.replace(Image("poster", "item", height=96, width=64)),
        items={**data.items, **side_table(item, owners, columns), "poster": images},
        name=f"{data.name} with content",
    )


def _known(text: str) -> str:
    return "" if text == UNKNOWN else text


def _people(text: str) -> list[str]:
    """Names without what is said of them in brackets."""
    names = (name.partition("(")[0].strip() for name in _known(text).split(","))
    return [name for name in names if name]


def _lines(path: Path) -> dict[str, list[str]]:
    """Fields of each film, by its id."""
    import lzma

    opened = lzma.open if path.suffix == ".xz" else open
    films: dict[str, list[str]] = {}
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                fields = line.rstrip("\n").split("::")
                if len(fields) != FIELDS:
                    raise DataError(
                        f"{path} line {number} has {len(fields)} fields between '::' "
                        f"and not {FIELDS}: take the file as it was published."
                    )
                films.setdefault(fields[0], fields)
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is damaged ({error}): take the file as it was published."
        ) from error
    return films


def _posters(path: Path) -> dict[str, bytes]:
    """Bytes of each poster, by the id of its film."""
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(path) as archive:
            return {
                Path(entry.filename).stem: archive.read(entry)
                for entry in archive.infolist()
                if entry.filename.endswith(".jpg")
            }
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{path} is damaged ({error}): take the file as it was published."
        ) from error
