import numpy as np
import pytest

from tfrec import datasets
from tfrec.data.knowledge import graph_of


@pytest.fixture
def folder(tmp_path):
    """Ten listeners of ten artists each; artist 0 has no entity."""
    folder = tmp_path / "lastfm-kg"
    folder.mkdir()
    plays = ["userID\tartistID\tweight"]
    for user in range(10):
        plays += [f"{user}\t{artist}\t7" for artist in range(user, user + 10)]
    (folder / "user_artists.dat").write_text("\n".join(plays) + "\n")
    links = "".join(f"{artist}\te{artist}\n" for artist in range(1, 40))
    (folder / "item_index2entity_id.txt").write_text(links)
    triples = "".join(f"e{artist}\tgenre\tg{artist % 3}\n" for artist in range(1, 39))
    (folder / "kg.txt").write_text(triples)
    return folder


def test_as_many_negatives_as_positives_and_six_tenths_to_learn(folder):
    split = datasets.load("lastfm-kg", folder.parent)
    train, valid, test = split.train, split.valid, split.test
    taken = {(u, a) for u in range(10) for a in range(max(u, 1), u + 10)}
    events = train.concat(valid).concat(test)
    pairs = list(zip(events.raw("user_id"), events.raw("artist_id"), strict=True))
    pairs = [(int(user), int(artist)) for user, artist in pairs]
    assert len(set(pairs)) == len(pairs)
    assert {p for p, y in zip(pairs, events.label, strict=True) if y} == taken
    assert not {p for p, y in zip(pairs, events.label, strict=True) if not y} & taken
    assert set(train.label) == {1.0}
    assert [len(valid), len(test)] == [40, 40]  # of 198
    assert valid.past is valid.train is test.past is train


def test_the_graph_comes_with_every_part(folder):
    split = datasets.load("lastfm-kg", folder.parent)
    spec = split.train.spec
    assert spec["entity"].vocabulary == ("g1", "g2", "g0")
    assert spec["relation"].vocabulary == ("genre",)
    graph = graph_of(spec, split.test)
    assert graph is graph_of(spec, split.train)
    assert len(graph.head) == 38
    last = spec.item_column.size - 1  # artist 39 is linked, and no triple names it
    assert not (graph.head == last).any()
    assert not split.train.items["entity"][last].any()


def test_a_seed_is_a_split(folder):
    one, again, other = (
        datasets.load("lastfm-kg", folder.parent, seed=seed).test for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.item, again.item)
    assert not np.array_equal(one.item, other.item)


def test_what_is_missing_or_wrong_is_named(folder):
    plays = folder / "user_artists.dat"
    text = plays.read_text()
    plays.write_text(text.replace("\n0\t2\t7\n", "\n0\t2\n"))
    with pytest.raises(ValueError, match=r"user_artists.dat line 4 is not user"):
        datasets.load("lastfm-kg", folder.parent)
    plays.write_text(text.replace("weight", "plays"))
    with pytest.raises(ValueError, match=r"line 1 is not userID, artistID, weight"):
        datasets.load("lastfm-kg", folder.parent)
    plays.write_text(text)
    (folder / "kg.txt").unlink()
    with pytest.raises(ValueError, match=r"needs lastfm-kg/kg.txt \(plain or"):
        datasets.load("lastfm-kg", folder.parent)


def test_the_published_files(data_folder):
    if not (data_folder / "lastfm-kg").is_dir():
        pytest.skip(f"no folder lastfm-kg in {data_folder}")
    split = datasets.load("lastfm-kg", data_folder)
    spec, graph = split.train.spec, split.train.graph
    assert len(spec.user_column.vocabulary) == 1_872
    assert len(spec.item_column.vocabulary) == 3_846
    assert len(graph.head) == 15_518
    assert len(graph.relations) == 60
    assert len(graph.entities) == 9_366 - 3_846
    events = len(split.valid) / 0.2
    assert events == pytest.approx(2 * 21_173, abs=10)
    assert split.test.label.mean() == pytest.approx(0.5, abs=0.02)
