"""Files and folders written beside their place: whole, or gone by the next time."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfrec import atomic

# Writes beside its argument, says so, and stays there until it is killed.
STAYING = """
import sys, time
from pathlib import Path
from tfrec import atomic
path = Path(sys.argv[1])
with atomic.beside(path) as new:
    new.mkdir()
    (new / "half").write_text("writt")
    if path.is_dir():
        atomic.os.replace(path, f"{new}.old")
    print("there", flush=True)
    time.sleep(600)
"""
KILLED = -9


def staying(path: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", STAYING, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout.readline() == "there\n"
    return process


def kill(process: subprocess.Popen) -> None:
    process.kill()
    process.stdout.close()
    assert process.wait() == KILLED


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "new" / "a.txt"
    atomic.write_text(file, "old: ü")
    assert file.read_bytes() == "old: ü".encode()
    assert file.stat().st_mode & 0o777 == 0o666 & ~_umask()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_text(file, "new")
    monkeypatch.undo()
    with pytest.raises(KeyboardInterrupt), atomic.replacing(file) as new:
        new.write_text("half of")
        raise KeyboardInterrupt
    assert file.read_text() == "old: ü"
    assert names(file.parent) == ["a.txt"]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_a_killed_process_left_goes_and_a_living_one_keeps_its_own(tmp_path):
    path = tmp_path / "films"
    living, killed = staying(path), staying(path)
    kill(killed)
    assert len(names(tmp_path)) == 4
    atomic.write_text(path, "whole")
    (held,) = [name for name in names(tmp_path) if name.endswith(".lock")]
    assert names(tmp_path) == [held.removesuffix(".lock"), held, "films"]
    assert (tmp_path / held).read_text() == f"{atomic.HOST} {living.pid}\n"
    kill(living)
    atomic.clear(path)
    assert names(tmp_path) == ["films"]


def test_what_was_left_in_a_whole_tree_goes(tmp_path):
    kill(staying(tmp_path / "a" / "b" / "trial.json"))
    kill(staying(tmp_path / "a" / "search.json"))
    (tmp_path / "a" / "kept.lock").touch()
    atomic.clear_all(tmp_path / "a")
    assert names(tmp_path / "a") == ["b", "kept.lock"]
    assert names(tmp_path / "a" / "b") == []
    atomic.clear_all(tmp_path / "absent")


def test_a_folder_that_was_moved_aside_comes_back_after_a_kill(tmp_path):
    path = tmp_path / "films"
    path.mkdir()
    (path / "file").write_text("old")
    kill(staying(path))
    assert not path.exists()
    atomic.clear(path)
    assert names(tmp_path) == ["films"]
    assert (path / "file").read_text() == "old"


def test_a_folder_takes_the_place_of_another_or_leaves_it(tmp_path, monkeypatch):
    path, rename = tmp_path / "films", os.replace
    path.mkdir()
    (path / "file").write_text("old")

    def only_aside(source, target):
        if target == path and not str(source).endswith(".old"):
            raise OSError(5, "Input/output error")
        rename(source, target)

    def written():
        with atomic.beside(path) as new:
            new.mkdir()
            (new / "other").write_text("new")
            atomic.replace(new, path)

    monkeypatch.setattr("os.replace", only_aside)
    with pytest.raises(OSError, match="Input/output"):
        written()
    assert names(tmp_path) == ["films"] and names(path) == ["file"]
    monkeypatch.undo()
    written()
    assert names(tmp_path) == ["films"] and names(path) == ["other"]


@pytest.mark.parametrize(
    ("lock", "text", "stays"),
    [
        (".films.abcd_123.lock", f"{atomic.HOST} 1\n", False),
        (".films.abcd_123.lock", "", False),  # killed before it wrote anything
        (".films.abcd_123.lock", "elsewhere 1\n", True),
        (".films.old.abcd_123.lock", f"{atomic.HOST} 1\n", True),  # of another path
        (".films.lock", f"{atomic.HOST} 1\n", True),
        ("films.abcd_123.lock", f"{atomic.HOST} 1\n", True),
    ],
)
def test_only_what_was_left_for_this_path_on_this_host_goes(
    tmp_path, lock, text, stays
):
    (tmp_path / lock).write_text(text)
    (tmp_path / lock.removesuffix(".lock")).write_text("half")
    atomic.clear(tmp_path / "films")
    assert (tmp_path / lock).exists() == stays
    assert (tmp_path / lock.removesuffix(".lock")).exists() == stays


def test_a_disk_without_locks_is_written_and_nothing_cleared(tmp_path, monkeypatch):
    left = tmp_path / ".films.abcd_123.lock"
    left.write_text(f"{atomic.HOST} 1\n")

    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    atomic.write_text(tmp_path / "films", "whole")
    assert names(tmp_path) == [left.name, "films"]


def test_a_lock_that_is_cleared_before_it_is_locked_is_made_again(
    tmp_path, monkeypatch
):
    path, lock, seen = tmp_path / "films", fcntl.flock, []

    def cleared_first(handle, operation):
        if not seen:
            (fresh,) = tmp_path.iterdir()
            seen.append(fresh)
            fresh.unlink()
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", cleared_first)
    with atomic.beside(path) as new:
        assert Path(f"{new}.lock").exists() and f"{new}.lock" != str(seen[0])
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (
            OSError("no data (errno = 28, message = 'No space left on device')"),
            "No space left on device",
        ),
        (OSError(27, "File too large"), "File too large"),
        (OSError(13, "Permission denied"), None),
        (ValueError("too large"), None),
    ],
)
def test_a_full_disk_is_told_from_other_failures(error, said):
    assert atomic.full_disk(error) == said
