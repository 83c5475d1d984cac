"""The search: scored by the callback, kept on disk, resumed, and its winner."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import namedtuple
from pathlib import Path

import numpy as np
import ports
import pytest

from tfrec import keras
from tfrec.evaluation import Evaluator, FullRanking
from tfrec.tuning import Tuner

pytestmark = pytest.mark.usefixtures("eagerly")
SPACE = {"dim": {"low": 2, "high": 8}, "learning_rate": {"low": 1e-3, "high": 0.1}}


@pytest.fixture(scope="module")
def parts(data):
    data = data.with_spec(data.spec.select("user_id"))
    train, valid, _ = data.split("leave_last_out")
    return train, valid


def search_in(folder, parts, **arguments):
    given = {"algorithm": "random", "trials": 2, "epochs": 2, "batch_size": 4096}
    given |= {"space": SPACE, "protocol": FullRanking(k=5), **arguments}
    return Tuner("gmf", *parts, folder, **given)


@pytest.fixture
def tuner(parts, tmp_path):
    def make(folder="search", **arguments):
        return search_in(tmp_path / folder, parts, **arguments)

    return make


@pytest.fixture(scope="module")
def made_once(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "search"
    return folder, search_in(folder, parts).search()


@pytest.fixture
def made(made_once, tmp_path):
    """Finished trials of a search that stands in ``search``."""
    folder, rows = made_once
    shutil.copytree(folder, tmp_path / "search")
    return rows


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "hyperband"])
def test_trials_are_scored_by_validation_events(algorithm, tuner, parts):
    search = tuner(algorithm=algorithm, trials=3, epochs=3)
    told = []
    rows = search.search(lambda trials: told.append(len(trials)))
    assert sorted(row["trial"] for row in rows) == [1, 2, 3]
    assert told[:3] == [1, 2, 3]
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert len({row["values"]["dim"] for row in rows}) > 1
    assert all(2 <= row["values"]["dim"] <= 8 for row in rows)
    assert all(1 <= row["epoch"] <= 3 and row["seconds"] > 0 for row in rows)
    assert search.objective == "val_ndcg@5"
    best = search.best_model()
    assert best.config == search.best_config()
    assert best.config.dim == rows[0]["values"]["dim"]
    found = Evaluator(parts[1], FullRanking(k=5)).evaluate(best)
    np.testing.assert_allclose(found["ndcg@5"], rows[0]["score"], rtol=1e-6)


def test_hyperband_of_a_model_of_one_pass_is_a_random_search(data, tmp_path):
    train, valid, _ = data.with_spec(data.spec.select("user_id")).split()

    def rows(algorithm):
        search = Tuner(
            "item_knn",
            train,
            valid,
            tmp_path / algorithm,
            algorithm=algorithm,
            trials=3,
            epochs=9,
            batch_size=256,
            protocol=FullRanking(k=5),
        )
        return [
            (r["status"], r["score"], r["epoch"], r["values"]) for r in search.search()
        ]

    found = rows("hyperband")
    assert found == rows("random")
    assert [(status, epoch) for status, _, epoch, _ in found] == [("completed", 1)] * 3


def test_a_made_search_goes_on_and_takes_more_trials(tuner, made):
    again = tuner(trials=3)
    assert again.resumed
    assert again.finished() == made
    rows = again.search()
    assert len(rows) == 3
    assert [row for row in rows if row["trial"] <= 2] == made


def test_the_winner_trains_on_and_never_gets_worse(tuner, parts):
    slow = {"dim": 4, "learning_rate": {"low": 1e-2, "high": 2e-2}}
    search = tuner(trials=1, epochs=1, space=slow)
    (row,) = search.search()
    evaluator = Evaluator(parts[1], FullRanking(k=5))
    before = search.best_model()
    after = search.best_model(further_epochs=20)
    assert evaluator.evaluate(after)["ndcg@5"] > row["score"]
    # Steps that only do harm are forgotten.
    search.build = lambda config: _with(before, keras.optimizers.SGD(1e4))
    kept = search.best_model(further_epochs=2)
    assert evaluator.evaluate(kept)["ndcg@5"] == pytest.approx(row["score"])


def test_a_winner_that_gets_no_better_is_as_it_was(parts, tmp_path):
    """Of a model whose metric is made by the first step of ``fit``."""
    given = {"trials": 1, "epochs": 1, "batch_size": 4096, "protocol": FullRanking(k=5)}
    search = Tuner("matrix_factorization", *parts, tmp_path / "search", **given)
    search.search()
    before = [w.numpy() for w in search.best_model().trainable_weights]
    make = search.build
    search.build = lambda config: _with(make(config), keras.optimizers.SGD(0.0))
    kept = search.best_model(further_epochs=1)
    for one, other in zip(before, kept.trainable_weights, strict=True):
        np.testing.assert_array_equal(one, other.numpy())


def _with(model, optimizer):
    model.compile(optimizer)
    return model


def test_another_objective_is_searched(tuner):
    search = tuner(objective="val_recall@5", trials=1)
    (row,) = search.search()
    assert search.objective == "val_recall@5"
    assert 0 < row["score"] <= 1


def test_early_stopping_ends_a_trial(tuner):
    search = tuner(trials=1, epochs=200, patience=1, space={**SPACE, "dim": 2})
    (row,) = search.search()
    state = json.loads((search.folder / "state/trial_0/trial.json").read_text())
    assert row["epoch"] < 150
    assert state["status"] == "COMPLETED"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"objective": "val_recal@5"},
            "'val_recal@5' is reported by nothing here; did",
        ),
        ({"objective": "val_ndcg@10"}, "reported by nothing here"),
        ({"algorithm": "grid"}, "algorithm 'grid' is none of bayesian, random"),
        ({"trials": 0}, "trials=0 must be 1 or more"),
        ({"space": {"dmi": 3}}, "did you mean 'dim'"),
    ],
)
def test_what_cannot_be_searched_is_said_before_any_trial(arguments, message, tuner):
    with pytest.raises(ValueError, match=message):
        tuner("refused", **arguments)


def test_a_folder_of_another_search_is_refused(tuner, made, parts, tmp_path):
    before = (tmp_path / "search/trials.json").read_text()
    with pytest.raises(ValueError, match="search with epochs 2, not 7"):
        tuner(epochs=7)
    with pytest.raises(ValueError, match="search with model gmf, not neumf"):
        Tuner("neumf", *parts, tmp_path / "search", algorithm="random", epochs=2)
    assert (tmp_path / "search/trials.json").read_text() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no search"):
        tuner("other")


def test_a_search_over_other_events_is_refused(made, parts, tmp_path):
    """Of the same name: a file that has grown, or another split of it."""
    train, valid = parts
    before = (tmp_path / "search/trials.json").read_text()
    fewer = train.take(slice(None, -1))
    for changed, what in (
        ((fewer, valid), f"{len(train)} training events, and small.* has {len(fewer)}"),
        (
            (train, valid.take([0])),
            f"{len(valid)} validation events, and small.* has 1",
        ),
    ):
        assert changed[0].name == train.name
        with pytest.raises(ValueError, match=f"search with {what} now: choose"):
            search_in(tmp_path / "search", changed, trials=3)
    assert (tmp_path / "search/trials.json").read_text() == before


@pytest.mark.parametrize("file", ["oracle.json", "trial_0/trial.json"])
@pytest.mark.parametrize("registered", [None, "tfrec>Adam"])
def test_state_that_names_other_classes_is_refused_and_imports_none(
    file, registered, tuner, made, tmp_path, monkeypatch
):
    canary, path = tmp_path / "canary", tmp_path / "search/state" / file
    code = f"from pathlib import Path\nPath({str(canary)!r}).touch()\n"
    (tmp_path / "tuner_payload.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    state = json.loads(path.read_text())
    state["hyperparameters"]["space"][0] = {
        "module": "tuner_payload",
        "class_name": "Choice",
        "config": {"conditions": [{"class_name": "os.system", "config": {}}]},
        "registered_name": registered,
    }
    path.write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"search is damaged \(.*remove it and search"):
        tuner()
    assert not canary.exists()


def test_a_full_disk_ends_the_search_and_keeps_its_trials(tuner, monkeypatch):
    search = tuner(trials=3)
    usage = namedtuple("usage", "total used free")
    room = iter([10**12, 1000])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, next(room)))
    with pytest.raises(OSError, match="0 MiB left, and a trial needs 64: make room"):
        search.search()
    assert len(search.finished()) == 1
    monkeypatch.undo()
    assert len(tuner(trials=2).search()) == 2


def test_state_that_cannot_be_written_leaves_the_old_one(
    tuner, made, tmp_path, monkeypatch
):
    file = tmp_path / "search/state/oracle.json"
    before = file.read_text()

    def full(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        tuner(trials=3).search()
    monkeypatch.undo()
    assert file.read_text() == before
    assert len(tuner(trials=3).search()) == 3


def test_trials_that_fail_are_said(tuner):
    search = tuner(trials=3)

    def broken(*arguments, **options):
        raise ValueError("no such luck")

    search.fit = broken
    with pytest.raises(ValueError, match=r"three trials .* ValueError: no such luck"):
        search.search()
    with pytest.raises(ValueError, match="no trial that ended well"):
        search.best_model()


SEARCH = """
    import runpy, sys
    import tensorflow as tf
    tf.config.run_functions_eagerly(True)
    data = runpy.run_path("tests/conftest.py")["small_data"]()
    from tfrec.evaluation import FullRanking
    from tfrec.tuning import Tuner
    data = data.with_spec(data.spec.select("user_id"))
    train, valid, _ = data.split("leave_last_out")
    search = Tuner("gmf", train, valid, sys.argv[1], algorithm="random",
                   trials=int(sys.argv[2]), epochs=1, batch_size=4096,
                   protocol=FullRanking(k=5))
    rows = search.search(lambda trials: print(len(trials), flush=True))
    print("done", len(rows), search.is_worker, flush=True)
"""
ROOT = Path(__file__).parents[2]


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SEARCH), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )


def test_a_killed_search_resumes_after_its_finished_trials(tmp_path):
    with start(tmp_path / "s", 200) as process:
        for line in process.stdout:
            if line.strip() == "2":
                break
        process.send_signal(signal.SIGKILL)
    before = json.loads((tmp_path / "s/trials.json").read_text())
    assert len(before) >= 2
    with start(tmp_path / "s", len(before) + 1) as process:
        said = process.stdout.read().split("\n")
    assert f"done {len(before) + 1} False" in said
    after = json.loads((tmp_path / "s/trials.json").read_text())
    numbers = {row["trial"] for row in before}
    assert [r for r in after if r["trial"] in numbers] == before


@pytest.mark.slow
def test_a_chief_and_two_workers_share_a_search(tmp_path):
    with ports.reserved() as port:
        common = {
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
        }
        processes = [
            start(tmp_path / "s", 4, KERASTUNER_TUNER_ID=name, **common)
            for name in ("chief", "worker_0", "worker_1")
        ]
        said = [process.communicate(timeout=900)[0] for process in processes]
    assert "done 4 False" in said[0]
    assert all("True" in text for text in said[1:])
    rows = json.loads((tmp_path / "s/trials.json").read_text())
    assert sorted(row["trial"] for row in rows) == [1, 2, 3, 4]
    assert all(row["seconds"] > 0 for row in rows)
