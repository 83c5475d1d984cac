"""Plain readers of rows, value by value, that tfrec's are held against.

They read what tfrec has read. Where a value is none to them, tfrec had to refuse it.
"""

from __future__ import annotations

import csv
import datetime
import io
import math
import re
from decimal import Decimal
from typing import Any

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
YES_AND_NO = {"true": 1.0, "yes": 1.0, "y": 1.0, "false": 0.0, "no": 0.0, "n": 0.0}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def delimited(content: bytes, delimiter: str) -> list[dict[str, str]]:
    """Rows of a CSV or TSV file by the names of its header."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    header, *rows = (row for row in csv.reader(text, delimiter=delimiter) if row)
    return [dict(zip(header, row, strict=True)) for row in rows]


def libsvm(content: bytes) -> list[tuple[float, list[tuple[Decimal, float]]]]:
    """Labels and entries of the lines of a libSVM file."""
    rows = []
    for line in content.split(b"\n"):
        words = line.partition(b"#")[0].decode("ascii").split()
        if words:
            pairs = [word.split(":") for word in words[1:]]
            entries = [(Decimal(index), number(value)) for index, value in pairs]
            rows.append((number(words[0]), entries))
    return rows


def number(value: Any) -> float:
    """A finite number; NaN where it is missing."""
    if isinstance(value, str):
        value = value.strip()
        if value in MISSING:
            return math.nan
        if not NUMBER.fullmatch(value):
            raise AssertionError(f"{value!r} is no number")
    found = float(value)
    assert abs(found) < 2.0**128 or math.isnan(found), f"{value!r} is infinite"
    return found


def label(value: Any) -> float:
    """A number, or a word for 1 or 0."""
    if isinstance(value, str) and value.strip().lower() in YES_AND_NO:
        return YES_AND_NO[value.strip().lower()]
    found = number(value)
    assert not math.isnan(found), "the label is missing"
    return found


def microseconds(value: Any) -> Decimal:
    """Microseconds since 1970, with their fraction, of seconds or of a date."""
    if isinstance(value, str):
        value = value.strip()
        if NUMBER.fullmatch(value):
            return Decimal(value) * 1_000_000
        day, fraction = re.subn(r"[.,](\d+)", "", value)
        digits = re.search(r"[.,](\d+)", value)
        more = Decimal(f"0.{digits[1]}") if fraction else Decimal(0)  # type: ignore[index]
        day = re.sub(r" ?(Z|UTC|GMT)$", "+00:00", day, flags=re.IGNORECASE)
        day = re.sub(r" ?([-+]\d\d)(\d\d)?$", _zone, day) if len(day) > 10 else day
        value = datetime.datetime.fromisoformat(day)
        return microseconds(value) + more * 1_000_000
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.timezone.utc)
        past = value - EPOCH
        whole = (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds
        return Decimal(whole)
    if isinstance(value, datetime.date):
        return Decimal((value - EPOCH.date()).days * 86_400_000_000)
    return Decimal(value) * 1_000_000


def _zone(match: re.Match[str]) -> str:
    return f"{match[1]}:{match[2] or '00'}"


def text_id(value: str) -> str:
    """An id as it is told apart: 51 where another tool made 51.0 of it."""
    assert value.strip() not in MISSING, "the id is missing"
    return re.sub(r"^(0|-?[1-9][0-9]*)\.0+$", r"\1", value, flags=re.ASCII)
