import inspect

import pytest

from tfrec import datasets
from tfrec.datasets import registry


def test_names_come_with_a_summary():
    names = datasets.names()
    assert {"movielens", "movielens/100k", "movielens/1m", "movielens/ncf"} < set(names)
    assert names == sorted(names)
    assert all(entry.summary for entry in registry.entries().values())
    for entry in registry.entries().values():
        assert next(iter(inspect.signature(entry.loader).parameters)) == "data_dir"


def test_listing_loads_neither_tensorflow_nor_arrow(run_python):
    code = """
        import sys
        from tfrec import datasets
        assert "movielens" in datasets.names()
        print([m for m in ("tensorflow", "tensorflow_datasets", "pyarrow", "pandas")
               if m in sys.modules])
    """
    assert run_python(code).strip() == "[]"


def test_unknown_names_and_options():
    with pytest.raises(ValueError, match="'movilens' is unknown; did you mean 'movie"):
        datasets.load("movilens")
    with pytest.raises(ValueError, match="no option 'histroy'; did you mean 'history'"):
        datasets.load("movielens", histroy=3)
    with pytest.raises(ValueError, match="data directory /no/such does not exist"):
        datasets.load("movielens", "/no/such")


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="'movielens' is registered by"):
        datasets.register("movielens")(lambda data_dir: None)


def test_data_directory_comes_from_the_environment(tmp_path, monkeypatch):
    met = []
    monkeypatch.setitem(
        registry._entries,
        "probe",
        registry.Entry("probe", lambda data_dir: met.append(data_dir), "A probe."),
    )
    monkeypatch.delenv("TFREC_DATA_DIR", raising=False)
    datasets.load("probe")
    monkeypatch.setenv("TFREC_DATA_DIR", str(tmp_path))
    datasets.load("probe")
    other = tmp_path / "other"
    other.mkdir()
    datasets.load("probe", other)
    assert met == [None, tmp_path, other]


def test_prepared_data_leave_a_read_only_directory_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    assert registry.prepared_directory(tmp_path) == tmp_path
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    assert registry.prepared_directory(locked) == tmp_path / "tfds"
    assert registry.prepared_directory(None) == tmp_path / "tfds"
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert registry.prepared_directory(None).name == "tensorflow_datasets"
