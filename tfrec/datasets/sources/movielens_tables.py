"""What all MovieLens releases share: the spec, and interactions from three tables."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tfrec.columns import Categorical, Numeric, Sequence, Text
from tfrec.data.mapping import Declared, Mapping
from tfrec.data.timeline import SECOND

if TYPE_CHECKING:
    import pyarrow as pa

    from tfrec.data.interactions import Interactions

Tables = dict[str, "pa.ChunkedArray"]
# Whoever rated a film has seen it: every rating is a positive event.
MAPPING = Mapping("user_id", "movie_id", "rating", "timestamp", min_label=0.5)
COLUMNS = (
    Declared("user_id", Categorical("user_id", "user")),
    Declared("movie_id", Categorical("movie_id", "item")),
    Declared("genres", Categorical("genres", "item", max_len=1), infer=True),
    Declared("title", Text("title", "item")),
    Declared("year", Numeric("year", "item", normalisation="zscore")),
)
DEMOGRAPHY = tuple(
    Declared(name, Categorical(name, "user"))
    for name in ("gender", "age", "occupation", "zip_code")
)


def movielens(
    events: Tables, users: Tables, movies: Tables, name: str, history: int
) -> Interactions:
    """Interactions of one release.

    Args:
        events: ``user_id``, ``movie_id``, ``rating`` and ``timestamp`` (int64 seconds).
        users: ``user_id`` and the columns of ``DEMOGRAPHY``; empty without them.
        movies: ``movie_id``, ``genres``, ``title`` without the year, and ``year``
            (float64, NaN when unknown).
        name: What the data is called.
        history: Length of the column ``history``.

    Returns:
        Interactions with string ids. Words, genres and the year's statistics are those
        of movies, not of events.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from tfrec.data.encode import joined
    from tfrec.data.fitting import Fit

    fit = Fit(MAPPING, (*COLUMNS, *(DEMOGRAPHY if users else ())))
    for table, ids in ((events, ()), (users, ("user_id",)), (movies, ("movie_id",))):
        columns = {n: _one(v) for n, v in table.items() if n not in ids}
        fit.add(columns)
    spec = fit.spec(Sequence("history", of="movie_id", max_len=history))
    times = pc.multiply(events["timestamp"].cast(pa.int64()), SECOND)
    data = joined(spec, {**events, "timestamp": times}, users, movies, name)
    return dataclasses.replace(data, item_names=_names(data, movies))


def _one(values: pa.ChunkedArray) -> pa.Array:
    """One plain array of a chunked one that may be dictionary-encoded."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
    elif pa.types.is_list(kind) and pa.types.is_dictionary(kind.value_type):
        values = values.cast(pa.list_(kind.value_type.value_type))
    return values.combine_chunks()


def _names(data: Interactions, movies: Tables) -> Any:
    """``title (year)`` by item index; the id where there is no title."""
    import numpy as np

    from tfrec.data.encode import encode

    columns = (_one(movies[n]).to_pylist() for n in ("movie_id", "title", "year"))
    names = np.full(data.spec.item_column.size, "", object)
    names[encode(data.spec, "movie_id", movies["movie_id"])] = [
        (title if year != year else f"{title} ({int(year)})") or movie
        for movie, title, year in zip(*columns, strict=True)
    ]
    return names
