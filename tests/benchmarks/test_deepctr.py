"""The comparison with DeepCTR: where it is kept, when it is made, what it says."""

import json
import subprocess

import pytest

from tfrec.benchmarks import speed, timing
from tfrec.benchmarks.cases import deepctr

FAKE = """
from types import SimpleNamespace

def DeepFM(linear, deep, dnn_hidden_units, **options):
    class Model:
        def compile(self, optimizer, loss):
            assert (optimizer, loss) == ("adam", "binary_crossentropy")

        def fit(self, data, label, batch_size, epochs, verbose):
            assert list(data) == [name for name, _ in deep]
            print("said on standard output")
            rows = {len(values) for values in data.values()}
            assert rows == {len(label)} and max(label) == 1 and epochs == 1
            return SimpleNamespace(history={"loss": [0.25 * len(deep)]})

    return Model()
"""
COLUMNS = """
def SparseFeat(name, vocabulary_size, embedding_dim):
    return name, vocabulary_size
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def fake(cache):
    """A package of the same names in the place of DeepCTR."""
    package = deepctr.PEER.folder / "deepctr"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(FAKE)
    (package / "feature_column.py").write_text(COLUMNS)
    return package


def test_it_is_kept_in_the_cache_of_the_user(cache):
    assert deepctr.PEER.folder == cache / "tfrec" / "deepctr-0.9.4"
    assert not deepctr.PEER.installed
    assert "deepctr" in speed.CASES and "deepctr" not in speed.defaults()


def test_it_is_measured_by_default_once_it_is_there(fake):
    assert deepctr.PEER.installed
    elsewhere = ("word2vec", "gru4rec", "lightgcn")
    assert speed.defaults() == tuple(n for n in speed.CASES if n not in elsewhere)


def test_without_network_it_is_left_out_in_a_sentence(cache, monkeypatch):
    def fail(command, **options):
        assert "deepctr==0.9.4" in command and "--no-deps" in command
        return subprocess.CompletedProcess(command, 1, "", "noise\nno connection\n")

    monkeypatch.setattr(subprocess, "run", fail)
    said = []
    assert speed.run(["deepctr"], quick=True, say=said.append) == []
    (sentence,) = said
    assert "DeepCTR is left out" in sentence and "(no connection)" in sentence
    assert not list((cache / "tfrec").iterdir())
    with pytest.warns(UserWarning, match="left out"):
        speed.run(["deepctr"], quick=True)


def test_the_row_compares_the_same_rows(fake):
    (row,) = deepctr.measure(400, 1, seed=0, rows=3_000, fields=4, at_least=1e9)
    assert (row["name"], row["target"], row["met"]) == (
        "deepctr_0.4k",
        ">= 1e+09",
        False,
    )
    assert row["ours"] > 0 and row["baseline"] > 0
    assert row["losses"][1] == 1.0 and 0 < row["losses"][0] < 1
    assert json.loads(json.dumps(row)) == row


def test_a_failure_of_the_other_process_is_told(fake):
    (fake / "models.py").write_text("raise RuntimeError('of another Keras')")
    with pytest.raises(
        RuntimeError, match=r"DeepCTR 0.9.4 has failed(?s:.*)another Keras"
    ):
        deepctr.measure(400, 1, seed=0, rows=300, fields=4)


def test_left_out_is_no_row(monkeypatch):
    def case(quick, seed):
        raise timing.LeftOut("not here")

    monkeypatch.setattr(speed, "CASES", {"one": case})
    said = []
    assert speed.run(say=said.append) == []
    assert said == ["not here"]
