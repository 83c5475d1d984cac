"""The key to data: equal for equal data, another for anything that differs."""

import dataclasses

import numpy as np
import pytest

from tfrec.data import tfrecord
from tfrec.data.fingerprint import difference, fingerprint
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.datasets import from_file

ROWS = ["u,i,stars,t", "1,10,4,100", "1,11,3,200", "2,10,5,300", "2,12,1,400"]


def changed(data, table, name, rows):
    values = getattr(data, table)[name].copy()
    values[rows] += 1
    return dataclasses.replace(data, **{table: {**getattr(data, table), name: values}})


def test_equal_data_have_one_key_whatever_their_name(data):
    again = dataclasses.replace(data, columns=dict(reversed(data.columns.items())))
    assert fingerprint(again) == fingerprint(data)
    assert fingerprint(dataclasses.replace(data, name="x")) == fingerprint(data)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("columns", "user_id"),
        ("columns", "movie_id"),
        ("columns", "rating"),
        ("columns", "timestamp"),
        ("users", "age"),
        ("items", "year"),
    ],
)
def test_one_value_more_is_another_key(data, table, name):
    assert fingerprint(changed(data, table, name, -1)) != fingerprint(data)


def test_order_parts_and_columns_count(data):
    backwards = data.take(np.arange(len(data))[::-1])
    fewer = data.take(np.arange(len(data) - 1))
    narrow = data.with_spec(data.spec.select("user_id", "movie_id"))
    train, valid, _ = data.split("leave_last_out")
    keys = [fingerprint(one) for one in (data, backwards, fewer, narrow)]
    keys += [fingerprint(train, valid), fingerprint(valid, train)]
    assert len(set(keys)) == len(keys)


def test_files_of_items_count(data):
    """Images as the data hold them: bytes of any length."""

    def key(*files):
        posters = np.array(files, object)
        return fingerprint(dataclasses.replace(data, items={"poster": posters}))

    assert key(b"ab", b"c") == key(b"ab", b"c")
    assert len({key(b"ab", b"c"), key(b"a", b"bc"), key(b"ab", b"d")}) == 3


def test_prepared_data(tmp_path):
    def key(folder, rows, part="train", **options):
        (tmp_path / "events.csv").write_text("\n".join([*rows, ""]))
        mapping = Mapping("u", "i", label="stars", timestamp="t")
        prepare(
            tmp_path / "events.csv",
            tmp_path / folder,
            mapping,
            "random",
            **{"valid": 0.25, "test": 0.25, **options},
        )
        return fingerprint(tfrecord.open(tmp_path / folder, part))

    first = key("first", ROWS)
    assert key("again", ROWS) == first
    assert fingerprint(tfrecord.open(tmp_path / "again", "valid")) != first
    assert key("seed", ROWS, seed=5) != first
    assert key("other", [*ROWS[:-1], "2,12,2,400"]) != first


def test_a_file_that_is_read_again_has_its_key(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("\n".join([*ROWS, ""]))
    read = [from_file(path, "u", "i", "stars", "t") for _ in range(2)]
    assert fingerprint(read[0]) == fingerprint(read[1])


def test_what_differs_is_said(data):
    train, valid, _ = data.split("leave_last_out")
    before = fingerprint(train, valid)

    def said(*parts):
        return difference(before, fingerprint(*parts), "f.csv")

    assert said(train, valid) is None
    fewer = valid.take(np.arange(len(valid) - 1))
    what = f"{len(valid)} validation events, and f.csv has {len(fewer)} now"
    assert said(train, fewer) == what
    found = said(train, changed(valid, "columns", "rating", 0))
    assert found == "other values of column 'rating' in the validation events than " + (
        "f.csv has now"
    )
    columns = {**train.columns, "more": train.columns["rating"]}
    wider = dataclasses.replace(train, columns=columns)
    more = "values of column 'more' in the training events"
    assert said(wider, valid) == f"no {more}, which f.csv has now"
    wide = fingerprint(wider, valid)
    assert difference(wide, before, "f.csv") == f"{more}, which f.csv no longer has"
    spec = data.spec.to_dict()
    user = next(c for c in spec["columns"] if c["name"] == "user_id")
    user["vocabulary"] = [*user["vocabulary"][:-1], "someone"]
    renamed = train.with_spec(type(data.spec).from_dict(spec))
    assert said(renamed, valid) == (
        "other vocabulary or settings of column 'user_id' in the training events than "
        "f.csv has now"
    )


def test_names_of_columns_do_not_break_lines(data):
    """A line break in a name stands in the text as an escape."""
    names = {"a\nb: c": data.columns["rating"], "d: 1": data.columns["rating"]}
    odd = dataclasses.replace(data, columns={**data.columns, **names})
    text = fingerprint(odd)
    assert difference(fingerprint(data), text, "f") == (
        "no values of column 'a\\nb: c' in the training events, which f has now"
    )
    assert all(" events: " in line for line in text.splitlines())
