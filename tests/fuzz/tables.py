"""Files of rows: CSV, TSV, libSVM and Parquet, spoiled and read again."""

from __future__ import annotations

import csv
import datetime
import io
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import references
from hypothesis import strategies as st
from mutations import WORDS, edited, edited_cells

from tfrec.data.interactions import Interactions
from tfrec.datasets import from_file
from tfrec.errors import DataError

HEADER = ("user", "item", "label", "time", "price", "genres")
ROLES = HEADER[:4]
COLUMNS = {"price": "context:number", "genres": "item:bag"}
ROWS = (
    HEADER,
    ("7", "a", "1", "1700000000", "1.5", "x|y"),
    ("7", "b", "0.5", "1700000100", "", "y"),
    ("12", 'c"d', "3", "1700000050", "2", ""),
    ("12", "a", "0", "1700000200", "-3e2", "x|y"),
)
DATES = ("2023-11-14", "2023-11-14 22:13:20", "2023-11-14T22:13:20.25+02:00")
REFUSALS = (DataError,)


class Delimited:
    """A CSV or TSV file."""

    refusals = REFUSALS

    def __init__(self, folder: Path, name: str, delimiter: str) -> None:
        self.path, self.delimiter = folder / name, delimiter

    def contents(self) -> st.SearchStrategy[bytes]:
        """Good files of numbers or of dates, spoiled."""
        dated = [list(row) for row in ROWS]
        for row, day in zip(dated[1:], (*DATES, DATES[0]), strict=True):
            row[3] = day
        good = (ROWS, dated)
        cells = st.sampled_from(good).flatmap(edited_cells).map(self._text)
        texts = st.sampled_from([self._text(rows) for rows in good]).flatmap(edited)
        return cells | texts

    def _text(self, rows: Any) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter, lineterminator="\n").writerows(rows)
        return text.getvalue().encode("utf8", "replace")

    def put(self, content: bytes) -> None:
        """Writes the file."""
        self.path.write_bytes(content)

    def read(self) -> Interactions:
        """All rows, by tfrec."""
        return from_file(self.path, *ROLES, COLUMNS)

    def check(self, data: Interactions) -> None:
        """Holds what was read against Python's own reader, value by value."""
        rows = references.delimited(self.path.read_bytes(), self.delimiter)
        check_ids(data, rows, references.text_id)
        check_numbers(data, rows)


class LibSvm:
    """A libSVM file of a user, an item and a number, or of a bag of items."""

    refusals = REFUSALS

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.libsvm"

    def contents(self) -> st.SearchStrategy[bytes]:
        """Good files, spoiled."""
        good = (
            b"1 3:1 17:1 20:0.5\n0 4:1 18:1 20:2 # note\n1 3:1 18:1 20:1\n",
            b"1 3:1 17:1\n-1 4:1 18:1\n",
        )
        words = (b" 5:1", b"4503599627370497:1", b"9007199254740993:1", b"1.5:1")
        return st.sampled_from(good).flatmap(lambda text: edited(text, words))

    def put(self, content: bytes) -> None:
        """Writes the file."""
        self.path.write_bytes(content)

    def read(self) -> Interactions:
        """User, item and label of all lines, by tfrec."""
        return from_file(self.path, "field_0", "field_1", "label")

    def check(self, data: Interactions) -> None:
        """Holds what was read against a reader that goes word by word."""
        rows = references.libsvm(self.path.read_bytes())
        assert len(data) == len(rows)
        np.testing.assert_array_equal(
            data.label, np.array([label for label, _ in rows], np.float32)
        )
        for place, name in enumerate(("field_0", "field_1")):
            index, value = zip(*(entries[place] for _, entries in rows), strict=True)
            numeric = len(set(index)) == 1 and set(value) != {1.0}
            found = [float(raw) for raw in data.raw(name)]
            assert found == [float(n) for n in (value if numeric else index)], name


class ParquetBytes:
    """A Parquet file whose bytes are spoiled."""

    refusals = REFUSALS

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bytes.parquet"

    def contents(self) -> st.SearchStrategy[bytes]:
        """A good file, spoiled."""
        table = pa.table(
            {
                "user": pa.array([7, 7, 12, 12]),
                "item": pa.array(["a", "b", "c", "a"]),
                "label": pa.array([1.0, 0.5, 3.0, 0.0]),
                "time": pa.array([1_700_000_000 + n for n in range(4)]),
                "price": pa.array([1.5, None, 2.0, -300.0]),
                "genres": pa.array([["x", "y"], ["y"], [], ["x", "y"]]),
            }
        )
        file = io.BytesIO()
        pq.write_table(table, file)
        return edited(file.getvalue())

    def put(self, content: bytes) -> None:
        """Writes the file."""
        self.path.write_bytes(content)

    def read(self) -> Interactions:
        """All rows, by tfrec."""
        return from_file(self.path, *ROLES, COLUMNS)

    def check(self, data: Interactions) -> None:
        """Holds what was read against the values that Arrow gives."""
        check_parquet(self.path, data)


CLOCK = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2900, 1, 1))
SHORT = st.text("ab1 |\u00e9", max_size=3)
COLUMN_TYPES = (
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(0, 20)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32) | st.integers(-5, 5).map(float)),
    (pa.float64(), st.floats() | st.integers(-5, 5).map(float)),
    (pa.float16(), st.integers(-5, 5).map(np.float16)),
    (pa.bool_(), st.booleans()),
    (pa.string(), SHORT | st.sampled_from(WORDS)),
    (pa.large_string(), SHORT),
    (pa.dictionary(pa.int8(), pa.string()), SHORT),
    (pa.binary(), st.binary(max_size=3)),
    (pa.binary(2), st.binary(min_size=2, max_size=2)),
    (pa.decimal128(10, 2), st.decimals(-(10**6), 10**6, places=2)),
    (pa.decimal256(60, 0), st.integers(-(10**50), 10**50).map(Decimal)),
    (pa.timestamp("us"), CLOCK),
    (pa.timestamp("ms", "Europe/Berlin"), CLOCK),
    (pa.timestamp("s"), CLOCK.map(lambda moment: moment.replace(microsecond=0))),
    (pa.date32(), CLOCK.map(datetime.datetime.date)),
    (pa.date64(), CLOCK.map(datetime.datetime.date)),
    (pa.time64("us"), CLOCK.map(datetime.datetime.time)),
    (pa.duration("s"), st.integers(0, 99)),
    (pa.null(), st.none()),
    (pa.list_(pa.int64()), st.lists(st.integers(0, 3), max_size=3)),
    (pa.list_(pa.string()), st.lists(SHORT, max_size=3)),
    (pa.list_(pa.float64(), 2), st.lists(st.floats(), min_size=2, max_size=2)),
    (pa.list_(pa.list_(pa.int8())), st.just([[1], []])),
    (pa.struct({"a": pa.int8()}), st.fixed_dictionaries({"a": st.integers(0, 3)})),
    (pa.list_(pa.struct({"a": pa.int8()})), st.just([{"a": 1}])),
    (pa.map_(pa.string(), pa.int8()), st.just([("a", 1)])),
)
GOOD = {
    "user": pa.array([7, 7, 12]),
    "item": pa.array(["a", "b", "a"]),
    "label": pa.array([1.0, 0.5, 3.0]),
    "time": pa.array([1_700_000_000, 1_700_000_100, 1_700_000_050]),
    "price": pa.array([1.5, None, 2.0]),
    "genres": pa.array([["x", "y"], ["y"], []]),
}


class ParquetTypes(ParquetBytes):
    """A Parquet file with columns of any type that Parquet has."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "types.parquet"

    def contents(self) -> st.SearchStrategy[bytes]:
        """Good files in which a column is of another type."""
        return self._tables()

    @staticmethod
    @st.composite
    def _tables(draw: st.DrawFn) -> bytes:
        columns = dict(GOOD)
        for name in draw(st.lists(st.sampled_from(HEADER), min_size=1, max_size=2)):
            kind, values = draw(st.sampled_from(COLUMN_TYPES))
            if draw(st.integers(0, 3)) == 0:
                values = values | st.none()
            rows = draw(st.lists(values, min_size=3, max_size=3))
            columns[name] = pa.array(rows, kind)
        file = io.BytesIO()
        pq.write_table(pa.table(columns), file)
        return file.getvalue()


def check_parquet(path: Path, data: Interactions) -> None:
    """Holds what was read against the Python values that Arrow gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nanoseconds that Python has not
        rows = pq.read_table(path, columns=list(HEADER)).to_pylist()
    check_ids(data, rows, _told_apart)
    check_numbers(data, rows)


def _told_apart(value: Any) -> Any:
    return references.text_id(value) if isinstance(value, str) else value


def check_ids(data: Interactions, rows: list[dict[str, Any]], plain: Any) -> None:
    """Two events have one id where their values are the same, and only there."""
    assert len(data) == len(rows)
    for name in ("user", "item"):
        values, found = [plain(row[name]) for row in rows], data.raw(name).tolist()
        pairs = set(zip(found, values, strict=True))
        assert len(set(found)) == len(set(values)) == len(pairs), (values, found)
        if all(isinstance(value, str) for value in values):
            assert [str(value) for value in found] == values, name


def check_numbers(data: Interactions, rows: list[dict[str, Any]]) -> None:
    """Labels, numbers and times are those of the rows."""
    for name, value in (("label", references.label), ("price", references.number)):
        expected = np.array([value(_or_nan(row[name])) for row in rows])
        found = data.columns[name]
        np.testing.assert_array_equal(found, expected.astype(np.float32), name)
    for row, found in zip(rows, data.timestamp.tolist(), strict=True):  # type: ignore[union-attr]
        exact = references.microseconds(row["time"])
        # Whole times round down, numbers with a fraction to the nearest.
        assert abs(exact - found) <= 1, (row["time"], found)


def _or_nan(value: Any) -> Any:
    return float("nan") if value is None else value
