"""Whole numbers stay what they are, or are refused with their place."""

import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import values
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.data.tfrecord import load
from tfrec.data.values import BadValue
from tfrec.datasets import from_file

INT64 = st.integers(-(2**63), 2**63 - 1)
CLOSE = [2**53, 2**53 + 1, 2**53 + 2, 2**63 - 1, 2**63 - 2, 7]


@given(st.lists(INT64, min_size=1))
def test_integers_of_any_type_are_exact(numbers):
    text = [str(n) for n in numbers]
    decimals = pa.array([decimal.Decimal(n) for n in numbers], pa.decimal128(20, 0))
    for array in (pa.array(numbers, pa.int64()), pa.array(text), decimals):
        assert values.ids(array, "int64", infer=False).to_pylist() == numbers
        assert values.ids(array, "string", infer=False).to_pylist() == text
    padded = pa.array([f" +{n}.0 " if n >= 0 else f"{n}." for n in numbers])
    assert values.ids(padded, "int64", infer=False).to_pylist() == numbers
    joined = pa.array(["|".join(text)])
    assert values.bag(joined, "|", "int64", infer=False).to_pylist() == [numbers]
    lists = pa.array([numbers], pa.list_(pa.int64()))
    assert values.bag(lists, "|", "int64", infer=False).to_pylist() == [numbers]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_unsigned_ids_are_exact_as_text_and_refused_as_int64(numbers):
    array = pa.array(numbers, pa.uint64())
    text = [str(n) for n in numbers]
    for infer in (True, False):
        assert values.ids(array, "string", infer).to_pylist() == text
    for written in (array, pa.array(text)):
        if max(numbers) < 2**63:
            assert values.ids(written, "int64", infer=False).to_pylist() == numbers
            continue
        with pytest.raises(BadValue, match="is a whole number outside of 64") as error:
            values.ids(written, "int64", infer=False)
        assert error.value.row == next(r for r, n in enumerate(numbers) if n >= 2**63)


@given(INT64, st.sampled_from([pa.float16(), pa.float32(), pa.float64()]))
def test_floats_are_the_integer_they_come_from_or_refused(number, kind):
    limit = {pa.float16(): 2**11, pa.float32(): 2**24, pa.float64(): 2**53}[kind]
    number %= 2 * limit
    floats = pa.array([float(number)]).cast(kind, safe=False)
    if number < limit:
        assert values.ids(floats, "string", infer=True).to_pylist() == [number]
        return
    with pytest.raises(BadValue, match=f"whole numbers that type {kind} tells apart"):
        values.ids(floats, "string", infer=True)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array(["1", "1e3"]), "'1e3' is no whole number"),
        (pa.array(["1", "99999999999999999999"]), "outside of 64 bits"),
        (pa.array([1.0, 1e17]), "type double tells apart: store them as integers"),
        (pa.array([1, 2], pa.timestamp("ns")), r"it holds timestamp\[ns\], not whole"),
        (pa.array([[1], [2]]), "it holds list<.*>, not whole numbers"),
    ],
)
def test_what_is_no_integer_is_refused_in_words(array, message):
    with pytest.raises(BadValue, match=message):
        values.ids(array, "int64", infer=False)


def test_other_types_as_text():
    moment = pa.array([1], pa.timestamp("ns"))
    text = values.ids(moment, "string", infer=True).to_pylist()
    assert text == ["1970-01-01 00:00:00.000000001"]
    for array in (pa.array([[1]]), pa.array([b"\xff"])):
        with pytest.raises(BadValue, match=r"it holds .*, not text"):
            values.ids(array, "string", infer=True)
    # Quantities, unlike ids, may be rounded.
    assert values.numbers(pa.array([2**53 + 1])).to_pylist() == [2.0**53]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_ids_beyond_double_precision_from_a_file_to_records(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    bags = [[CLOSE[0], CLOSE[1]]] * 6
    if suffix == "csv":
        lines = [f"{n},{n},{n}|{n - 1},1" for n in CLOSE]
        path.write_text("\n".join(["u,i,g,x", *lines]) + "\n")
    else:
        bags = [[n, n - 1] for n in CLOSE]
        columns = {"u": CLOSE, "i": CLOSE, "g": bags, "x": [1] * 6}
        pq.write_table(pa.table(columns), path)
    words = {"u": "int64", "i": "int64", "g": "item:bag"}
    data = from_file(path, "u", "i", columns=words)
    mapping = Mapping("u", "i", columns=words)
    prepare(path, tmp_path / "out", mapping, "random", valid=0.2, test=0.2)
    parts = [load(tmp_path / "out", name) for name in ("train", "valid", "test")]
    for name in ("u", "i"):
        assert data.raw(name).tolist() == CLOSE
        found = np.concatenate([part.raw(name) for part in parts])
        assert sorted(found.tolist()) == sorted(CLOSE)
    for part in (data, *parts):
        own = part.spec.decode("g", part.items["g"][part.item])
        wanted = [[int(n), int(n) - 1] for n in part.raw("i")]
        if part.spec["g"].dtype == "string":
            wanted = [[str(n) for n in bag] for bag in wanted]
        assert own.tolist() == wanted


def test_a_file_names_the_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("u,i\n1,1\n2,12345678901234567890\n")
    with pytest.raises(ValueError, match="line 3, column 'i': '12345678901234567890'"):
        from_file(path, "u", "i", columns={"i": "int64"})
    data = from_file(path, "u", "i")
    assert data.raw("i").tolist() == ["1", "12345678901234567890"]
    path.write_text("u,i,zip\n1,1,01234\n2,2,12345678901234567890\n3,3,\n")
    data = from_file(path, "u", "i", columns={"zip": "infer"})
    assert data.raw("zip").tolist() == ["01234", "12345678901234567890", ""]
    # Integers with a gap in a column whose type the data decide.
    path.write_text("u,i,age,bag\n1,1,30,1||2\n2,2,,\n")
    data = from_file(path, "u", "i", columns={"age": "infer", "bag": "bag"})
    assert data.raw("age").tolist() == [30, -1]
    libsvm = tmp_path / "a.svm"
    libsvm.write_text("1 1:1 2:1\n0 1:1 9007199254740993:1\n")
    with pytest.raises(ValueError, match="line 2 has an index beyond 9,007,199,254,7"):
        from_file(libsvm, "field_0", "field_1")
