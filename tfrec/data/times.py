"""Event times of files as microseconds since 1970; pure functions over one block."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.data.timeline import SECOND
from tfrec.data.values import (
    CONVERT,
    MISSING,
    NUMBER,
    WHOLE,
    BadValue,
    is_text,
    numbers,
    plain,
    require,
    require_present,
    strings,
    whole,
)
from tfrec.errors import ConfigError

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
YEAR_1980 = 315_532_800 * SECOND
YEAR_3000 = 32_503_680_000 * SECOND
ISO = (
    r"(?i)^(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<clock>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d+))?"
    r" ?(?:Z|UTC|GMT|(?P<sign>[-+])(?P<hours>\d\d):?(?P<minutes>\d\d)?)?)?$"
)
CURE = (
    "write ISO 8601 or numbers since 1970, or pass time_format (--time-format), for "
    "example '%d.%m.%Y %H:%M'"
)
DIRECTIVES = "YymdejbBHIMSpTFDRaA%"


def check_format(form: str) -> None:
    """Refuses a time format that cannot be read.

    Raises:
        ConfigError: No directive, or one of fractions or zones.
    """
    found = re.findall("%(.?)", form)
    wrong = [letter for letter in found if letter not in {*DIRECTIVES}]
    if wrong or not found:
        what = f"has %{wrong[0]}" if wrong else "names no part of a time"
        raise ConfigError(
            f"time_format '{form}' {what}: use %Y, %m, %d, %H, %M and %S, for example "
            "'%d.%m.%Y %H:%M', or write fractions and zones as ISO 8601."
        )


def times(values: pa.Array, unit: str, form: str | None = None) -> pa.Array:
    """``(n,)`` int64 microseconds since 1970, finer times rounded down.

    Text is either numbers or ISO 8601 throughout a block: a day, or a day and a time
    with ``T`` or a space between, with any fraction of a second, and with ``Z``,
    ``UTC`` or an offset such as ``+02:00``. A time without a zone is UTC. Numbers
    with a fraction are rounded to the nearest microsecond, so that ``1396867869.277``
    is what it says (until the year 2100, when double precision ends).

    Days written as ``20231114`` are refused, since they would pass for seconds of 1970.

    Args:
        values: Arrow times, text, or numbers since 1970.
        unit: Unit of numbers: ``s``, ``ms``, ``us`` or ``ns``.
        form: How times are written, in the directives of ``strptime``, such as
            ``%d.%m.%Y %H:%M``; None for numbers and ISO 8601.

    Raises:
        BadValue: Missing, no time, or after the year 3000.
    """
    values = plain(values)
    if form is not None:
        return _written(values, form)
    if is_text(values.type):
        values = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.is_in(values, pa.array(MISSING)), None, values)
        require_present(values, "event time")
        numeric = pc.match_substring_regex(values, NUMBER)
        if not pc.all(numeric).as_py():
            return _iso(values, numeric)
    if pa.types.is_temporal(values.type):
        return _temporal(values)
    return _since_1970(values, unit)


def _written(values: pa.Array, form: str) -> pa.Array:
    """Text (or a number such as 20231114) of a format."""
    text = pc.utf8_trim_whitespace(strings(values))
    text = pc.if_else(pc.is_in(text, pa.array(MISSING)), None, text)
    require_present(text, "event time")
    problem = f"is no time of the format '{form}': correct it, or the format"
    moment = pc.strptime(text, format=form, unit="s", error_is_null=True)
    require(moment.is_valid(), values, problem)
    # strptime takes the 31st of February for the 3rd of March.
    again = pc.strftime(moment, format=form)
    require(pc.equal(_unpadded(again), _unpadded(text)), values, problem)
    return _in_microseconds(moment.cast(pa.int64()), "s", values)


def _unpadded(text: pa.Array) -> pa.Array:
    """Lower case, single spaces and no zeros before numbers."""
    text = pc.replace_substring_regex(pc.utf8_lower(text), r"\s+", " ")
    return pc.replace_substring_regex(text, r"(^|[^0-9])0+([0-9])", r"\1\2")


def _temporal(values: pa.Array) -> pa.Array:
    """Arrow times and dates."""
    kind = values.type
    if pa.types.is_date(kind):
        values = values.cast(pa.timestamp("s"))
    elif not pa.types.is_timestamp(kind):
        raise BadValue(0, f"it holds {kind}, not times of a day in a year: {CONVERT}")
    return _in_microseconds(values.cast(pa.int64()), values.type.unit, values)


def _since_1970(values: pa.Array, unit: str) -> pa.Array:
    """Numbers; whole ones never go through floating point."""
    if pa.types.is_integer(values.type) or (
        is_text(values.type) and pc.all(pc.match_substring_regex(values, WHOLE)).as_py()
    ):
        since = whole(values)
        require_present(since, "event time")
        if unit == "s":
            _refuse_days(since.to_numpy())
        return _in_microseconds(since, unit, values)
    floats = numbers(values)
    require_present(floats, "event time")
    return _in_microseconds(floats, unit, values)


def _refuse_days(seconds: np.ndarray) -> None:
    """Refuses whole numbers that are all days of the calendar, as 20231114."""
    month, day = seconds // 100 % 100, seconds % 100
    days = (seconds > 19_000_000) & (seconds < 21_000_000)
    days &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    if len(seconds) and days.all():
        raise BadValue(
            0,
            f"'{seconds[0]}' is a day, or {seconds[0]:,} seconds after 1970 began: "
            "pass time_format (--time-format) '%Y%m%d' if it is a day",
        )


def _in_microseconds(since: pa.Array, unit: str, given: pa.Array) -> pa.Array:
    """Numbers of a unit as microseconds, where the result is no later than 3000."""
    require_present(since, "event time")
    parts, count = UNITS[unit], since.to_numpy()
    limit = YEAR_3000 // SECOND * parts
    require(
        pa.array((count < limit) & (count > -limit)),
        given,
        f"lies after the year 3000, or as far before 1970, in {unit} since 1970: pass "
        "the unit it counts, such as time_unit='ms' (--time-unit)",
    )
    if count.dtype.kind == "f":
        return pa.array(np.rint(count * (SECOND / parts)).astype(np.int64))
    return pa.array(count * (SECOND // parts) if parts <= SECOND else count // 1_000)


def _iso(values: pa.Array, numeric: pa.Array) -> pa.Array:
    """ISO 8601 text, exact; ``numeric`` says which values are numbers instead."""
    found = pc.extract_regex(values, ISO)
    known = pc.or_(found.is_valid(), numeric)
    require(known, values, f"is no time that can be read: {CURE}")
    require(found.is_valid(), values, "is a number among dates: write one of the two")
    part = {name: pc.struct_field(found, name) for name in ("day", "clock", "fraction")}
    clock = pc.if_else(pc.equal(part["clock"], ""), "00:00", part["clock"])
    moment = pc.binary_join_element_wise(part["day"], clock, " ")
    try:
        seconds = moment.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        right = pa.array([_is_moment(text) for text in moment.to_pylist()])
        require(
            right, values, "is no day of the calendar or no time of day: correct it"
        )
        raise
    digits = pc.utf8_slice_codeunits(
        pc.utf8_rpad(part["fraction"], 6, padding="0"), 0, 6
    )
    return pa.array((seconds - _offset(found)) * SECOND + _integers(digits))


def _offset(found: Any) -> np.ndarray:
    """Seconds that each time is ahead of UTC."""
    hours, minutes = (
        _integers(pc.struct_field(found, name)) for name in ("hours", "minutes")
    )
    behind = pc.equal(pc.struct_field(found, "sign"), "-").to_numpy(False)
    return (hours * 60 + minutes) * 60 * np.where(behind, -1, 1)


def _integers(text: pa.Array) -> np.ndarray:
    """Digits as int64; 0 for none."""
    return pc.if_else(pc.equal(text, ""), "0", text).cast(pa.int64()).to_numpy()


def _is_moment(text: str) -> bool:
    try:
        pa.scalar(text).cast(pa.timestamp("s"))
    except pa.ArrowInvalid:
        return False
    return True
