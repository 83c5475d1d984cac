"""Event times of files to the microsecond, against Python's own arithmetic."""

import warnings
from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data.convert import Converter
from tfrec.data.describe import describe
from tfrec.data.mapping import Mapping, resolve
from tfrec.data.readers import open_table
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


@pytest.mark.parametrize(
    ("written", "form", "moment"),
    [
        ("20231114", "%Y%m%d", "2023-11-14"),
        (20231114, "%Y%m%d", "2023-11-14"),
        ("11/14/2023", "%m/%d/%Y", "2023-11-14"),
        ("14.11.2023 22:19", "%d.%m.%Y %H:%M", "2023-11-14 22:19:00"),
        (" 4.1.2023  2:09", "%d.%m.%Y %H:%M", "2023-01-04 02:09:00"),
        ("Tue Nov 14 22:19:20 2023", "%a %b %d %H:%M:%S %Y", "2023-11-14 22:19:20"),
        ("11/14/23 10:19 PM", "%m/%d/%y %I:%M %p", "2023-11-14 22:19:00"),
    ],
)
def test_a_time_format_says_how_times_are_written(written, form, moment):
    expected = micros(datetime.fromisoformat(moment).replace(tzinfo=timezone.utc))
    assert times(pa.array([written]), "s", form).to_pylist() == [expected]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))
def test_every_day_is_written_and_read_again(moment):
    exact = micros(moment.replace(second=0, microsecond=0, tzinfo=timezone.utc))
    for form in ("%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%Y%m%d %H%M"):
        read = times(pa.array([moment.strftime(form)]), "s", form)
        assert read.to_pylist() == [exact]


@pytest.mark.parametrize(
    ("written", "form", "row", "message"),
    [
        (["14.11.2023", "31.02.2023"], "%d.%m.%Y", 1, "is no time of the format '%d"),
        (["14.11.2023", "11/14/2023"], "%d.%m.%Y", 1, "'11/14/2023' is no time of the"),
        (["14.11.2023", "NA"], "%d.%m.%Y", 1, "the event time is missing"),
        (["20231114", "20231231"], None, 0, "'20231114' is a day, or 20,231,114 sec"),
        ([20231114], None, 0, "if it is a day"),
        (["11/14/2023"], None, 0, "'11/14/2023' is no time that can be read"),
        (["2023-11-14", "14.11.2023 22:19"], None, 1, "pass time_format"),
        (["2023-11-14", "2023-02-30"], None, 1, "is no day of the calendar"),
        (["2023-11-14 24:10"], None, 0, "or no time of day"),
        (["2023-11-14", "1700000000"], None, 1, "is a number among dates"),
        (["", "2023-11-14"], None, 0, "the event time is missing"),
        (["2023-11-14", "NA", "2023-11-14"], None, 1, "the event time is missing"),
        (["1", "inf"], None, 1, "'inf' is no time that can be read"),
        (["1", "1700000000000"], None, 1, "lies after the year 3000"),
    ],
)
def test_other_times_are_refused_by_row(written, form, row, message):
    with pytest.raises(BadValue, match=message) as error:
        times(pa.array(written), "s", form)
    assert error.value.row == row


def test_numbers_that_are_not_all_days_are_seconds():
    assert times(pa.array(["20231114", "20231199"]), "s").to_pylist() == [
        20231114 * SECOND,
        20231199 * SECOND,
    ]


@pytest.mark.parametrize("form", ["noon", "%H:%M:%S.%f", "%Y-%m-%d %z", "%"])
def test_formats_that_cannot_be_read_are_refused(form):
    with pytest.raises(ValueError, match="use %Y, %m, %d, %H, %M and %S"):
        Mapping("u", "i", None, "t", time_format=form)


def test_times_before_1980_are_said_once(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("u,i,t\n1,1,1700000\n1,2,1700000000\n")
    with pytest.warns(UserWarning, match="column 't': the earliest event is of 1970-0"):
        describe(path, Mapping("u", "i", None, "t"))
    file, mapping = open_table(path), Mapping("u", "i", None, "t")
    converter = Converter(file, mapping, resolve(mapping, file))
    with pytest.warns(UserWarning, match="before 1980") as said:
        for _ in range(2):
            assert len(list(converter.blocks())) == 1
    assert len(said) == 1
    path.write_text("u,i,t\n1,1,14.11.2023\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = describe(path, Mapping("u", "i", None, "t", time_format="%d.%m.%Y"))
    assert found.first_time == found.last_time == 1_699_920_000
