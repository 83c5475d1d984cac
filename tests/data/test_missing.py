"""Missing ids and times, columns that contradict themselves, and ids read as floats."""

import warnings

import numpy as np
import pytest

from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.data.tfrecord import load
from tfrec.datasets import from_file

START = 1_700_000_000


def write(path, *rows):
    path.write_text("\n".join(["u,i,t,city,tags", *rows]) + "\n")
    return path


def test_rows_without_id_or_time_are_dropped_only_when_asked(tmp_path):
    words = ("", "NA", "NULL", "null", "None", "nan", "N/A", " ")
    rows = [f"u{n % 3},{n},{START + n},," for n in range(12)]
    path = write(
        tmp_path / "a.csv", *(f"{w},1,{START},," for w in words), *rows, "u1,5,NA,,"
    )
    with pytest.raises(ValueError, match="line 2, column 'u': an id is missing"):
        from_file(path, "u", "i", timestamp="t")
    with pytest.raises(ValueError, match="'u': an id is missing, as in 8 of 21 rows"):
        prepare(path, tmp_path / "out", Mapping("u", "i", None, "t"))
    with pytest.warns(UserWarning, match="9 of 21 rows .* 'u' in 8, 't' in 1"):
        data = from_file(path, "u", "i", timestamp="t", drop_missing=True)
    assert data.raw("i").tolist() == list(range(12))
    mapping = Mapping("u", "i", None, "t", drop_missing=True)
    with pytest.warns(UserWarning, match="9 of 21 rows were left out"):
        prepare(path, tmp_path / "out", mapping, "leave_last_out", block_bytes=64)
    for part, split in zip(
        ("valid", "test"), data.split("leave_last_out")[1:], strict=True
    ):
        found = load(tmp_path / "out", part)
        assert found.raw("i").tolist() == split.raw("i").tolist()
        np.testing.assert_array_equal(found.timestamp, split.timestamp)


def test_places_count_the_rows_that_were_left_out(tmp_path):
    rows = ["a,1,1,,", ",1,1,,", "NA,1,1,,", "b,1,1,,", ",1,1,,", "c,1,x,,"]
    path = write(tmp_path / "a.csv", *rows)
    for block in (16, 1 << 20):
        with pytest.raises(ValueError, match="line 7, column 't': 'x' is no time that"):
            from_file(path, "u", "i", None, "t", drop_missing=True, block_bytes=block)
    with pytest.raises(ValueError, match="has no row with u, i: fill them in"):
        from_file(write(path, "NA,1,1,,", "1,,1,,"), "u", "i", drop_missing=True)


def test_na_is_an_id_when_it_is_kept(tmp_path):
    path = write(tmp_path / "a.csv", "NA,None,1,NA,NA|x", "NL,2,1,NL,NA")
    columns = {"city": "string", "tags": "bag"}
    data = from_file(path, "u", "i", columns=columns, keep_na=True)
    assert data.raw("u").tolist() == ["NA", "NL"]
    assert data.raw("i").tolist() == ["None", "2"]
    assert data.raw("city").tolist() == ["NA", "NL"]
    assert data.raw("tags").tolist() == [["NA", "x"], ["NA", ""]]
    write(path, "NA,None,NA,,", f"NA,2,{START},,")  # there is no time called NA
    with pytest.warns(UserWarning, match="1 of 2 rows were left out.* 't' in 1"):
        data = from_file(path, "u", "i", None, "t", keep_na=True, drop_missing=True)
    assert (data.raw("u").tolist(), data.raw("i").tolist()) == (["NA"], [2])
    path = write(tmp_path / "a.csv", "a,1,1,NA,NA", "b,2,1,NULL,x", "c,2,1,NL,y")
    data = from_file(path, "u", "i", columns=columns)
    assert data.raw("city").tolist() == ["", "", "NL"]
    assert data.raw("tags").tolist() == [[""], ["x"], ["y"]]


def test_integers_that_a_tool_wrote_as_floats_are_those_integers(tmp_path):
    path = write(tmp_path / "a.csv", "51.0,7,1,,", "51,7.00,1,,", "-3.0,8,1,,")
    data = from_file(path, "u", "i")
    assert data.raw("u").tolist() == [51, 51, -3]
    assert data.raw("i").tolist() == [7, 7, 8]
    text = from_file(path, "u", "i", columns={"u": "string"})
    assert text.raw("u").tolist() == ["51.0", "51", "-3.0"]
    versions = write(path, "1.5.0,7,1,,", "01.0,7,1,,", "2.0,8,1,,")
    assert from_file(versions, "u", "i").raw("u").tolist() == ["1.5.0", "01.0", "2"]


@pytest.mark.parametrize("block", [16, 40, 1 << 20])
def test_columns_that_contradict_themselves_are_said(tmp_path, block):
    rows = ["a,1,1,Rome,x|y", "b,2,1,Oslo,z", "a,1,1,Rome,x|y", "b,2,1,Bonn,z"]
    rows += ["a,2,1,Rome,z|x", "c,1,1,Bern,x|y", "c,3,1,Bern,", "b,3,1,Oslo,"]
    path = write(tmp_path / "a.csv", *rows)
    columns = {"city": "user:string", "tags": "item:bag"}
    with pytest.warns(UserWarning, match="contradicts itself") as said:
        data = from_file(path, "u", "i", columns=columns, block_bytes=block)
    expected = [
        f"{path}: column 'city' contradicts itself for 1 of 3 ids of 'u', such as 'b'; "
        "the value of the first row counts.",
        f"{path}: column 'tags' contradicts itself for 1 of 3 ids of 'i', such as '2'; "
        "the value of the first row counts.",
    ]
    assert [str(warning.message) for warning in said] == expected
    cities = data.spec.decode("city", data.users["city"][data.user])
    assert cities.tolist()[:4] == ["Rome", "Oslo", "Rome", "Oslo"]
    mapping = Mapping("u", "i", columns=columns)
    with pytest.warns(UserWarning, match="contradicts itself") as said:
        prepare(path, tmp_path / "out", mapping, "random", valid=0.2, test=0.2)
    assert [str(warning.message) for warning in said] == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_file(write(path, *rows[:3]), "u", "i", columns=columns, block_bytes=block)
