"""Event times of files as microseconds since 1970; pure functions over one block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.data.timeline import SECOND
from tfrec.data.values import (
    MISSING,
    NUMBER,
    WHOLE,
    is_text,
    numbers,
    plain,
    require,
    require_present,
    whole,
)

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
YEAR_3000 = 32_503_680_000 * SECOND
ISO = (
    r"(?i)^(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<clock>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d+))?"
    r" ?(?:Z|UTC|GMT|(?P<sign>[-+])(?P<hours>\d\d):?(?P<minutes>\d\d)?)?)?$"
)
CURE = "write times as ISO 8601, or as numbers since 1970"


def times(values: pa.Array, unit: str) -> pa.Array:
    """``(n,)`` int64 microseconds since 1970, finer times rounded down.

    Text is either numbers or ISO 8601 throughout a block: a day, or a day and a time
    with ``T`` or a space between, with any fraction of a second, and with ``Z``,
    ``UTC`` or an offset such as ``+02:00``. A time without a zone is UTC. Numbers
    with a fraction are rounded to the nearest microsecond, so that ``1396867869.277``
    is what it says (until the year 2100, when double precision ends).

    Args:
        values: Arrow times, text, or numbers since 1970.
        unit: Unit of numbers: ``s``, ``ms``, ``us`` or ``ns``.

    Raises:
        BadValue: Missing, no time, or after the year 3000.
    """
    values = plain(values)
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


def _temporal(values: pa.Array) -> pa.Array:
    """Arrow times and dates."""
    kind = values.type
    dated = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    require(pa.array([dated] * min(len(values), 1)), values, f"is {kind}, not a time")
    require_present(values, "event time")
    if pa.types.is_date(kind):
        values = values.cast(pa.timestamp("s"))
    return _in_microseconds(values.cast(pa.int64()), values.type.unit, values)


def _since_1970(values: pa.Array, unit: str) -> pa.Array:
    """Numbers; whole ones never go through floating point."""
    if pa.types.is_integer(values.type) or (
        is_text(values.type) and pc.all(pc.match_substring_regex(values, WHOLE)).as_py()
    ):
        return _in_microseconds(whole(values), unit, values)
    floats = numbers(values)
    require_present(floats, "event time")
    return _in_microseconds(floats, unit, values)


def _in_microseconds(since: pa.Array, unit: str, given: pa.Array) -> pa.Array:
    """Numbers of a unit as microseconds, where the result is no later than 3000."""
    require_present(since, "event time")
    parts, count = UNITS[unit], since.to_numpy()
    limit = YEAR_3000 // SECOND * parts
    require(
        pa.array((count < limit) & (count > -limit)),
        given,
        f"lies after the year 3000, or as far before 1970, in {unit} since 1970: pass "
        "the unit it counts, such as time_unit='ms'",
    )
    if count.dtype.kind == "f":
        return pa.array(np.rint(count * (SECOND / parts)).astype(np.int64))
    return pa.array(count * (SECOND // parts) if parts <= SECOND else count // 1_000)


def _iso(values: pa.Array, numeric: pa.Array) -> pa.Array:
    """ISO 8601 text, exact; ``numeric`` says which values are numbers instead."""
    found = pc.extract_regex(values, ISO)
    known = pc.or_(found.is_valid(), numeric)
    require(known, values, f"is no time that can be read: {CURE}")
    require(
        found.is_valid(), values, f"is a number among dates: {CURE}, one of the two"
    )
    part = {name: pc.struct_field(found, name) for name in ("day", "clock", "fraction")}
    clock = pc.if_else(pc.equal(part["clock"], ""), "00:00", part["clock"])
    moment = pc.binary_join_element_wise(part["day"], clock, " ")
    try:
        seconds = moment.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        right = pa.array([_is_moment(text) for text in moment.to_pylist()])
        require(right, values, "is no day of the calendar or no time of day")
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
