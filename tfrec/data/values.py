"""Arrow columns as ids and numbers; pure functions over one block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.columns import PADDING

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
WHOLE = r"^\s*[-+]?\d+\s*$"
NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
FLOATED = r"^(0|-?[1-9][0-9]*)\.0+$"
LONGEST_ID = 1 << 20
OUTSIDE = "is a whole number outside of 64 bits: correct it; such ids can be strings"
NOT_WHOLE = "is no whole number: correct it, or declare the column string"
CONVERT = "convert the column, or name another"
SEPARATORS = "|,;"
WORDS = {"true": "1", "false": "0", "yes": "1", "no": "0", "y": "1", "n": "0"}
EXACT = {"halffloat": 2**11, "float": 2**24, "double": 2**53}


class BadValue(Exception):
    """A value that does not fit its column.

    Attributes:
        row: Its row in the block, 0-based.
        problem: What is wrong with it, as the end of a sentence.
    """

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row, self.problem = row, problem


def require(right: Any, values: pa.Array, problem: str) -> None:
    """Refuses the first value that is not right.

    Args:
        right: ``(n,)`` bool.
        values: ``(n,)`` values, of which the first wrong one is named.
        problem: End of the sentence that begins with the value.

    Raises:
        BadValue: Some value is not right.
    """
    wrong = pc.index(right, pa.scalar(False)).as_py()
    if wrong >= 0:
        raise BadValue(wrong, f"'{values[wrong].as_py()}' {problem}")


def missing(values: pa.Array, keep_na: bool = False) -> pa.Array:
    """``(n,)`` bool: where there is null, NaN, no text, or ``NA`` and the like.

    Args:
        values: Of any type.
        keep_na: Whether ``NA``, ``NULL`` and the like are text as any other.
    """
    values = plain(values)
    if not is_text(values.type):
        return pc.is_null(values, nan_is_null=True)
    words = pa.array(("",) if keep_na else MISSING)
    there = pc.is_in(pc.utf8_trim_whitespace(values), words)
    return pc.or_(there, values.is_null())


def require_present(values: pa.Array, what: str) -> None:
    """Refuses a missing value.

    Raises:
        BadValue: Some value is missing.
    """
    wrong = pc.index(values.is_valid(), pa.scalar(False)).as_py()
    if wrong >= 0:
        raise BadValue(wrong, f"the {what} is missing: fill it in or drop the row")


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type is that of text."""
    return pa.types.is_string(kind)


def _is_lists(kind: pa.DataType) -> bool:
    """Whether a type of :func:`plain` is that of lists, and not of maps or structs."""
    return pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)


def plain(values: pa.Array) -> pa.Array:
    """The same values in the one Arrow type for text and the one for lists.

    Other writers of Parquet use dictionaries, 64-bit offsets and views.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return values.cast(pa.list_(kind.value_type))
    return values


def whole(values: pa.Array) -> pa.Array:
    """``(n,)`` int64 of whole numbers of any Arrow type or of their text; exact.

    Args:
        values: Integers, decimals, text, or floats, of which those are refused that
            stand for several whole numbers. Text may be missing.

    Raises:
        BadValue: No whole number, one outside of 64 bits, or a float that is too large
            to be exact.
    """
    kind = values.type
    if pa.types.is_boolean(kind):
        return values.cast(pa.int64())
    if pa.types.is_decimal(kind):
        values = values.cast(pa.string())
    if pa.types.is_floating(kind):
        return _whole_floats(values)
    if is_text(values.type):
        values = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.is_in(values, pa.array(MISSING)), None, values)
        numeric = pc.match_substring_regex(values, r"^[-+]?\d+(\.0*)?$")
        require(numeric.fill_null(True), values, NOT_WHOLE)
        values = pc.replace_substring_regex(values, r"^\+|\.0*$", "")
    elif not pa.types.is_integer(kind):
        raise BadValue(0, f"it holds {kind}, not whole numbers: {CONVERT}")
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        fits = [v is None or -(2**63) <= int(v) < 2**63 for v in values.to_pylist()]
        require(pa.array(fits), values, OUTSIDE)
        raise


def _whole_floats(values: pa.Array) -> pa.Array:
    """int64 of floats below the size at which they leave whole numbers out."""
    limit, number = EXACT[str(values.type)], numbers(values)
    exact = pc.less(pc.abs(number), limit).fill_null(True)
    require(
        exact,
        number,
        f"is beyond the whole numbers that type {values.type} tells apart: store them "
        "as integers or text",
    )
    even = pc.equal(number, pc.floor(number)).fill_null(True)
    require(even, number, NOT_WHOLE)
    return number.cast(pa.int64())


def strings(values: pa.Array) -> pa.Array:
    """``(n,)`` text of values of one type; null where they are missing.

    Raises:
        BadValue: Values that have no text, such as lists.
    """
    try:
        return values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise BadValue(0, f"it holds {values.type}, not text: {CONVERT}") from None


def numbers(values: pa.Array, finite: bool = True) -> pa.Array:
    """``(n,)`` float64 of numbers or text; null where the value is missing.

    Args:
        values: Numbers or text.
        finite: Whether to refuse infinity, and what is infinite in single precision, in
            which models compute.

    Raises:
        BadValue: Text that is no number, or infinity.
    """
    values = plain(values)
    if is_text(values.type):
        text = pc.utf8_trim_whitespace(values)
        missing = pc.is_in(text, pa.array(MISSING))
        text = pc.if_else(missing, None, text)
        try:
            result = text.cast(pa.float64())
        except pa.ArrowInvalid:
            numeric = pa.array([_is_number(v) for v in text.to_pylist()])
            require(numeric, values, "is text, not a number: correct it")
            raise
    else:
        try:
            result = values.cast(pa.float64(), safe=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise BadValue(
                0, f"it holds {values.type}, not numbers: {CONVERT}"
            ) from None
    result = pc.if_else(pc.is_nan(result), None, result)
    if finite:
        require(
            pc.is_finite(result).fill_null(True), result, "is not finite: correct it"
        )
        single = pc.is_finite(result.cast(pa.float32(), safe=False)).fill_null(True)
        problem = "is too large for single precision: correct it, or scale the column"
        require(single, result, problem)
    return result


def labels(values: pa.Array) -> pa.Array:
    """``(n,)`` float64 of numbers, and of words for yes and no in any case, 1 and 0.

    Raises:
        BadValue: Other text, or infinity.
    """
    values = plain(values)
    if is_text(values.type):
        words = pc.utf8_lower(pc.utf8_trim_whitespace(values))
        place = pc.index_in(words, pa.array(list(WORDS)))
        values = pc.coalesce(pa.array(list(WORDS.values())).take(place), values)
    return numbers(values)


def _is_number(text: str | None) -> bool:
    try:  # as Arrow reads it, which knows no 1_000
        pa.scalar(text or "0").cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def vectors(values: pa.Array, size: int, finite: bool = True) -> pa.Array:
    """Lists of ``size`` numbers as ``(n, size)`` float64.

    Raises:
        BadValue: A list of another length, or no list.
    """
    if not _is_lists(values.type):
        raise BadValue(
            0, f"it holds {values.type}, not lists of {size} numbers: {CONVERT}"
        )
    lengths = pc.list_value_length(values).fill_null(0)
    problem = f"is its length, not {size}: correct it, or the shape of the column"
    require(pc.equal(lengths, size), lengths, problem)
    flat = numbers(pc.list_flatten(values), finite).fill_null(math.nan)
    return pa.FixedSizeListArray.from_arrays(flat, size)


def ids(values: pa.Array, dtype: str, infer: bool, keep_na: bool = False) -> pa.Array:
    """``(n,)`` ids: int64 if asked for, or if they are integers and may stay so.

    Whole numbers never go through floating point.

    Args:
        values: Text, integers, decimals or whole floats.
        dtype: ``string`` or ``int64``.
        infer: Whether integers of the file stay integers under ``string``; those of
            types with more than 63 bits become text, and integers again when all of
            them are short. ``51.0`` is then what another tool made of the id 51.
        keep_na: Whether ``NA``, ``NULL`` and the like are ids, and not missing.

    Returns:
        string or int64; padding where the value is missing.

    Raises:
        BadValue: An id that is to be an integer and is none or is not told apart from
            others, or one of over a megabyte.
    """
    values = plain(values)
    kind = values.type
    if is_text(kind):
        _require_short(values)
        values = pc.if_else(missing(values, keep_na), None, values)
        if infer:
            values = pc.replace_substring_regex(values, FLOATED, r"\1")
    if dtype == "int64":
        return whole(values).fill_null(PADDING["int64"])
    if pa.types.is_floating(kind):
        values = whole(values)
    if infer and pa.types.is_integer(values.type) and kind != pa.uint64():
        return values.cast(pa.int64()).fill_null(PADDING["int64"])
    return strings(values).fill_null("")


def _require_short(values: pa.Array) -> None:
    lengths = pc.binary_length(values).fill_null(0)
    if (pc.max(lengths).as_py() or 0) > LONGEST_ID:
        row = pc.index(pc.greater(lengths, LONGEST_ID), pa.scalar(True)).as_py()
        raise BadValue(
            row,
            f"an id is {lengths[row].as_py():,} bytes long, more than "
            f"{LONGEST_ID:,}: mend the line, a quote may be open",
        )


def foreign(values: pa.Array, separator: str) -> tuple[np.ndarray, list[str]]:
    """Ids of lists that hold a separator other than the one they were cut at.

    Args:
        values: ``(n,)`` lists of strings.
        separator: What they were cut at.

    Returns:
        ``(m,)`` rows, and the ``m`` ids.
    """
    flat = pc.list_flatten(values)
    others = "".join(c for c in SEPARATORS if c != separator)
    found = pc.match_substring_regex(flat, f"[{others}]")
    if not pc.any(found).as_py():
        return np.empty(0, np.int64), []
    rows = pc.list_parent_indices(values).filter(found).to_numpy()
    return rows, flat.filter(found).to_pylist()


def require_ids(values: pa.Array) -> None:
    """Refuses ids that stand for padding.

    Raises:
        BadValue: An empty or missing id, or -1 among integers.
    """
    text = is_text(values.type)
    empty = pa.scalar(PADDING["string" if text else "int64"], values.type)
    wrong = pc.index(values, empty).as_py()
    if wrong >= 0:
        raise BadValue(
            wrong, "an id is missing ('' and -1 stand for padding): fill it in"
        )


def mixed_separators(value: str, separator: str) -> str:
    """What is wrong with an id that holds another separator."""
    other = next(c for c in value if c in SEPARATORS and c != separator)
    return (
        f"'{value[:60]}' is separated by '{other}' where the column has '{separator}' "
        "between values: use one separator throughout"
    )


def bag(
    values: pa.Array, separator: str, dtype: str, infer: bool, keep_na: bool = False
) -> pa.Array:
    """``(n, any)`` lists of ids; text is cut at the separator, missing text is no id.

    Raises:
        BadValue: Neither lists nor text, or an id of the wrong type.
    """
    values = plain(values)
    if is_text(values.type):
        values = pc.if_else(missing(values, keep_na), None, values)
        values = pc.split_pattern(values, separator)
    elif not _is_lists(values.type):
        raise BadValue(
            0,
            f"it holds {values.type} and is declared with several values: it needs "
            f"lists, or text with '{separator}' between the values",
        )
    if dtype == "int64" and is_text(values.type.value_type):
        rows, mixed = foreign(values, separator)
        if mixed:
            raise BadValue(int(rows[0]), mixed_separators(mixed[0], separator))
    lengths = pc.list_value_length(values).fill_null(0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    try:
        flat = ids(pc.list_flatten(values), dtype, infer, keep_na=True)
    except BadValue as error:
        row = int(np.searchsorted(offsets, error.row, side="right")) - 1
        raise BadValue(row, error.problem) from None
    return pa.ListArray.from_arrays(offsets.astype(np.int32), flat)
