import numpy as np
import pyarrow as pa
import pytest

from tfrec.data import values
from tfrec.data.values import BadValue


def test_numbers_from_text_and_types():
    text = pa.array([" 1.5", "-2e3", "NA", "", "nan", None])
    expected = [1.5, -2000.0, None, None, None, None]
    assert values.numbers(text).to_pylist() == expected
    assert values.numbers(pa.array([1, None, 3])).to_pylist() == [1.0, None, 3.0]
    assert values.numbers(pa.array([True, False])).to_pylist() == [1.0, 0.0]
    with pytest.raises(BadValue, match="'1,5' is text") as error:
        values.numbers(pa.array(["1", "1,5"]))
    assert error.value.row == 1
    with pytest.raises(BadValue, match="'1_000' is text"):  # a number to Python alone
        values.numbers(pa.array(["1_000"]))
    with pytest.raises(BadValue, match="'inf' is not finite"):
        values.numbers(pa.array(["inf"]))
    with pytest.raises(BadValue, match=r"it holds list<.*>, not numbers"):
        values.numbers(pa.array([[1]]))


def test_ids_keep_text_and_integers_apart():
    text = pa.array(["007", "7", None])
    assert values.ids(text, "string", infer=True).to_pylist() == ["007", "7", ""]
    assert values.ids(text, "int64", infer=False).to_pylist() == [7, 7, -1]
    whole = pa.array([7, None])
    assert values.ids(whole, "string", infer=True).to_pylist() == [7, -1]
    assert values.ids(whole, "string", infer=False).to_pylist() == ["7", ""]
    # pandas turns integers with a gap into floats.
    floats = pa.array([7.0, None, 8.0])
    assert values.ids(floats, "string", infer=True).to_pylist() == [7, -1, 8]
    with pytest.raises(BadValue, match=r"'7.5' is no whole number"):
        values.ids(pa.array([7.0, 7.5]), "string", infer=True)


def test_bags_from_text_and_lists():
    text = values.bag(pa.array(["a|b", "", None, "c"]), "|", "string", infer=True)
    assert text.to_pylist() == [["a", "b"], [], [], ["c"]]
    lists = values.bag(pa.array([[1, 2], None, []]), "|", "string", infer=True)
    assert lists.to_pylist() == [[1, 2], [], []]
    with pytest.raises(BadValue, match="'x' is no whole number") as error:
        values.bag(pa.array(["1|2", "", "3|x"]), "|", "int64", infer=False)
    assert error.value.row == 2
    with pytest.raises(BadValue, match="it needs lists, or text with ';' between"):
        values.bag(pa.array([1.5]), ";", "string", infer=True)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
        pa.array([{"a": 1}], pa.struct({"a": pa.int8()})),
    ],
)
def test_maps_and_structs_are_no_lists(column):
    with pytest.raises(BadValue, match="it needs lists, or text with"):
        values.bag(column, "|", "string", infer=True)
    with pytest.raises(BadValue, match="not lists of 1 numbers: convert the column"):
        values.vectors(column, 1)
    for one_value in (values.numbers, values.whole, values.strings):
        with pytest.raises(BadValue, match="convert the column, or name another"):
            one_value(column)


def test_vectors_have_their_length():
    flat = values.vectors(pa.array([[1.0, 2.0], [3.0, None]]), 2).flatten()
    np.testing.assert_array_equal(flat, [1, 2, 3, np.nan])
    with pytest.raises(BadValue, match="'1' is its length, not 2") as error:
        values.vectors(pa.array([[1, 2], [3]]), 2)
    assert error.value.row == 1


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_text_of_any_arrow_type(kind):
    text = values.plain(pa.array(["a", "b", "a"]).cast(kind))
    assert text.type == pa.string()
    assert text.to_pylist() == ["a", "b", "a"]
    lists = values.plain(pa.array([["a"]], pa.large_list(pa.string())))
    assert lists.type == pa.list_(pa.string())
