import csv
import json

import pytest
import yaml
from click.testing import CliRunner

from tfrec import models
from tfrec.cli import callbacks, config_file
from tfrec.cli.app import commands
from tfrec.cli.run import Run

pytestmark = pytest.mark.usefixtures("eagerly")

RESULTS = {
    "config.yaml",
    "history.csv",
    "learning_curve.png",
    "metrics.json",
    "model.keras",
    "titles.csv",
}


def test_a_run_is_one_folder_with_everything(trained):
    assert {path.name for path in trained.iterdir()} == RESULTS
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["model"] == "two_tower" and metrics["epochs"] == 2
    assert metrics["test"]["users"] > 0
    assert 0 <= metrics["test"]["metrics"]["ndcg@10"] <= 1
    assert (trained / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"
    with (trained / "history.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    best = max(rows, key=lambda row: float(row["val_ndcg@10"]))
    assert metrics["best_epoch"] == int(best["epoch"])
    kept = metrics["validation"]["metrics"]["ndcg@10"]
    assert kept == pytest.approx(float(best["val_ndcg@10"]), abs=1e-6)


def test_the_written_config_gives_the_same_run_again(trained, run, tmp_path):
    again = tmp_path / "again"
    result = run(
        "train", "two_tower", "--config", trained / "config.yaml", "--out", again
    )
    assert result.exit_code == 0, result.output
    first, second = (Run(folder).settings() for folder in (trained, again))
    assert first == second
    assert first["layers"] == [] and first["hard_negatives"] is None
    old, new = (
        json.loads((folder / "metrics.json").read_text()) for folder in (trained, again)
    )
    assert old["test"]["metrics"] == pytest.approx(new["test"]["metrics"])


def test_flags_win_over_the_file(small, run, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("dim: 4\nlearning_rate: 1e-2\nlayers: [6]\nhard_negatives: 3\n")
    out = tmp_path / "run"
    result = run(*small(out, "--config", file, "--json"))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["class"] == "TwoTower"
    config = models.load(out / "model.keras").config
    assert (config.dim, config.layers, config.hard_negatives) == (8, (6,), 3)
    assert config.learning_rate == 0.01


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dmi: 8", "'dmi' is no setting of two_tower; did you mean 'dim'?"),
        ("model: neumf", "tfrec train neumf --config"),
        ("epochs: ten", "'ten' is not a valid integer"),
        ("epochs: 2.5", "'2.5' is not a valid integer"),
        ("dim: {a: 1}", "'dim' must be one value"),
        ("- dim", "holds no mapping"),
        ("dim: [", "line 1 is not YAML"),
        ("similarity: euclid", "'euclid' is not one of 'dot', 'cosine'"),
    ],
)
def test_a_wrong_config_file(text, words, refused, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    assert words in refused("train", "two_tower", "--config", file)


def test_unknown_names(refused, tmp_path):
    near = "unknown model 'two_towr'; did you mean 'two_tower'?"
    assert near in refused("train", "two_towr")
    assert "Did you mean '--dim'?" in refused("train", "two_tower", "--dmi", 8)
    assert "did you mean 'movielens'?" in refused(
        "train", "two_tower", "--data", "movielen", "--out", tmp_path / "x"
    )
    assert not (tmp_path / "x").exists()


def test_a_finished_run_is_not_overwritten_unasked(trained, small, run, refused):
    assert "holds a finished run" in refused(*small(trained))
    before = (trained / "metrics.json").stat().st_mtime_ns
    result = run(*small(trained, "--overwrite"))
    assert result.exit_code == 0, result.output
    assert (trained / "metrics.json").stat().st_mtime_ns > before
    assert {path.name for path in trained.iterdir()} == RESULTS


def test_a_run_that_cannot_begin_leaves_nothing(ratings, refused, tmp_path):
    flags = ["--user", "u", "--item", "i", "--timestamp", "t"]
    out = tmp_path / "run"
    command = ["train", "bias_baseline", "--data", ratings, *flags, "--out", out]
    assert "label" in refused(*command)
    assert not out.exists()


def test_a_foreign_folder_is_left_alone(small, refused, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "holds no run" in refused(*small(tmp_path, "--overwrite"))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


class PowerCut(BaseException):
    """Nothing in the library catches it."""


def test_an_interrupted_run_is_resumed(
    small, ratings, run, refused, tmp_path, monkeypatch
):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    more = ["--epochs", 5, "--patience", 5]
    assert run(*small(whole, *more)).exit_code == 0

    begin = callbacks.FitProgress.on_epoch_begin

    def cut(self, epoch, logs=None):
        begin(self, epoch, logs)
        if epoch == 3:
            raise PowerCut

    monkeypatch.setattr(callbacks.FitProgress, "on_epoch_begin", cut)
    arguments = [str(part) for part in small(broken, *more)]
    with pytest.raises(PowerCut):
        CliRunner().invoke(commands, arguments, catch_exceptions=False)
    monkeypatch.undo()
    assert {path.name for path in broken.iterdir()} == {"unfinished"}
    assert "with epochs 5, not 6" in refused(*small(broken, "--epochs", 6))
    assert "holds an interrupted run" in refused("recommend", broken, "--user", "u1")
    events = ratings.read_text()
    ratings.write_text(events.replace(",5,", ",4,", 1))
    changed = (
        f"with other values of column 'stars' in the training events than {ratings}"
    )
    assert f"{changed} has now: the same" in refused(*small(broken, *more))
    ratings.write_text(events)

    result = run(*small(broken, *more))
    assert result.exit_code == 0, result.output
    assert "resuming the run" in result.stderr and "after epoch 3 of 5" in result.stderr
    assert "epoch 3/5" not in result.stderr and "epoch 4/5" in result.stderr
    assert {path.name for path in broken.iterdir()} == RESULTS
    rows = {}
    for folder in (whole, broken):
        with (folder / "history.csv").open() as lines:
            rows[folder.name] = list(csv.DictReader(lines))
    assert [row["epoch"] for row in rows["broken"]] == ["1", "2", "3", "4", "5"]
    assert rows["broken"][:3] == rows["whole"][:3]
    # Training went on from the third epoch's weights, it did not begin again.
    fourth, first = (float(rows["broken"][n]["loss"]) for n in (3, 0))
    expected = float(rows["whole"][3]["loss"])
    assert abs(fourth - expected) < 0.5 * abs(first - expected)


def test_patience_counts_epochs_before_an_interruption():
    rows = [{"val_ndcg@10": value} for value in (0.3, 0.2, 0.1)]
    stop = callbacks.Patience("val_ndcg@10", "max", 3, rows)
    stop.set_model(type("Model", (), {"stop_training": False})())
    stop.on_train_begin()
    assert stop.wait == 2 and stop.best == 0.3


def test_settings_survive_yaml():
    settings = {"layers": (64, 32), "hard_negatives": None, "log_q": True, "l2": 1e-5}
    text = config_file.dump(settings)
    assert yaml.safe_load(text) == {**settings, "layers": [64, 32]}
