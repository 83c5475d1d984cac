"""Ctrl-C and SIGTERM: one line, exit code 130, and nothing left behind."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tfrec import tuning
from tfrec.cli import callbacks, interrupts, main
from tfrec.data import prepare

ROOT = Path(__file__).parents[2]
SIGNALS = [signal.SIGINT, signal.SIGTERM]
SCRIPT = "from tfrec.cli import main; main()"
# As modules with a bare except do: the interruption is dropped on the way.
DEAF = """
import os, signal
try:
    os.kill(os.getpid(), signal.{name})
    for _ in range(1000):
        pass
except BaseException:
    pass
raise ImportError("broken")
"""


def started(tmp_path, module, name, before=""):
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text(DEAF.format(name=name))
    return subprocess.run(
        [sys.executable, "-c", before + SCRIPT, "train", "gmf"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("module", ["click", "tensorflow"])
def test_while_modules_load(tmp_path, module, number):
    done = started(tmp_path, module, number.name)
    assert done.returncode == 130
    assert (done.stdout, done.stderr) == ("", "tfrec: interrupted\n")


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    ignored = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    done = started(tmp_path, "tensorflow", "SIGTERM", ignored)
    assert done.returncode == 1 and "ImportError: broken" in done.stderr


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with interrupts.ending_at_once():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.fixture
def command(monkeypatch, capfd):
    """Runs ``tfrec`` in this process; its exit code and the lines on stderr."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["tfrec", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capfd.readouterr().err.splitlines()

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def flags(ratings):
    return ["--user", "u", "--item", "i", "--timestamp", "t", "--label", "stars"]


def at(monkeypatch, owner, name, number, call):
    """Sends a signal when a function is called for that time."""
    function, calls = getattr(owner, name), []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return function(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.usefixtures("eagerly")
def test_train(command, small, tmp_path, monkeypatch, number):
    at(monkeypatch, callbacks.FitProgress, "on_epoch_begin", number, 2)
    code, lines = command(*small(tmp_path / "run"))
    assert code == 130
    assert lines[-1] == (
        "tfrec: interrupted: the same command resumes this run after its last whole "
        "epoch."
    )
    assert [line for line in lines if line.startswith("epoch 1/2")] == [lines[-2]]
    assert not any("Traceback" in line for line in lines)
    kept = tmp_path / "run" / "unfinished"
    assert {path.name for path in kept.iterdir()} == {
        "config.yaml",
        "epochs",
        "events.txt",
    }
    assert [path.name for path in (kept / "epochs").iterdir()] == ["epoch-1"]


@pytest.mark.usefixtures("eagerly")
def test_tune(command, ratings, flags, tmp_path, monkeypatch):
    at(monkeypatch, tuning.Tuner, "fit", signal.SIGTERM, 2)
    more = ["--columns", "u,i", "--epochs", 1, "--trials", 2, "--algorithm", "random"]
    asked = ["tune", "gmf", "--data", ratings, *flags, *more, "--out", tmp_path / "s"]
    code, lines = command(*asked)
    assert code == 130
    assert lines[-1] == (
        "tfrec: interrupted: the same command goes on after the trials that have ended."
    )
    assert sum("trial 1/2" in line for line in lines) == 1
    assert not any("Traceback" in line for line in lines)


def test_prepare(command, ratings, flags, tmp_path, monkeypatch):
    at(monkeypatch, prepare, "_write", signal.SIGTERM, 1)
    asked = ["data", "prepare", ratings, *flags, "--out", tmp_path / "out"]
    code, lines = command(*asked)
    assert (code, lines[-1]) == (130, "tfrec: interrupted")
    assert list(tmp_path.iterdir()) == []
