"""An export killed before any of its file operations."""

import importlib
import shutil
from types import SimpleNamespace

import kill_points
import pytest
import tensorflow as tf

# The package has the function under the module's name.
export_module = importlib.import_module("tfrec.serving.export")


@pytest.fixture
def export(neumf, tmp_path, monkeypatch):
    """Exports to ``work/films``, its graph copied file by file from an earlier one."""
    extra = shutil.ignore_patterns(export_module.EXTRA)

    def save(module, path, *more):
        shutil.copytree(neumf.version, path, ignore=extra, dirs_exist_ok=True)

    def write_warmup(path, *more):
        shutil.copyfile(neumf.version / export_module.EXTRA / path.name, path)

    def servable(model, audience):
        return SimpleNamespace(module=None, signatures={})

    monkeypatch.setattr(tf.saved_model, "save", save)
    monkeypatch.setattr(export_module, "write_warmup", write_warmup)
    monkeypatch.setattr(export_module, "servable", servable)
    metrics = {"ndcg@10": 0.25}
    return lambda: neumf.model.export(tmp_path / "work" / "films", metrics)


@pytest.mark.parametrize("earlier", [0, 1])
def test_the_same_command_ends_it(export, neumf, tmp_path, earlier):
    folder, whole = tmp_path / "work", kill_points.contents(neumf.version)
    folder.mkdir()
    for _ in range(earlier):
        export()
    with kill_points.recorded(folder, tmp_path / "states") as killed:
        export()
    assert len(killed.states) > 20
    for state in killed.states:
        kill_points.put_back(state, folder)
        there = export_module.versions(folder / "films")
        assert export().name == str(len(there) + 1)
        names = {path.name for path in (folder / "films").iterdir()}
        assert names == {str(n + 1) for n in range(len(there) + 1)}
        for version in (folder / "films").iterdir():
            assert kill_points.contents(version) == whole
