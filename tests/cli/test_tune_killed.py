"""``tfrec tune`` killed before any of its file operations.

The suite takes some of them; all, in five minutes, with ``TFREC_ALL_KILLS=1 pytest
tests/cli/test_tune_killed.py``.
"""

import gc
import json
import os

import kill_points
import numpy as np
import pytest

from tfrec import atomic, keras
from tfrec.cli import training, tuning
from tfrec.evaluation import plots
from tfrec.tuning import Tuner

ALL, EVERY = "TFREC_ALL_KILLS" in os.environ, 11


class Quick(Tuner):
    """A search whose models have one weight and learn nothing; all else is real."""

    def build(self, config):
        model = keras.Sequential([keras.layers.Dense(1, use_bias=False)])
        model.build((None, 1))
        model.config = config
        return model

    def fit(self, model, callbacks, epochs, **kwargs):
        score = model.config.learning_rate
        model.set_weights([np.full((1, 1), score)])
        for callback in callbacks[1:]:  # the first one scores
            callback.set_model(model)
            callback.on_epoch_end(0, {self.objective: score})
        return {self.objective: score}


@pytest.fixture
def tune(run, ratings, tmp_path, monkeypatch):
    """A search of three trials in ``work/search``; its numbers but the times."""

    def results(name, model, *more):
        return {"weight": float(model.get_weights()[0][0, 0])}

    def draw(rows, name, path):
        atomic.write_text(path, name)

    monkeypatch.setattr(tuning, "Tuner", Quick)
    monkeypatch.setattr(training, "results", results)
    monkeypatch.setattr(plots, "trials", draw)
    # keras-tuner makes room before every trial, of which a test has enough.
    monkeypatch.setattr(keras.backend, "clear_session", lambda: None)
    monkeypatch.setattr(gc, "collect", lambda: 0)
    flags = ["--data", ratings, "--user", "u", "--item", "i", "--timestamp", "t"]
    flags += ["--label", "stars", "--columns", "u,i", "--trials", 3, "--json"]

    def call(algorithm):
        more = ["--algorithm", algorithm, "--out", tmp_path / "work" / "search"]
        result = run("tune", "gmf", *flags, *more)
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        for trial in found["trials"]:
            del trial["seconds"]
        return found

    return call


@pytest.mark.parametrize(
    ("algorithm", "first"), [("random", 0), ("bayesian", 3), ("hyperband", 6)]
)
def test_the_same_command_ends_it(tune, tmp_path, algorithm, first):
    folder = tmp_path / "work"
    folder.mkdir()
    with kill_points.recorded(folder, tmp_path / "states") as killed:
        expected = tune(algorithm)
    names = kill_points.contents(folder, lambda path: None)
    assert len(killed.states) > 100
    for state in killed.states if ALL else killed.states[first::EVERY]:
        kill_points.put_back(state, folder)
        assert tune(algorithm) == expected, state
        assert kill_points.contents(folder, lambda path: None) == names, state
