"""Event times of files to the microsecond, against Python's own arithmetic."""

from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data.times import UNITS, times
from tfrec.data.values import BadValue

SECOND = 1_000_000
BEGIN = datetime(1970, 1, 1, tzinfo=timezone.utc)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2999, 12, 30)).map(
    lambda moment: moment.replace(tzinfo=timezone.utc)
)
RECENT = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=timezone.utc)
)


def micros(moment: datetime) -> int:
    return (moment - BEGIN) // timedelta(microseconds=1)


def read(value, unit="s") -> int:
    return times(pa.array([value]), unit)[0].as_py()


@given(MOMENTS, st.integers(-14 * 60, 14 * 60), st.integers(0, 999))
def test_iso_8601_is_read_to_the_microsecond(moment, minutes, beyond):
    here = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert read(here.isoformat()) == micros(moment)
    assert read(here.isoformat(" ")) == micros(moment)
    local = moment.replace(tzinfo=None)
    for text in (
        local.isoformat(),
        local.isoformat(" ", "microseconds") + f"{beyond:03}",
        local.isoformat("T", "microseconds") + f"{beyond:03}Z",
        local.isoformat(" ") + " UTC",
    ):
        assert read(f" {text} ") == micros(moment)


@given(MOMENTS)
def test_whole_numbers_of_any_unit_are_exact(moment):
    exact = micros(moment)
    for unit in ("s", "ms", "us"):
        size = SECOND // UNITS[unit]
        count = exact // size
        assert read(count, unit) == read(str(count), unit) == count * size


@given(RECENT, st.integers(0, 999))
def test_nanoseconds_are_rounded_down(moment, beyond):
    exact = micros(moment)
    assert read(exact * 1000 + beyond, "ns") == exact
    assert read(str(exact * 1000 + beyond), "ns") == exact


@given(RECENT)
def test_fractions_of_seconds_and_milliseconds_are_what_they_say(moment):
    exact = micros(moment)
    seconds = f"{exact // SECOND}.{exact % SECOND:06}"
    milliseconds = f"{exact // 1000}.{exact % 1000:03}"
    assert read(seconds) == read(float(seconds)) == exact
    assert read(milliseconds, "ms") == read(float(milliseconds), "ms") == exact


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_arrow_times_are_rounded_down_to_microseconds(unit):
    moments = [datetime(2001, 9, 9, 1, 46, 40), datetime(1969, 12, 31, 23, 59, 59)]
    for zone in (None, "UTC", "Europe/Berlin"):
        array = pa.array([1_000_000_000, -1]).cast(pa.timestamp("s"))
        array = array.cast(pa.timestamp(unit)).cast(pa.int64())
        array = array.cast(pa.timestamp(unit, zone))
        assert times(array, "s").to_pylist() == [1_000_000_000 * SECOND, -SECOND]
    fine = pa.array([1_999, -1], pa.timestamp("ns"))
    assert times(fine, "s").to_pylist() == [1, -1]
    assert times(pa.array([date(1970, 1, 3)]), "s").to_pylist() == [172_800 * SECOND]
    with pytest.raises(BadValue, match="the event time is missing") as error:
        times(pa.array([moments[0], None]), "s")
    assert error.value.row == 1


@pytest.mark.parametrize(
    ("unit", "digits"), [("s", 0), ("ms", 3), ("us", 6), ("ns", 9)]
)
def test_numbers_of_any_unit(unit, digits):
    # The last tick of a second of 2001, half a second around 1970, a second before.
    parts = 10**digits
    whole = [1_000_000_000 * parts + parts - 1, parts // 2, -(parts // 2), -parts]
    expected = [value * SECOND // parts for value in whole]
    assert times(pa.array(whole), unit).to_pylist() == expected
    assert times(pa.array([str(v) for v in whole]), unit).to_pylist() == expected
    if unit == "ns":
        assert times(pa.array([-1]), unit).to_pylist() == [-1]
    unsigned = pa.array([2**63 + 5], pa.uint64())
    with pytest.raises(BadValue, match="'9223372036854775813' is a whole number outs"):
        times(unsigned, unit)
