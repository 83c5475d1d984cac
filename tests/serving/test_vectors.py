"""Item vectors as word2vec text and for the projector."""

import csv
import importlib

import numpy as np
import pytest

from tfrec.models import registry
from tfrec.models.retrieval.two_tower import TwoTower
from tfrec.serving import embeddings
from tfrec.serving.vectors import item_vectors, write_projector, write_word2vec


def test_word2vec_text_holds_every_number(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    write_word2vec(tmp_path / "v.txt", ["a", "é", "3"], vectors)
    head, *lines = (tmp_path / "v.txt").read_text("utf-8").splitlines()
    assert head == "3 4"
    assert [line.split(" ")[0] for line in lines] == ["a", "é", "3"]
    numbers = np.array([line.split(" ")[1:] for line in lines], np.float32)
    np.testing.assert_array_equal(numbers, vectors)
    assert [p.name for p in tmp_path.iterdir()] == ["v.txt"]


@pytest.mark.parametrize("name", ["a b", "", "a\t", "a\u2003b"])
def test_an_id_that_word2vec_cannot_hold_leaves_the_file_alone(name, tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("before")
    with pytest.raises(ValueError, match="projector's files instead"):
        write_word2vec(path, ["x", name], np.zeros((2, 2), np.float32))
    assert path.read_text() == "before"


def test_a_file_that_cannot_be_finished_leaves_the_old_one_alone(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("before")
    with pytest.raises(ValueError, match="shorter"):
        write_word2vec(path, ["a", "b", "c"], np.zeros((2, 2), np.float32))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_vectors_of_an_export_are_read_some_rows_at_a_time(data, tmp_path, monkeypatch):
    model = TwoTower(data.spec.select("user_id", "movie_id"), dim=4)
    model.adapt(data.with_spec(model.spec))
    model.export(tmp_path)
    whole = embeddings(tmp_path)
    # The package has the function under the module's name.
    module = importlib.import_module("tfrec.serving.embeddings")
    monkeypatch.setattr(module, "ROWS", 7)
    for side, column in (("user", "user_id"), ("item", "movie_id")):
        table = embeddings(tmp_path)[side]
        assert table.ids.tolist() == list(data.spec[column].vocabulary)
        np.testing.assert_allclose(table.vectors, whole[side].vectors, atol=1e-6)


def test_the_projector_has_a_title_for_every_vector(tmp_path):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    titles = {"1": "Up", "2": 'The "Big"\tOne\n(2000)'}
    write_projector(tmp_path / "log", ["1", "2", "3"], vectors, titles)
    tensors = np.loadtxt(tmp_path / "log/tensors.tsv", delimiter="\t")
    np.testing.assert_array_equal(tensors, vectors)
    with (tmp_path / "log/metadata.tsv").open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[0] == ["id", "title"]
    assert rows[1:] == [["1", "Up"], ["2", 'The "Big" One (2000)'], ["3", ""]]
    config = (tmp_path / "log/projector_config.pbtxt").read_text()
    assert 'tensor_path: "tensors.tsv"' in config


@pytest.mark.parametrize("name", ["skip_gram", "paragraph_vector", "two_tower"])
def test_vectors_are_those_of_similar_items(name, data):
    model = registry.get(name)(data.spec)
    model.adapt(data)
    model.ensure_built()
    ids, vectors = item_vectors(model)
    assert ids == [str(v) for v in data.spec.item_column.vocabulary]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first = data.spec.item_column.vocabulary[0]
    found = model.similar_items([first], 3)
    cosines = unit @ unit[0]
    best = np.argsort(-cosines)[1:4]
    assert [str(v) for v in found.item_id[0]] == [ids[i] for i in best]


def test_a_model_of_pairs_has_none(data):
    model = registry.get("neumf")(data.spec)
    model.adapt(data)
    with pytest.raises(ValueError, match="has no item vectors"):
        item_vectors(model)
