"""Kills a run before each of its file operations in turn, and gives the command again.

Run by ``test_epochs.py`` in a process without TensorFlow, which forks one for every
life of a run. Prints the number of operations and what ended wrong.
"""

import builtins
import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from tfrec.cli.epochs import Epochs, write_rows
from tfrec.cli.run import EPOCHS, Run

SCORES = (0.1, 0.3, 0.2)
BEST = 2
REFUSED = 3
RESULTS = {
    "config.yaml": "{seed: 0}\n",
    "learning_curve.png": "after 2",
    "model.keras": "after 2",
    "titles.csv": "after 2",
}


def train(folder: Path, overwrite: bool, seed: int) -> int:
    """One run; how many epochs it trained."""
    run = Run(folder)
    run.begin({"seed": seed}, "the events", overwrite)
    epochs = Epochs(run.unfinished / EPOCHS, "score")
    rows = epochs.rows()
    before = len(rows)
    state = epochs.state(before).read_text() if before else "after 0"
    assert state == f"after {before}", state
    for number in range(before + 1, len(SCORES) + 1):
        rows.append({"epoch": number, "score": SCORES[number - 1]})
        epochs.keep(rows, lambda path, n=number: Path(path).write_text(f"after {n}"))
    assert epochs.best(rows) == BEST
    write_rows(run.unfinished / "history.csv", rows)
    for name in ("learning_curve.png", "model.keras", "titles.csv"):
        (run.unfinished / name).write_text(epochs.state(BEST).read_text())
    run.finish({"best_epoch": epochs.best(rows)})
    return len(SCORES) - before


def count_down(operations: int) -> None:
    """Kills this process before the file operation of that number."""
    left = operations

    def counted(operation):
        def call(*arguments, **options):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*arguments, **options)

        return call

    for name in ("replace", "unlink", "rmdir", "mkdir", "open"):
        setattr(os, name, counted(getattr(os, name)))
    for module in (io, builtins):
        module.open = counted(module.open)


def life(folder: Path, overwrite: bool, killed_at: int = 0, seed: int = 0) -> int:
    """What a process of its own trained, ``-9`` when it was killed."""
    child = os.fork()
    if not child:
        if killed_at:
            count_down(killed_at)
        try:
            os._exit(10 + train(folder, overwrite, seed))
        except ValueError as why:
            print(why, file=sys.stderr)
            os._exit(REFUSED)
        except BaseException as why:
            print(repr(why), file=sys.stderr)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def faults(folder: Path, overwrite: bool, killed_at: int, code: int) -> list[str]:
    """What is wrong after a run that came to its end."""
    where = f"overwrite={overwrite} killed at {killed_at}: "
    found = [] if code >= 10 else [f"{where}code {code}"]
    names = {path.name for path in folder.iterdir()}
    if names != {*RESULTS, "history.csv", "metrics.json"}:
        found.append(f"{where}holds {sorted(names)}")
    for name in names & set(RESULTS):
        text = (folder / name).read_text("utf8")
        if text != RESULTS[name]:
            found.append(f"{where}{name} is {text!r}")
    return found


def start_of(kind: str, folder: Path) -> None:
    """Nothing, a finished run, or another one that was killed while it ended."""
    if kind == "finished":
        life(folder, False)
        (folder / "model.keras").write_text("old")
    killed_at = 1
    while kind == "ending" and not (folder / "config.yaml").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        life(folder, False, killed_at, seed=1)
        killed_at += 1


def enumerate_kills(folder: Path, start: str) -> tuple[int, list[str]]:
    """The number of operations of a run, and what ended wrong."""
    found: list[str] = []
    overwrite = start != "nothing"
    before = folder.with_name("before")
    before.mkdir()
    start_of(start, before)
    for killed_at in range(1, 1000):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(before, folder)
        code = life(folder, overwrite, killed_at)
        if code >= 10:
            shutil.rmtree(before)
            return killed_at - 1, found + faults(folder, overwrite, killed_at, code)
        if killed_at % 5 == 0:
            life(folder, overwrite, killed_at // 3)  # and again, while it recovers
        ended = (folder / "metrics.json").is_file() and not (
            folder / "unfinished"
        ).is_dir()
        code = life(folder, overwrite)
        if code == REFUSED and not overwrite:  # it had come to its end
            code = 10
        elif ended and code != 10 + len(SCORES):
            found.append(f"{start} killed at {killed_at}: goes on")
        found += faults(folder, overwrite, killed_at, code)
    return 1000, found


if __name__ == "__main__":
    result = {
        start: enumerate_kills(Path(sys.argv[1]) / start, start)
        for start in ("nothing", "finished", "ending")
    }
    print(json.dumps(result))
