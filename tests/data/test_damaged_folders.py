"""A prepared folder with one damaged file is refused, and the file is named."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfrec.data import tfrecord
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.errors import DataError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    lines = [f"u{n % 3},{n % 4},{n},x" for n in range(12)]
    (folder / "a.csv").write_text("\n".join(["user,item,time,tag", *lines]), "utf8")
    mapping = Mapping("user", "item", timestamp="time", columns={"tag": "item:string"})
    return prepare(folder / "a.csv", folder / "out", mapping).directory


@pytest.fixture
def damaged(whole):
    """Changes a JSON file of the folder for the time of a test."""
    changed = {}

    def change(name, edit):
        file = whole / name
        changed[file] = file.read_bytes()
        document = json.loads(changed[file])
        edit(document)
        file.write_text(json.dumps(document), "utf8")
        return whole

    yield change
    for file, content in changed.items():
        file.write_bytes(content)


def fewer(meta):
    meta["parts"]["train"]["rows"] -= 1


def outside(meta):
    meta["parts"]["train"]["shards"][0]["file"] = "../train-00000-of-00001.tfrecord"


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        ("meta.json", lambda meta: meta.pop("parts"), "columns and parts are not"),
        ("meta.json", lambda meta: meta["columns"].append([]), "columns and parts are"),
        (
            "meta.json",
            lambda meta: meta["parts"]["train"].update(rows=7),
            "columns and",
        ),
        ("meta.json", outside, "columns and parts are not as prepare writes them"),
        ("meta.json", lambda meta: meta["columns"].remove("user"), "does not fit meta"),
        ("spec.json", lambda spec: spec.update(timestamp="when"), "does not fit meta"),
        ("spec.json", lambda spec: spec.update(user=None), "user=None is no str"),
        ("spec.json", lambda spec: spec["columns"].pop(), "does not fit spec.json"),
    ],
)
def test_the_damaged_file_is_named(damaged, file, edit, message):
    folder = damaged(file, edit)
    with pytest.raises(DataError, match=message) as caught:
        tfrecord.open(folder)
    assert str(folder) in str(caught.value)
    assert "prepare" in str(caught.value)


def test_a_side_table_without_its_owner_is_refused(whole):
    file = whole / "items.parquet"
    content = file.read_bytes()
    pq.write_table(pa.table({"tag": ["x"]}), file)
    with pytest.raises(DataError, match=r"items\.parquet is damaged, or does not fit"):
        tfrecord.open(whole)
    file.write_bytes(content)
    assert len(tfrecord.load(whole, "train")) > 0
