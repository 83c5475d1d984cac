"""The epochs that a run keeps: one checkpoint, whole or not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfrec import keras
from tfrec.cli.callbacks import KeepEpochs, training
from tfrec.cli.epochs import Epochs
from tfrec.models.ranking.gmf import GMF

ROOT = Path(__file__).parents[2]


def test_a_kill_before_any_file_operation_is_ended_by_the_same_command(tmp_path):
    process = subprocess.run(
        [sys.executable, ROOT / "tests/cli/killed.py", tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert found.keys() == {"nothing", "finished", "ending"}
    for operations, faults in found.values():
        assert operations > 50
        assert faults == []


def rows(*numbers):
    found = [{"epoch": n + 1, "val": value} for n, value in enumerate(numbers)]
    return [{k: v for k, v in row.items() if v is not None} for row in found]


@pytest.mark.parametrize(
    ("numbers", "mode", "best"),
    [
        ((0.1, 0.3, 0.2), "max", 2),
        ((0.1, 0.3, 0.2), "min", 1),
        ((0.3, 0.3), "max", 1),  # the first of equals
        ((None, 0.1, None), "max", 2),  # not every epoch is measured
        ((np.nan, 0.1, np.nan), "min", 2),
        ((np.nan, None), "max", 2),  # none is: the last
    ],
)
def test_the_best_epoch_by_hand(numbers, mode, best, tmp_path):
    assert Epochs(tmp_path, "val", mode).best(rows(*numbers)) == best
    assert Epochs(tmp_path).best(rows(*numbers)) == len(numbers)


def test_the_last_and_the_best_epoch_are_kept(tmp_path):
    epochs = Epochs(tmp_path / "epochs", "val", "max")
    assert (epochs.last, epochs.rows()) == (0, [])
    numbers = (0.2, 0.5, 0.1, None, 0.7)
    kept = [{1}, {2}, {2, 3}, {2, 4}, {5}]
    for n, expected in enumerate(kept):
        so_far = rows(*numbers[: n + 1])
        epochs.keep(so_far, lambda path, n=n: Path(path).write_text(str(n + 1)))
        assert {path.name for path in (tmp_path / "epochs").iterdir()} == {
            f"epoch-{number}" for number in expected
        }
        assert epochs.last == n + 1
        assert epochs.rows() == so_far
        best = epochs.best(epochs.rows())
        assert epochs.state(best).read_text() == str(best)


def test_a_model_is_as_it_was_after_an_epoch(data, tmp_path):
    def made():
        model = GMF(data.spec, dim=2)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        model.make_slots()
        return model

    model, kept = made(), KeepEpochs(Epochs(tmp_path, "val", "max"))
    kept.set_model(model)
    for epoch, val in enumerate((0.9, 0.1)):
        for variable in (*model.variables, *model.optimizer.variables):
            variable.assign(np.full(variable.shape, epoch + 1, "int64"))
        kept.on_epoch_end(epoch, {"val": val})
    assert kept.rows == [{"epoch": 1, "val": 0.9}, {"epoch": 2, "val": 0.1}]
    for epoch in (2, 1):
        again = made()
        chain, found = training(Epochs(tmp_path, "val", "max"), patience=3)
        assert found.rows == kept.rows and len(chain) == 3
        found.restore(again, epoch)
        for variable in (*again.variables, *again.optimizer.variables):
            if "learning_rate" not in variable.name:
                assert np.all(variable.numpy() == epoch), variable.name
