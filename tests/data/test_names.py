"""Names of columns: refused when a file is read, or trained with and exported."""

import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data.describe import describe
from tfrec.data.mapping import Mapping, resolve
from tfrec.data.readers import open_table
from tfrec.datasets import from_file
from tfrec.features import Categorical, FeatureSpec
from tfrec.models.retrieval.two_tower import TwoTower
from tfrec.names import RESERVED, is_plain, plain

ODD = [
    "user id",
    "a:b",
    "größe",
    "_age",
    "over-18",
    "2nd",
    "class",
    "Ж",
    " ",
    *RESERVED,
    "K",
    "Exclude",
]
# Words of Python's and TensorFlow's own that are names like any other.
COMMON = [
    "values",
    "features",
    "args",
    "name",
    "training",
    "inputs",
    "score",
    "item_id",
]


@given(st.text(min_size=1, max_size=8))
def test_what_is_proposed_is_a_name(text):
    assert is_plain(plain(text))
    assert plain(plain(text)) == plain(text)
    if is_plain(text) and "__" not in text and not text.endswith("_"):
        assert plain(text) == text


@pytest.mark.parametrize("name", ODD)
def test_other_names_are_refused_when_they_are_declared(name):
    columns = (
        Categorical("u", "user", vocabulary=("a",)),
        Categorical("i", "item", vocabulary=("k",)),
    )
    extra = Categorical(name, "context", vocabulary=("x",))
    with pytest.raises(ValueError, match=f"column '{re.escape(name)}' cannot name the"):
        FeatureSpec((*columns, extra), "u", "i")
    with pytest.raises(ValueError, match=f"call it '{plain(name)}'"):
        FeatureSpec(columns, "u", "i", timestamp=name)
    FeatureSpec(columns, "u", "i", label=name)  # no model is asked with a label


def write(path, names):
    """Four rows with a column of ids for each name."""
    rows = [names, *([f"x{(n + i) % 3}" for i in range(len(names))] for n in range(4))]
    path.write_text("\n".join(",".join(row) for row in rows))
    return path


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("role", ["user", "item", "timestamp", "column"])
def test_a_file_is_refused_with_a_cure_that_cures(tmp_path, role, name):
    roles = {"user": "u", "item": "i", "timestamp": "t", "column": "c"}
    names = {**roles, role: name}
    file = write(tmp_path / "events.csv", list(names.values()))

    def mapping(names, rename):
        columns = {names["column"]: "string"}
        ids = names["user"], names["item"], None, names["timestamp"]
        return Mapping(*ids, columns, rename=rename)

    with pytest.raises(ValueError, match="rename it, with rename=") as refused:
        resolve(mapping(names, {}), open_table(file))
    message = str(refused.value)
    assert f"{file}, column '{name}' cannot name the input" in message
    assert message.count(". ") == 0
    old, new = re.search(r"--rename '(.*)=(\w+)'", message).groups()
    assert old == name
    renamed = mapping({**names, role: new}, {old: new})
    found = resolve(renamed, open_table(file, rename=renamed.rename))
    assert [item.source for item in found][:2] == [renamed.user, renamed.item]


def test_names_that_differ_in_case_alone_are_refused(tmp_path):
    columns = tuple(
        Categorical(name, side, vocabulary=("x",))
        for name, side in [("u", "user"), ("i", "item"), ("Genre", "item")]
    )
    two = "'{}' and '{}' differ in case alone"
    with pytest.raises(ValueError, match=two.format("Genre", "genre")):
        FeatureSpec((*columns, Categorical("genre", "item")), "u", "i")
    with pytest.raises(ValueError, match=two.format("u", "U")):
        FeatureSpec(columns, "u", "i", timestamp="U")
    FeatureSpec(columns, "u", "i", label="U")  # no model is asked with a label
    file = write(tmp_path / "events.csv", ["u", "i", "Genre", "genre", "I"])
    kinds = {"Genre": "item:string", "genre": "item:string"}
    with pytest.raises(ValueError, match=two.format("Genre", "genre")) as refused:
        from_file(file, "u", "i", columns=kinds)
    old, new = re.search(r"--rename '(.*)=(\w+)'", str(refused.value)).groups()
    kinds = {"Genre": "item:string", new: "item:string"}
    spec = from_file(file, "u", "i", columns=kinds, rename={old: new}).spec
    assert [column.name for column in spec.columns] == ["u", "i", "Genre", new]


def test_columns_that_are_not_read_may_have_any_name(tmp_path):
    file = write(tmp_path / "events.csv", ["user", "item", "no name: k"])
    assert len(from_file(file, "user", "item")) == 4


def test_new_names(tmp_path):
    file = write(tmp_path / "events.csv", ["User Id", "item", "k"])
    rename = {"User Id": "user", "k": "shelf"}
    data = from_file(
        file, "user", "item", columns={"shelf": "item:string"}, rename=rename
    )
    assert data.raw("user").tolist() == ["x0", "x1", "x2", "x0"]
    assert data.spec.encode("shelf", ["x2"]) == data.items["shelf"][data.item[0]]
    mapping = Mapping("user", "item", rename=rename)
    assert describe(file, mapping).users == 3
    with pytest.raises(ValueError, match="column 'usr' missing from"):
        open_table(file, rename={"usr": "user"})
    with pytest.raises(ValueError, match="would be called 'item': give each a name"):
        open_table(file, rename={"k": "item"})


@pytest.mark.usefixtures("eagerly")
def test_what_is_read_trains_and_is_served(tmp_path):
    odd = ["k", "größe cm", "_age", *COMMON]
    file = write(tmp_path / "events.csv", ["User Id", "item:id", *odd])
    rename = {name: plain(name) for name in ["User Id", *odd[:3]]} | {"item:id": "item"}
    names = [rename.get(name, name) for name in odd]
    columns = dict.fromkeys(names, "context:string")
    data = from_file(file, "User_Id", "item", columns=columns, rename=rename)
    model = TwoTower(data.spec, dim=2)
    model.compile(run_eagerly=True)
    model.fit(data.batches(model, 4), verbose=0)
    tf.config.run_functions_eagerly(False)
    version = model.export(tmp_path / "served")
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    asked = {name: tf.constant(["x0"]) for name in ["User_Id", *names]}
    lists = {name: tf.constant([[""]]) for name in ("exclude", "candidates")}
    answer = signature(k=tf.constant(2), **asked, **lists)
    expected = model.recommend(asked, k=2, drop_seen=False)
    assert answer["item_id"].numpy().astype(str).tolist() == expected.item_id.tolist()
    np.testing.assert_allclose(answer["score"], expected.score, rtol=1e-5)
