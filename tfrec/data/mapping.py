"""Which column of a file plays which role, and what type each has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tfrec.columns import Categorical, Column, Numeric, Text
from tfrec.data.readers import TableFile
from tfrec.data.times import UNITS, check_format
from tfrec.data.values import MISSING, NUMBER, WHOLE
from tfrec.data.values import plain as plain_type
from tfrec.errors import ConfigError, DataError, did_you_mean
from tfrec.features import check_min_label
from tfrec.names import check_name, is_plain, plain, same_but_case, why_not

HEAD_BYTES = 1 << 20
SIDES = ("user", "item", "context")
KINDS = (
    "infer",
    "string",
    "int64",
    "bag",
    "number",
    "zscore",
    "log",
    "quantile",
    "text",
)


@dataclass(frozen=True)
class Mapping:
    """Roles of the columns of a file.

    Attributes:
        user: Column of user ids.
        item: Column of item ids.
        label: Column of the label (rating, click): numbers, or ``true`` and ``false``,
            ``yes`` and ``no``, ``Y`` and ``N`` in any case for 1 and 0; None when there
            is none.
        timestamp: Column of event times: numbers since 1970, ISO 8601 text, or text of
            ``time_format``.
        columns: Further columns. A column of :mod:`tfrec.columns`, or a word
            ``side:kind`` with side ``user``, ``item`` or ``context`` (the default) and
            kind one of ``infer``, ``string``, ``int64``, ``bag`` (ids separated by
            ``|``), ``number``, ``zscore``, ``log``, ``quantile`` or ``text``. User and
            item may stand here too, to say more of them (``dim``, ``hash_bins``,
            ``oov``, ``dtype``).
        rename: Names that columns of the file take, by those they have there. All else
            here, and every message, calls them by the new ones. Names with spaces or
            accents, and a few others, cannot be inputs of a served model and have to be
            renamed; see :mod:`tfrec.names`.
        names: Names of the columns of a CSV or TSV file without header line.
        separator: Between the ids of a bag; :mod:`tfrec.data.separators` says which
            others among them are refused.
        time_unit: Unit of numeric event times: ``s``, ``ms``, ``us`` or ``ns``.
        time_format: How event times are written when they are neither numbers nor ISO
            8601, in the directives of ``strptime``: ``%d.%m.%Y %H:%M``. They are UTC.
        keep_na: Whether ``NA``, ``N/A``, ``NULL``, ``None`` and ``nan`` are ids like
            others. Otherwise they are missing, as empty ones always are.
        drop_missing: Whether rows without user, item, label or time are left out, where
            those are named; without it such a row is refused.
        missing: Id that takes the place of a missing one in columns declared
            Categorical of single strings; None leaves it as padding, which has no
            embedding. Who asks the model passes the same id.
        min_label: Labels from here on are positive, None for those above 0; see
            :class:`~tfrec.features.FeatureSpec`.
    """

    user: str
    item: str
    label: str | None = None
    timestamp: str | None = None
    columns: Dict[str, Column | str] = field(default_factory=dict)
    names: tuple[str, ...] | None = None
    separator: str = "|"
    time_unit: str = "s"
    time_format: str | None = None
    keep_na: bool = False
    drop_missing: bool = False
    missing: str | None = None
    min_label: float | None = None
    rename: Dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.time_unit not in UNITS:
            raise ConfigError(
                f"time unit '{self.time_unit}' is unknown; "
                f"{did_you_mean(self.time_unit, UNITS)}"
            )
        if self.time_format is not None:
            check_format(self.time_format)
        check_min_label(self.min_label, self.label)
        roles = [self.user, self.item, self.label, self.timestamp]
        given = [name for name in roles if name is not None]
        if len(set(given)) != len(given):
            raise ConfigError(
                f"one column plays two roles in {', '.join(given)}: user, item, label "
                "and timestamp must differ."
            )

    def check_names(self, path: Path) -> None:
        """Refuses columns whose name no input of a served model can have.

        The label may have any, for no model is asked with it.

        Raises:
            DataError: Names the column and what to call it.
        """
        for name in self.wanted():
            column, new = self.columns.get(name), plain(name)
            if isinstance(column, Column):
                check_name(column.name)
            elif name != self.label and not is_plain(name):
                raise DataError(
                    f"{path}, {why_not(name)}: rename it, with "
                    f"rename={{'{name}': '{new}'}} (--rename '{name}={new}')."
                )
        same = same_but_case(
            name
            for name in self.wanted()
            if name != self.label and not isinstance(self.columns.get(name), Column)
        )
        if same is not None:
            name, new = same[1], f"{same[1]}_column"
            raise DataError(
                f"{path}, columns '{same[0]}' and '{name}' differ in case alone, and "
                "inputs of a served model must not: rename one, with "
                f"rename={{'{name}': '{new}'}} (--rename '{name}={new}')."
            )

    @property
    def roles(self) -> dict[str, str]:
        """What user, item, label and time are called in messages, by column."""
        what = ("id", "id", "label", "event time")
        names = (self.user, self.item, self.label, self.timestamp)
        return {n: w for n, w in zip(names, what, strict=True) if n is not None}

    def wanted(self) -> list[str]:
        """Columns to read from the file."""
        return [*self.roles, *(n for n in self.columns if n not in self.roles)]


@dataclass(frozen=True)
class Declared:
    """A column before anything was learned of it.

    Attributes:
        source: Name in the file.
        column: Name, side and kind; vocabulary and statistics are empty.
        infer: Whether the data decide between string and int64 ids.
    """

    source: str
    column: Column
    infer: bool = False


def resolve(mapping: Mapping, file: TableFile) -> tuple[Declared, ...]:
    """Turns a mapping into declared columns, user and item first.

    Raises:
        ValueError: A column is missing from the file, or a word names no side or kind.
    """
    from tfrec.data.readers.base import check_columns

    check_columns(file.path, file.names(), mapping.wanted())
    mapping.check_names(file.path)
    head = None
    declared = []
    for role, name in (("user", mapping.user), ("item", mapping.item)):
        what = mapping.columns.get(name, f"{role}:infer")
        if isinstance(what, Column):
            if not isinstance(what, Categorical):
                raise ConfigError(
                    f"the {role} column '{name}' is declared {what.kind}: ids are "
                    "Categorical."
                )
            declared.append(Declared(name, dataclasses.replace(what, side=role)))  # type: ignore[arg-type]
            continue
        kind = what.rpartition(":")[2]
        if kind not in ("infer", "string", "int64"):
            raise ConfigError(
                f"the {role} column '{name}' is declared '{what}': ids are string, "
                "int64 or infer."
            )
        dtype = "int64" if kind == "int64" else "string"
        column = Categorical(name, role, dtype)  # type: ignore[arg-type]
        declared.append(Declared(name, column, kind == "infer"))
    for name, what in mapping.columns.items():
        if name in (mapping.user, mapping.item):
            continue
        if isinstance(what, str):
            if what.rpartition(":")[2] == "infer" and head is None:
                head = next(file.batches(mapping.wanted(), HEAD_BYTES))
            declared.append(_by_word(name, what, head))
        else:
            declared.append(Declared(name, what))
    return tuple(declared)


def _by_word(name: str, word: str, head: pa.RecordBatch | None) -> Declared:
    side, _, kind = word.rpartition(":")
    side = side or "context"
    if side not in SIDES or kind not in KINDS:
        wrong, known = (side, SIDES) if side not in SIDES else (kind, KINDS)
        raise ConfigError(
            f"column '{name}' is declared '{word}' and '{wrong}' is unknown; "
            f"{did_you_mean(wrong, known)}"
        )
    if kind == "infer":
        kind = _inferred(plain_type(head[name]))  # type: ignore[index]
        infer = kind == "string"
    else:
        infer = False
    declared: Any
    if kind in ("string", "int64"):
        declared = Categorical(name, side, kind)  # type: ignore[arg-type]
    elif kind == "bag":
        # The bag's length is learned too: 1 only says that there are several ids.
        declared, infer = Categorical(name, side, max_len=1), True  # type: ignore[arg-type]
    elif kind == "text":
        declared = Text(name, side)  # type: ignore[arg-type]
    else:
        how = None if kind == "number" else kind
        declared = Numeric(name, side, normalisation=how)  # type: ignore[arg-type]
    return Declared(name, declared, infer)


def _inferred(values: pa.Array) -> str:
    """Kind of a column by its first values: bag, ids, or numbers."""
    kind = values.type
    if pa.types.is_list(kind):
        return "bag"
    if pa.types.is_floating(kind) or (pa.types.is_decimal(kind) and kind.scale):
        return "zscore"
    if not pa.types.is_string(kind):
        return "string"
    present = values.filter(pc.invert(pc.is_in(values, pa.array(MISSING))))
    if not len(present) or pc.all(pc.match_substring_regex(present, WHOLE)).as_py():
        return "string"
    numbers = pc.all(pc.match_substring_regex(present, NUMBER)).as_py()
    return "zscore" if numbers else "string"
