"""What is known of items beside who took them: triples of entities and relations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfrec.columns import Categorical, Numeric
from tfrec.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.features import FeatureSpec

ENTITY, RELATION = "entity", "relation"
HALVES = 4  # numbers are told apart by half standard deviations up to two
CHUNK = 65_536  # lists that are drawn at a time


@dataclass(frozen=True, eq=False)
class KnowledgeGraph:
    """Directed triples (head, relation, tail) over items and other entities.

    Nodes below the rows of the item table are items, by item index; further entities
    follow in order. So an item that no triple names is a node too, and node 0 is
    padding.

    Attributes:
        head: ``(triples,)`` int32 nodes.
        relation: ``(triples,)`` int32, from 0.
        tail: ``(triples,)`` int32 nodes.
        entities: Names of the entities that are no items.
        relations: Names of the relations.
    """

    head: np.ndarray
    relation: np.ndarray
    tail: np.ndarray
    entities: tuple[str, ...]
    relations: tuple[str, ...]

    def columns(self, item: Categorical, longest: int = 8) -> tuple:
        """The item columns that tell a model of this graph, and their tables.

        ``entity`` has every entity that is no item as its vocabulary, and of an item
        those that its triples lead to; ``relation`` has every relation, and of an item
        those that lead away from it. At most ``longest`` are kept of each.

        Returns:
            Two columns, and the tables by name for :class:`Interactions`.
        """
        declared = tuple(
            Categorical(name, "item", vocabulary=names, max_len=longest)
            for name, names in ((ENTITY, self.entities), (RELATION, self.relations))
        )
        tables = {}
        for column, values in zip(
            declared, (self.tail - item.size, self.relation), strict=True
        ):
            of_item = (self.head < item.size) & (values >= 0)
            rows, own = self.head[of_item], values[of_item].astype(np.int64)
            rows, own = np.unique(np.stack([rows, own]), axis=1)
            place = np.arange(len(rows)) - np.searchsorted(rows, rows)
            table = np.zeros((item.size, longest), np.int32)
            keep = place < longest
            table[rows[keep], place[keep]] = own[keep] + column.first
            tables[column.name] = table
        return declared, tables


def names(spec: FeatureSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entities that are no items, and relations, as far as a spec tells.

    Those of the columns ``entity`` and ``relation`` where there are both. Else the
    values of categorical and normalised numeric item columns are entities, a number by
    the half standard deviation it falls into, and each such column is a relation.

    Raises:
        ConfigError: There are none.
    """
    if ENTITY in spec and RELATION in spec:
        found = (tuple(spec[n].vocabulary) for n in (ENTITY, RELATION))  # type: ignore[union-attr]
        return next(found), next(found)
    entities: list[str] = []
    for column in _described(spec):
        if isinstance(column, Categorical):
            entities += [f"{column.name} {value}" for value in column.vocabulary]
        else:
            entities += [f"{column.name} {piece}" for piece in _pieces(column)]
    if not entities:
        raise ConfigError(
            "nothing in the spec tells items apart but their ids: load data with a "
            "knowledge graph, or give the spec a categorical column with side='item'."
        )
    return tuple(entities), tuple(column.name for column in _described(spec))


def graph_of(spec: FeatureSpec, data: Interactions) -> KnowledgeGraph:
    """The graph that comes with data, or one made of their item columns.

    Raises:
        DataError: The spec tells of another graph than comes with the data.
    """
    entities, relations = names(spec)
    if ENTITY in spec and RELATION in spec:
        graph = getattr(data, "graph", None)
        if graph is None or graph.entities != entities or graph.relations != relations:
            raise DataError(
                f"{getattr(data, 'name', 'the data')} comes with "
                f"{'no' if graph is None else 'another'} knowledge graph than columns "
                f"'{ENTITY}' and '{RELATION}' tell of: load both from one data set."
            )
        return graph
    heads, kinds, tails = [], [], []
    offset = spec.item_column.size
    for number, column in enumerate(_described(spec)):
        if column.name not in data.items:
            raise DataError(
                f"{data.name} has no item table with column '{column.name}': add it to "
                "items, or drop the column with spec.select(...)."
            )
        values = data.items[column.name]
        if isinstance(column, Categorical):
            values = values.reshape(len(values), -1) - column.first
            width = len(column.vocabulary)
        else:
            deviation = (values[:, None] - column.mean) / (column.std or 1.0)
            place = np.floor(2 * np.clip(deviation, -HALVES, HALVES - 0.5)) + HALVES
            known = np.isfinite(deviation)
            values = np.where(known, np.clip(place, 0, 2 * HALVES - 1), -1).astype(int)
            width = 2 * HALVES
        row, column_place = np.nonzero(values >= 0)
        keep = row >= spec.item_column.first
        heads.append(row[keep])
        tails.append(values[row, column_place][keep] + offset)
        kinds.append(np.full(keep.sum(), number))
        offset += width
    head, kind, tail = (
        np.concatenate(part).astype(np.int32) for part in (heads, kinds, tails)
    )
    return KnowledgeGraph(head, kind, tail, entities, relations)


def _described(spec: FeatureSpec) -> list[Categorical | Numeric]:
    """Item columns whose values can be entities."""
    found: list[Categorical | Numeric] = []
    for column in spec.on("item"):
        if isinstance(column, Categorical):
            if column.name != spec.item and len(column.vocabulary):
                found.append(column)
        elif isinstance(column, Numeric) and column.normalisation == "zscore":
            found += [column] if column.shape == () else []
    return found


def _pieces(column: Numeric) -> list[str]:
    """Names of the half standard deviations around a mean."""
    steps = np.arange(1 - HALVES, HALVES) / 2 * column.std + column.mean
    edges = [f"{edge:.4g}" for edge in steps]
    inner = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"below {edges[0]}", *inner, f"from {edges[-1]}"]


def read_graph(
    triples: Path,
    links: Path,
    item: Categorical,
    entities: tuple[str, ...] | None = None,
) -> KnowledgeGraph:
    """Reads a graph from two tab-separated files, plain or ``.xz``.

    Args:
        triples: Lines of head, relation, tail.
        links: Lines of item id and entity. Items that are not in the vocabulary are
            passed over; items without a line have no triples.
        item: The item column.
        entities: All entities there are; None to take whatever the triples name.

    Returns:
        The graph, entities and relations in the order in which triples name them.

    Raises:
        DataError: A line has not as many columns, an item or an entity is linked
            twice, or an entity is none of ``entities``; names file and line.
    """
    words, codes = tab_separated(links, 2, "an item, a tab and an entity")
    place = {str(value): item.first + n for n, value in enumerate(item.vocabulary)}
    owner: dict[str, int] = {}
    for column, what in ((0, "item"), (1, "entity")):
        distinct, first = np.unique(codes[:, column], return_index=True)
        if len(distinct) < len(codes):
            again = int(np.setdiff1d(np.arange(len(codes)), first)[0])
            raise DataError(
                f"{links} line {again + 1} links {what} "
                f"'{words[codes[again, column]]}' a second time: keep one line of it."
            )
    allowed = None if entities is None else set(entities)
    for line, (raw, entity) in enumerate(codes.tolist(), 1):
        _check_entity(words[entity], allowed, links, line)
        if words[raw] in place:
            owner[words[entity]] = place[words[raw]]
    words, codes = tab_separated(triples, 3, "head, relation, tail, with tabs between")
    ends = codes[:, [0, 2]]
    relations, relation = _in_order(codes[:, 1])
    distinct, end = _in_order(ends.ravel())
    node = np.empty(len(distinct), np.int32)
    others: list[str] = []
    for number, code in enumerate(distinct.tolist()):
        name = words[code]
        if allowed is not None and name not in allowed:
            line = int(np.flatnonzero((ends == code).any(axis=1))[0]) + 1
            _check_entity(name, allowed, triples, line)
        if name in owner:
            node[number] = owner[name]
        else:
            node[number] = item.size + len(others)
            others.append(name)
    head, tail = node[end.reshape(-1, 2)].T
    return KnowledgeGraph(
        head,
        relation.astype(np.int32),
        tail,
        tuple(others),
        tuple(words[code] for code in relations.tolist()),
    )


def _in_order(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct codes in order of appearance, and the place of each among them."""
    distinct, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[inverse.reshape(-1)]


def _check_entity(name: str, allowed: set | None, path: Path, line: int) -> None:
    if allowed is not None and name not in allowed:
        raise DataError(
            f"{path} line {line} names entity '{name}', which is none of the "
            f"{len(allowed)} there are: add it to them, or drop the line."
        )


def tab_separated(path: Path, columns: int, form: str) -> tuple[list[str], np.ndarray]:
    """Reads a tab-separated file, plain or ``.xz``.

    Args:
        path: The file.
        columns: How many a line has.
        form: What a line is, for the message.

    Returns:
        Distinct words, and ``(lines, columns)`` of their numbers.

    Raises:
        DataError: A line has not as many columns, or an empty one; names file and
            line.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from tfrec.datasets.sources.sequences import contents

    text = contents(path).decode("utf8", "replace").rstrip("\r\n")
    lines = pc.utf8_rtrim(pa.array(text.split("\n")), characters="\r")
    parts = pc.split_pattern(lines, "\t")
    words = pc.list_flatten(parts).dictionary_encode()
    lengths = pc.list_value_length(parts).to_numpy()
    wrong = lengths != columns
    if not wrong.any():
        empty = pc.equal(words.dictionary, "").to_numpy(zero_copy_only=False)
        codes = words.indices.to_numpy().reshape(-1, columns)
        wrong = empty[codes].any(axis=1)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path} line {line + 1} is not {form}: '{lines[line].as_py()[:60]}'; "
            "complete or drop the line."
        )
    return words.dictionary.to_pylist(), codes


class Edges:
    """Triples by head, each once, those of a head in random order.

    Args:
        graph: The triples.
        nodes: Number of nodes.
        seed: Of the order.
        both_ways: Whether a triple leads from its tail to its head too.

    Raises:
        DataError: A node is not in 0 .. nodes - 1.
    """

    def __init__(
        self, graph: KnowledgeGraph, nodes: int, seed: int, both_ways: bool = False
    ) -> None:
        triples = np.stack([graph.head, graph.relation, graph.tail]).astype(np.int64)
        ends = triples[[0, 2]]
        if ends.size and not 0 <= ends.min() <= ends.max() < nodes:
            raise DataError(
                f"a triple names node {ends.max()}, and nodes are 0 .. {nodes - 1}: "
                "make the graph with the item column of the same spec."
            )
        if both_ways:
            triples = np.concatenate([triples, triples[::-1]], axis=1)
        order = np.lexsort((triples[2], triples[1], triples[0]))
        triples = triples[:, order]
        fresh = np.ones(triples.shape[1], bool)
        fresh[1:] = (triples[:, 1:] != triples[:, :-1]).any(axis=0)
        triples = triples[:, fresh]
        random = np.random.default_rng(seed).random(triples.shape[1])
        order = np.lexsort((random, triples[0]))
        self.relation, self.tail = triples[1:, order].astype(np.int32)
        degree = np.bincount(triples[0], minlength=nodes)
        self.start = np.concatenate([[0], np.cumsum(degree)])

    def draw(
        self,
        heads: np.ndarray,
        starts: np.ndarray,
        count: int,
        random: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draws triples that lead away from lists of nodes.

        Every ``total / count``-th triple from a random one on, so that each is equally
        likely, none comes twice while there are enough, and fewer come equally often.

        Args:
            heads: ``(any,)`` nodes, list after list.
            starts: ``(lists + 1,)`` where each list begins.
            count: Triples for each list.
            random: Where to draw from.

        Returns:
            Heads, relations and tails ``(lists, count)`` int32, all 0 for a list that
            no triple leads away from.
        """
        found = np.zeros((3, len(starts) - 1, count), np.int32)
        for begin in range(0, len(starts) - 1, CHUNK):
            cut = starts[begin : begin + CHUNK + 1]
            part = heads[cut[0] : cut[-1]]
            degree = self.start[part + 1] - self.start[part]
            before = np.concatenate([[0], np.cumsum(degree)])
            low = before[cut - cut[0]]
            total = np.diff(low)
            step = np.arange(count) + random.random((len(total), 1))
            place = (step / count * total[:, None]).astype(np.int64)
            place = np.minimum(place, np.maximum(total - 1, 0)[:, None])
            place += low[:-1, None]
            some = total > 0
            owner = np.searchsorted(before, place[some], side="right") - 1
            edge = self.start[part[owner]] + place[some] - before[owner]
            rows = begin + np.flatnonzero(some)
            found[0, rows] = part[owner]
            found[1, rows] = self.relation[edge]
            found[2, rows] = self.tail[edge]
        return found[0], found[1], found[2]
