"""A disk that fills up while a command trains: what is saved, in one sentence."""

import resource
from contextlib import contextmanager

import pytest

from tfrec import tuning
from tfrec.cli import callbacks, training

pytestmark = pytest.mark.usefixtures("eagerly")
LIMIT = 500  # bytes of a file; more fails as on a full disk
SAID = "cannot be written to its end (File too large); "
CURE = ": free space there, and give the same command again."


@contextmanager
def filling(monkeypatch, owner, name, call):
    """Lets the disk fill up when a function is called for that time."""
    function, calls = getattr(owner, name), []
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def full(*arguments, **options):
        calls.append(1)
        if len(calls) == call:
            resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
        return function(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def last_line(result):
    assert result.exit_code == 2, (result.output, result.exception)
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("owner", "name", "call", "epochs"),
    [
        (callbacks.FitProgress, "on_epoch_begin", 1, 0),
        (callbacks.FitProgress, "on_epoch_begin", 2, 1),
        (training, "results", 1, 2),  # the model remains to be saved
    ],
)
def test_train(run, small, tmp_path, monkeypatch, owner, name, call, epochs):
    out = tmp_path / "run"
    with filling(monkeypatch, owner, name, call):
        said = last_line(run(*small(out)))
    saved = f"epoch {epochs} is saved in {out}/unfinished"
    assert (
        said == f"tfrec: {out} {SAID}{saved if epochs else 'no epoch is saved'}{CURE}"
    )
    assert out.exists() == bool(epochs)
    again = run(*small(out))
    assert again.exit_code == 0, again.output
    assert ("resuming" in again.stderr) == bool(epochs)


@pytest.mark.parametrize("trial", [1, 2])
def test_tune(run, ratings, tmp_path, monkeypatch, trial):
    out = tmp_path / "search"
    flags = ["--user", "u", "--item", "i", "--timestamp", "t", "--label", "stars"]
    flags += ["--columns", "u,i", "--epochs", 1, "--trials", 2, "--set", "dim=2"]
    asked = ["tune", "gmf", "--data", ratings, *flags, "--algorithm", "random"]
    with filling(monkeypatch, tuning.Tuner, "fit", trial):
        said = last_line(run(*asked, "--out", out))
    saved = f"{out}/trials.json holds the trials that have ended (1)"
    saved = saved if trial == 2 else "no trial has ended"
    assert said == f"tfrec: {out} {SAID}{saved}{CURE}"
    again = run(*asked, "--out", out)
    assert again.exit_code == 0, again.output
    assert "trial 2/2" in again.stderr and "failed" not in again.stderr
