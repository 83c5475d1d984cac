"""An export that fails says why in one sentence and leaves nothing behind."""

import dataclasses
import importlib
import os
import subprocess

import pytest
import tensorflow as tf
from google.protobuf.message import EncodeError

from tfrec.features import Categorical
from tfrec.models.ranking.neumf import NeuMF

# The package has the function under the module's name.
export_module = importlib.import_module("tfrec.serving.export")


def everything_under(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


FULL = OSError(28, "No space left on device")
FULL_IN_TENSORFLOW = tf.errors.ResourceExhaustedError(
    None, None, "{{node}} /x/variables; No space left on device [Op:SaveV2]"
)
FULL_WORDS = "': No space left on device; free space there"


@pytest.mark.parametrize(
    ("place", "failure", "raised", "words"),
    [
        ("save", FULL, OSError, FULL_WORDS),
        ("save", FULL_IN_TENSORFLOW, OSError, FULL_WORDS),
        ("save", EncodeError("too large"), ValueError, "exceed the 2 GB of one graph"),
        ("save", KeyboardInterrupt(), KeyboardInterrupt, None),
        ("warmup", FULL, OSError, FULL_WORDS),
        ("warmup", FULL_IN_TENSORFLOW, OSError, FULL_WORDS),
        ("warmup", KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
)
def test_nothing_is_left(neumf, tmp_path, monkeypatch, place, failure, raised, words):
    def fail(*arguments):
        raise failure

    where = {
        "save": (tf.saved_model, "save"),
        "warmup": (export_module, "write_warmup"),
    }
    monkeypatch.setattr(*where[place], fail)
    (tmp_path / "models").mkdir()
    with pytest.raises(raised, match=words) as caught:
        neumf.model.export(tmp_path / "models" / "new" / "neumf")
    if words:
        path = f"{tmp_path}/models/new/neumf"
        assert f"nothing was exported to '{path}'" in str(caught.value)
    assert everything_under(tmp_path) == ["models"]


def test_a_version_is_seen_when_it_is_whole(neumf, tmp_path, monkeypatch):
    path, write, seen = tmp_path / "neumf", export_module.write_warmup, []

    def look(*arguments):
        seen.append(export_module.versions(path))
        write(*arguments)

    monkeypatch.setattr(export_module, "write_warmup", look)
    assert neumf.model.export(path) == path / "1"
    assert neumf.model.export(path) == path / "2"
    assert seen == [[], [1]]


def test_earlier_versions_stay(neumf, tmp_path, monkeypatch):
    path = tmp_path / "neumf"
    neumf.model.export(path)
    before = everything_under(path)
    monkeypatch.setattr(tf.saved_model, "save", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        neumf.model.export(path)
    assert everything_under(path) == before


def test_a_number_taken_meanwhile_is_skipped(neumf, tmp_path, monkeypatch):
    path, write = tmp_path / "neumf", export_module.write_warmup

    def other_first(*arguments):
        write(*arguments)
        (path / "1").mkdir()
        (path / "1" / "saved_model.pb").write_bytes(b"of another")

    numbers = iter([[], [1]])
    monkeypatch.setattr(export_module, "write_warmup", other_first)
    monkeypatch.setattr(export_module, "versions", lambda path: next(numbers))
    assert neumf.model.export(path) == path / "2"
    assert (path / "1" / "saved_model.pb").read_bytes() == b"of another"


def test_a_file_in_the_way(neumf, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="Not a directory; free space there, or give"):
        neumf.model.export(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


LIMITED = """
    import resource, runpy, sys
    from pathlib import Path
    from tfrec.models.ranking.neumf import NeuMF
    data = runpy.run_path("tests/conftest.py")["small_data"]()
    model = NeuMF(data.spec)
    model.adapt(data)
    path, (_, hard) = Path(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in map(int, sys.argv[2:]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            print(model.export(path / "new" / "neumf"))
        except OSError as why:
            print(why)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        print([str(p) for p in path.rglob("*")])
"""


def test_files_that_may_not_grow(run_python, tmp_path):
    """The kernel refuses to write: at the first file, at the variables, the graph."""
    lines = run_python(LIMITED, tmp_path, 0, 5000, 60_000).splitlines()
    refusal = (
        f"nothing was exported to '{tmp_path}/new/neumf': File too large; free space "
        "there, or give a directory that can be written."
    )
    assert lines[-6:] == [refusal, "[]"] * 3


@pytest.fixture
def tiny_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here to make a small disk with")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_at_any_moment(neumf, tiny_disk, tmp_path):
    """Every size up to the one that suffices: all of it or nothing."""
    whole = neumf.model.export(tmp_path / "reference")
    files = {p.relative_to(whole) for p in whole.rglob("*")}
    page = os.sysconf("SC_PAGE_SIZE")
    pages = sum(-(-p.stat().st_size // page) for p in whole.rglob("*") if p.is_file())
    outcomes = []
    for size in (4, pages // 4, pages - 2, pages - 1, pages + 16):
        remount = ["mount", "-o", f"remount,size={size * page}", str(tiny_disk)]
        subprocess.run(remount, check=True)
        try:
            version = neumf.model.export(tiny_disk / "neumf")
        except OSError as why:
            assert "No space left on device; free space there" in str(why)
            assert everything_under(tiny_disk) == []
            outcomes.append(False)
        else:
            assert {p.relative_to(version) for p in version.rglob("*")} == files
            outcomes.append(True)
    assert outcomes == [False, False, False, False, True]


def test_a_model_without_data(data, tmp_path):
    with pytest.raises(ValueError, match="NeuMF has met no data"):
        NeuMF(data.spec).export(tmp_path / "neumf")
    assert everything_under(tmp_path) == []


def test_hashed_items_have_no_way_back(numbered, tmp_path):
    hashed = Categorical("movie_id", "item", dtype="int64", hash_bins=50)
    spec = numbered.spec.replace(hashed)
    model = NeuMF(spec)
    model.adapt(dataclasses.replace(numbered, spec=spec))
    with pytest.raises(ValueError, match="'movie_id' is hashed into 50 bins"):
        model.export(tmp_path / "neumf")


def test_metrics_that_are_no_json(neumf, tmp_path):
    with pytest.raises(ValueError, match=r"metrics\.model is of type NeuMF, which"):
        neumf.model.export(tmp_path / "neumf", {"model": neumf.model})
    assert everything_under(tmp_path) == []
