"""Knowledge graphs: read from files, made of columns, and drawn from."""

import dataclasses

import numpy as np
import pytest

from tfrec.columns import Categorical
from tfrec.data.knowledge import Edges, KnowledgeGraph, graph_of, names, read_graph

ITEM = Categorical("item_id", "item", vocabulary=("a", "b", "c"))  # nodes 2, 3, 4
TRIPLES = "e1\tby\te9\ne2\tby\te9\ne9\tborn in\te8\ne1\tlike\te2\n"
LINKS = "a\te1\nb\te2\nz\te7\n"


@pytest.fixture
def files(tmp_path):
    paths = tmp_path / "kg.txt", tmp_path / "links.txt"
    for path, text in zip(paths, (TRIPLES, LINKS), strict=True):
        path.write_text(text)
    return paths


def graph(*triples: tuple[int, int, int]) -> KnowledgeGraph:
    head, relation, tail = np.array(triples, np.int32).reshape(-1, 3).T
    return KnowledgeGraph(head, relation, tail, ("x", "y"), ("r", "s"))


def test_items_keep_their_index_and_others_follow(files):
    found = read_graph(*files, ITEM)
    assert found.entities == ("e9", "e8")
    assert found.relations == ("by", "born in", "like")
    triples = np.stack([found.head, found.relation, found.tail], axis=1)
    assert triples.tolist() == [[2, 0, 5], [3, 0, 5], [5, 1, 6], [2, 2, 3]]


def test_an_item_without_an_entity_is_a_node_without_triples(files):
    edges = Edges(read_graph(*files, ITEM), nodes=7, seed=0)
    found = edges.draw(np.array([4]), np.array([0, 1]), 3, np.random.default_rng(0))
    assert not np.any(found)


@pytest.mark.parametrize(
    "which, text, why",
    [
        (0, "e1\tby\te9\ne2\tby\n", r"kg.txt line 2 is not head, relation, tail"),
        (0, "e1\tby\te9\t\n", r"kg.txt line 1 is not head, relation, tail"),
        (0, "e1\t\te9\n", r"kg.txt line 1 is not head.*: 'e1\t\te9'; complete or drop"),
        (1, "a\te1\n\nb\te2\n", r"links.txt line 2 is not an item, a tab and an en"),
        (1, "a\te1\na\te2\n", r"links.txt line 2 links item 'a' a second time"),
        (1, "a\te1\nb\te1\n", r"links.txt line 2 links entity 'e1' a second time"),
    ],
)
def test_a_line_of_another_form_is_named(files, which, text, why):
    files[which].write_text(text)
    with pytest.raises(ValueError, match=why):
        read_graph(*files, ITEM)


def test_an_unknown_entity_is_named(files):
    known = ("e1", "e2", "e7", "e8", "e9")
    assert read_graph(*files, ITEM, known).entities == ("e9", "e8")
    with pytest.raises(ValueError, match=r"kg.txt line 3 names entity 'e8', which"):
        read_graph(*files, ITEM, ("e1", "e2", "e7", "e9"))
    with pytest.raises(ValueError, match=r"links.txt line 3 names entity 'e7'"):
        read_graph(*files, ITEM, ("e1", "e2", "e8", "e9"))


def test_the_spec_tells_of_a_graph_and_items_hold_their_triples(files):
    found = read_graph(*files, ITEM)
    (entity, relation), tables = found.columns(ITEM, longest=2)
    assert (entity.vocabulary, relation.vocabulary) == (found.entities, found.relations)
    assert tables["entity"].tolist() == [[0, 0], [0, 0], [2, 0], [2, 0], [0, 0]]
    assert tables["relation"].tolist() == [[0, 0], [0, 0], [2, 4], [2, 0], [0, 0]]


def test_a_graph_is_made_of_the_items_columns(data):
    entities, relations = names(data.spec)
    assert relations == ("genres", "year")
    assert entities[:2] == ("genres action", "genres comedy")
    assert entities[4:6] == ("year below 1978", "year 1978 to 1982")
    assert entities[-1] == "year from 2002"
    found = graph_of(data.spec, data)
    size, column = data.spec.item_column.size, data.spec["genres"]
    for item in (2, 7, 31):
        tails = found.tail[(found.head == item) & (found.relation == 0)] - size
        genres = data.items["genres"][item]
        assert sorted(tails) == sorted(genres[genres >= column.first] - column.first)
        (year,) = found.tail[(found.head == item) & (found.relation == 1)] - size - 4
        bounds = [-np.inf, 1978, 1982, 1986, 1990, 1994, 1998, 2002, np.inf]
        assert bounds[year] <= data.items["year"][item] < bounds[year + 1]
    assert found.head.min() == data.spec.item_column.first


def test_a_missing_number_is_no_entity(data):
    years = data.items["year"].copy()
    years[5] = np.nan
    changed = dataclasses.replace(data, items={**data.items, "year": years})
    found = graph_of(data.spec, changed)
    assert not np.any((found.head == 5) & (found.relation == 1))


def test_items_that_differ_in_nothing_are_refused(data):
    with pytest.raises(ValueError, match="nothing in the spec tells items apart"):
        names(data.spec.select("user_id"))


def test_a_spec_of_another_graph_is_refused(files, data):
    found = read_graph(*files, ITEM)
    spec = data.spec
    for column in found.columns(spec.item_column)[0]:
        spec = spec.replace(column)
    assert names(spec) == (found.entities, found.relations)
    with pytest.raises(ValueError, match="small comes with no knowledge graph than"):
        graph_of(spec, data)
    other = dataclasses.replace(found, relations=("by",))
    with pytest.raises(ValueError, match="small comes with another knowledge graph"):
        graph_of(spec, dataclasses.replace(data, graph=other))
    assert graph_of(spec, dataclasses.replace(data, graph=found)) is found


# Drawing


def drawn(edges: Edges, lists: list[list[int]], count: int, seed: int = 0):
    heads = np.array([node for one in lists for node in one], np.int64)
    starts = np.cumsum([0, *map(len, lists)])
    return edges.draw(heads, starts, count, np.random.default_rng(seed))


def test_a_list_draws_each_of_its_triples_equally_often():
    edges = Edges(graph((2, 0, 5), (2, 1, 6), (3, 0, 6), (5, 0, 6)), 7, seed=0)
    seen = np.zeros(4)
    for seed in range(300):
        heads, kinds, tails = drawn(edges, [[2, 3], [4]], 2, seed)
        pairs = set(zip(heads[0], kinds[0], tails[0], strict=True))
        assert len(pairs) == 2  # three there are, so none comes twice
        assert pairs <= {(2, 0, 5), (2, 1, 6), (3, 0, 6)}
        assert not tails[1].any()
        seen[[{5: 0}.get(t, 2 if h == 3 else 1) for h, _, t in pairs]] += 1
    np.testing.assert_allclose(seen[:3], 200, atol=40)


def test_fewer_triples_than_wanted_come_equally_often():
    edges = Edges(graph((2, 0, 5), (2, 1, 6)), 7, seed=0)
    _, _, tails = drawn(edges, [[2]], 6)
    assert sorted(tails[0]) == [5, 5, 5, 6, 6, 6]


def test_duplicates_count_once_and_a_self_loop_is_a_neighbour():
    doubled = Edges(graph((2, 0, 5), (2, 0, 5), (2, 1, 2)), 7, seed=0)
    _, kinds, tails = drawn(doubled, [[2]], 4)
    pairs = sorted(zip(kinds[0], tails[0], strict=True))
    assert pairs == [(0, 5), (0, 5), (1, 2), (1, 2)]
    both = Edges(graph((2, 0, 5), (5, 0, 2), (2, 1, 2)), 7, seed=0, both_ways=True)
    assert np.diff(both.start)[[2, 5]].tolist() == [2, 1]


def test_no_triples_draw_nothing():
    assert not np.any(drawn(Edges(graph(), 7, seed=0), [[2], []], 3))


def test_a_node_beyond_the_last_is_refused():
    with pytest.raises(ValueError, match=r"names node 6, and nodes are 0 \.\. 5"):
        Edges(graph((2, 0, 6)), 6, seed=0)
