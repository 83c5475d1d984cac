"""``tfrec export --index``."""

import json
import sys

import pytest

from tfrec import serving

pytestmark = pytest.mark.usefixtures("eagerly")


def test_an_exact_index_finds_everything(run, trained, tmp_path):
    result = run("export", trained, "--out", tmp_path, "--index", "exact", "--check")
    assert result.exit_code == 0, result.output
    assert "the index finds 100.0% of the exact answer (64 drawn queries)" in (
        result.stdout
    )
    assert "a new process without tfrec gives the same" in result.stdout
    assert serving.load(tmp_path).config["class"] == "Indexed"
    again = run("export", trained, "--out", tmp_path, "--index", "exact", "--json")
    document = json.loads(again.stdout)
    assert document == {"recall": 1.0, "path": str(tmp_path / "2")}


def test_without_scann_nothing_is_exported(run, trained, tmp_path, monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "scann"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scann", None)
    result = run("export", trained, "--out", tmp_path / "out", "--index", "scann")
    assert result.exit_code == 2
    message = result.stderr.splitlines()[-1]
    assert message.startswith("tfrec: ScaNN is not installed, or not for this Tensor")
    assert "pip install -e '.[ann]'" in message
    assert not (tmp_path / "out").exists()
