"""Data sets whose items stand in a knowledge graph: Last.FM and MovieLens 1M."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.columns import Categorical
from tfrec.datasets.registry import load, register
from tfrec.datasets.sources.folder import found
from tfrec.errors import DataError
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    import numpy as np

    from tfrec.data.interactions import Interactions

TRIPLES, LINKS, PLAYS = "kg.txt", "item_index2entity_id.txt", "user_artists.dat"
SOURCE = "take the files of the {} repository by Wang et al."
HEADER = ["userID", "artistID", "weight"]
LIKED = 4.0  # stars


@dataclass(frozen=True, eq=False)
class KnowledgeSplit:
    """Three parts of what users took and of as many items that they did not.

    Attributes:
        train: What users took in six tenths of the events, all labelled 1; models draw
            their negatives themselves.
        valid: A fifth of the events, labelled 1 and 0; its past is ``train``.
        test: Another fifth.
    """

    train: Interactions
    valid: Interactions
    test: Interactions


@register("lastfm-kg")
def lastfm(data_dir: Path | None = None, seed: int = 0) -> KnowledgeSplit:
    """Last.FM with a knowledge graph: 1,872 listeners, 3,846 artists, 15,518 triples.

    The files of Wang et al. 2019 (KGCN) lie, plain or ``.xz``, in the folder
    ``lastfm-kg`` of the data directory: ``kg.txt`` (head, relation, tail),
    ``item_index2entity_id.txt`` (artist, entity) and ``user_artists.dat`` of HetRec
    2011 (``userID``, ``artistID``, ``weight``, with a header). Artists without an
    entity are left out. Every listener gets as many artists drawn from the others, with
    label 0, and all events are split 6:2:2 at random, as the authors do.

    Args:
        data_dir: The data directory.
        seed: Of the draw and the split.

    Returns:
        A :class:`KnowledgeSplit`. Ids are those of the files, as strings.

    Raises:
        DataError: A file is missing, damaged, or not of this form.
    """
    import numpy as np

    from tfrec.data.knowledge import tab_separated

    folder = "lastfm-kg"
    path = found(folder, data_dir, (f"{folder}/{PLAYS}",), SOURCE.format("KGCN"))
    words, codes = tab_separated(path, 3, "user, artist and weight with tabs between")
    if [words[code] for code in codes[0]] != HEADER:
        raise DataError(
            f"{path} line 1 is not {', '.join(HEADER)}: fetch the file again."
        )
    ids = np.array(words, object)[codes[1:, :2]]
    item, graph_files = _linked(folder, data_dir, "artist_id")
    place = {artist: number for number, artist in enumerate(item.vocabulary)}
    items = np.array([place.get(artist, -1) for artist in ids[:, 1]])
    users = ids[items >= 0, 0]
    taken = np.ones(len(users), bool)
    return _split("Last.FM", item, graph_files, users, items[items >= 0], taken, seed)


@register("movielens/1m-kg")
def movielens(data_dir: Path | None = None, seed: int = 0) -> KnowledgeSplit:
    """MovieLens 1M with a knowledge graph: 2,347 movies, 20,782 triples.

    The graph of Wang et al. 2019 (MKR) lies, plain or ``.xz``, in the folder
    ``ml-1m-kg`` of the data directory: ``kg.txt`` and ``item_index2entity_id.txt`` (a
    movie's MovieLens id, its entity). Ratings are those of ``movielens/1m``. Movies of
    4 stars or more are taken; every user gets as many drawn from those that the user
    has not rated, with label 0; split 6:2:2 at random.

    Args:
        data_dir: The data directory.
        seed: Of the draw and the split.

    Returns:
        A :class:`KnowledgeSplit`.

    Raises:
        ValueError: A file is missing, damaged, or not of this form.
    """
    import numpy as np

    item, graph_files = _linked("ml-1m-kg", data_dir, "movie_id")
    ratings = load("movielens/1m", data_dir)
    place = {movie: number for number, movie in enumerate(item.vocabulary)}
    items = np.array([place.get(movie, -1) for movie in ratings.raw("movie_id")])
    known = items >= 0
    taken = ratings.label[known] >= LIKED
    users = ratings.raw("user_id")[known]
    return _split("MovieLens 1M", item, graph_files, users, items[known], taken, seed)


def _linked(
    folder: str, data_dir: Path | None, name: str
) -> tuple[Categorical, tuple[Path, Path]]:
    """The column of items that have an entity, and the two files of the graph."""
    from tfrec.data.knowledge import tab_separated

    source = SOURCE.format("KGCN" if folder == "lastfm-kg" else "MKR")
    triples, links = (
        found(folder, data_dir, (f"{folder}/{file}",), source)
        for file in (TRIPLES, LINKS)
    )
    words, codes = tab_separated(links, 2, "an item, a tab and an entity")
    vocabulary = tuple(dict.fromkeys(words[code] for code in codes[:, 0].tolist()))
    return Categorical(name, "item", vocabulary=vocabulary), (triples, links)


def _split(
    name: str,
    item: Categorical,
    graph_files: tuple[Path, Path],
    users: np.ndarray,
    items: np.ndarray,
    taken: np.ndarray,
    seed: int,
) -> KnowledgeSplit:
    """Draws negatives and splits.

    Args:
        name: Of the data.
        item: The item column.
        graph_files: Triples and links.
        users: ``(n,)`` raw ids of users.
        items: ``(n,)`` numbers of items in the vocabulary.
        taken: ``(n,)`` bool; what is not taken is not drawn either.
        seed: Of the draw and the split.
    """
    import numpy as np

    from tfrec.data.interactions import Interactions
    from tfrec.data.knowledge import read_graph

    graph = read_graph(*graph_files, item)
    known, user = np.unique(users[taken].astype(str), return_inverse=True)
    place = np.searchsorted(known, users.astype(str))
    place = np.minimum(place, len(known) - 1)
    rated = known[place] == users.astype(str)
    free = np.ones((len(known), len(item.vocabulary)), bool)
    free[place[rated], items[rated]] = False
    random = np.random.default_rng(seed)
    counts = np.minimum(np.bincount(user), free.sum(axis=1))
    drawn = [
        random.choice(np.flatnonzero(row), count, replace=False)
        for row, count in zip(free, counts, strict=True)
    ]
    column = Categorical("user_id", "user", vocabulary=tuple(known.tolist()))
    declared, tables = graph.columns(item)
    spec = FeatureSpec((column, item, *declared), item=item.name, label="label")
    others = np.repeat(np.arange(len(known)), counts)
    user = np.concatenate([user, others]) + column.first
    number = np.concatenate([items[taken], *drawn]) + item.first
    label = np.arange(len(user)) < taken.sum()
    events = Interactions(
        spec,
        {
            "user_id": user.astype(np.int32),
            item.name: number.astype(np.int32),
            "label": label.astype(np.float32),
        },
        items=tables,
        name=name,
        ordered=False,
        graph=graph,
    )
    order = random.permutation(len(events))
    first, second = int(0.6 * len(order)), int(0.8 * len(order))
    rows = order[:first]
    train = events.take(rows[label[rows]], name=f"{name}, train")
    valid, test = (
        events.take(rows, name=f"{name}, {part}", past=train, train=train)
        for part, rows in (
            ("validation", order[first:second]),
            ("test", order[second:]),
        )
    )
    return KnowledgeSplit(train, valid, test)
