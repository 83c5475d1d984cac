"""Orders that hang on microseconds, in memory and streamed, by any form of time."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfrec.data import streaming_split
from tfrec.data.convert import Converter
from tfrec.data.histories import histories
from tfrec.data.mapping import Mapping, resolve
from tfrec.data.prepare import prepare
from tfrec.data.readers import open_table
from tfrec.data.tfrecord import load, rows
from tfrec.data.views import Positives
from tfrec.datasets import from_file

START = 1_400_000_000_000_000  # May 2014
BEGIN = datetime(1970, 1, 1, tzinfo=timezone.utc)
FORMS = {
    "us": ("us", str),
    "ms": ("ms", lambda t: f"{t // 1000}.{t % 1000:03}"),
    "ns": ("ns", lambda t: f"{t}789"),
    "seconds": ("s", lambda t: f"{t // 10**6}.{t % 10**6:06}"),
    "iso": ("s", lambda t: (BEGIN + timedelta(microseconds=t)).isoformat()),
}
# Users and microseconds of events that come close to each other.
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=12, max_size=60
)
QUICK = settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def write(path, events, form):
    """A CSV file whose item ids are the numbers of the rows."""
    lines = [
        f"u{user},{row},{FORMS[form][1](START + time)}\n"
        for row, (user, time) in enumerate(events)
    ]
    path.write_text("u,i,t\n" + "".join(lines))
    return path


def in_order(events, user):
    """Rows of a user by time, then row."""
    own = [row for row, (who, _) in enumerate(events) if who == user]
    return sorted(own, key=lambda row: (events[row][1], row))


@QUICK
@given(EVENTS, st.sampled_from(list(FORMS)))
def test_histories_hold_what_came_before_within_a_second(tmp_path, events, form):
    path = write(tmp_path / "a.csv", events, form)
    data = from_file(path, "u", "i", timestamp="t", time_unit=FORMS[form][0])
    np.testing.assert_array_equal(data.timestamp, [START + time for _, time in events])
    found = data.spec.decode("i", histories(data)(np.arange(len(data)), 60))
    for row, (user, time) in enumerate(events):
        expected = [e for e in in_order(events, user) if events[e][1] < time]
        assert [item for item in found[row] if item >= 0] == expected


@QUICK
@given(EVENTS, st.sampled_from(list(FORMS)), st.integers(40, 400))
def test_splits_are_the_same_in_memory_and_streamed(tmp_path, events, form, block):
    path = write(tmp_path / "a.csv", events, form)
    mapping = Mapping("u", "i", None, "t", time_unit=FORMS[form][0])
    data = from_file(path, "u", "i", timestamp="t", time_unit=FORMS[form][0])
    for how in ("temporal", "leave_last_out"):
        file = open_table(path)
        blocks = Converter(file, mapping, resolve(mapping, file)).blocks
        splitter = streaming_split.make(how, mapping, "u")
        for part in blocks(block):
            splitter.observe(part)
        try:
            parts = data.split(how)
        except ValueError as error:
            with pytest.raises(ValueError) as streamed:
                splitter.finish()
            assert str(streamed.value) == str(error)
            continue
        splitter.finish()
        sides = np.concatenate([splitter.sides(part) for part in blocks(block)])
        for side, part in enumerate(parts):
            assert np.flatnonzero(sides == side).tolist() == part.raw("i").tolist()
        if how == "leave_last_out":
            long = (in_order(events, user) for user in range(4))
            last = sorted(own[-1] for own in long if len(own) >= 3)
            assert parts[2].raw("i").tolist() == last


def test_a_time_that_is_also_a_number_is_one_in_seconds(tmp_path):
    path = write(tmp_path / "a.csv", [(0, 7), (0, 5), (1, 6)] * 3, "us")
    options = {"time_unit": "us", "columns": {"t": "number"}}
    data = from_file(path, "u", "i", timestamp="t", **options)
    assert (data.timestamp - START).tolist() == [7, 5, 6] * 3
    seconds = START // 10**6
    (batch,) = data.batches(Positives(), 9, shuffle=False)
    assert batch["t"].numpy().tolist() == [seconds] * 9
    assert data.queries(data.user, ("t",))["t"].tolist() == [seconds] * 9
    scaled = {**options, "columns": {"t": "zscore"}}
    column = from_file(path, "u", "i", timestamp="t", **scaled).spec["t"]
    assert (column.mean, column.std) == (seconds, 1)


def test_prepared_events_keep_microseconds(tmp_path):
    # Three clicks within a second, the file out of order.
    path = tmp_path / "a.parquet"
    times = pa.array([START + t for t in (2, 0, 1, 5, 4, 3)], pa.timestamp("us"))
    table = {"u": list("aaabbb"), "i": list("xyzxyz"), "t": times}
    pq.write_table(pa.table(table), path)
    prepare(path, tmp_path / "out", Mapping("u", "i", None, "t"), "leave_last_out")
    test = load(tmp_path / "out", "test")
    assert test.raw("i").tolist() == ["x", "x"]
    assert test.timestamp.tolist() == [START + 2, START + 5]
    assert test.seconds.tolist() == [START // 10**6] * 2
    assert sorted(test.past.timestamp - START) == [0, 1, 3, 4]
    # What models are given, from memory and from disk, are seconds.
    (batch,) = rows(tmp_path / "out", "test")
    assert batch["t"].numpy().tolist() == [START // 10**6] * 2
    assert test.inputs("t").tolist() == [START // 10**6] * 2
