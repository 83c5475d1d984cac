"""Columns declared once.

From one :class:`FeatureSpec` come the ``tf.Example`` parser, the padded batches, the
embedding tables of a model, the serving signatures and the synthetic data of the tests.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tfrec.attributes import checked
from tfrec.columns import (
    KINDS,
    PADDING,
    Audio,
    Categorical,
    Column,
    Image,
    Numeric,
    Sequence,
    Side,
    Text,
)
from tfrec.crosses import Cross
from tfrec.errors import ConfigError, did_you_mean
from tfrec.names import check_name, same_but_case

__all__ = [
    "PADDING",
    "Audio",
    "Categorical",
    "Column",
    "Cross",
    "FeatureSpec",
    "Image",
    "Numeric",
    "Sequence",
    "Side",
    "Text",
]


def check_min_label(min_label: float | None, label: str | None) -> None:
    """Refuses a rule that no label can follow.

    Raises:
        ConfigError: There is no label, or the lowest label is no finite number.
    """
    if min_label is None:
        return
    if label is None:
        raise ConfigError(
            f"min_label={min_label:g} says which labels are positive, and there is no "
            "label: name its column, or leave min_label out."
        )
    if not math.isfinite(min_label):
        raise ConfigError(f"min_label={min_label:g} must be a finite number.")


@dataclass(frozen=True)
class FeatureSpec:
    """The columns of a data set and the roles that four of them play.

    Attributes:
        columns: All feature columns; user and item ids among them.
        user: Name of the user id column.
        item: Name of the item id column.
        label: Name of the label (a rating, a click), float32; None when every row is a
            positive event.
        min_label: Labels from here on are those of positive events, which are what
            models without a target of their own learn, what histories hold and what is
            relevant in a ranking. None: labels above 0, so that of 0 and 1, and of -1
            and 1, the first is none.
        timestamp: Name of the event time; None when unknown. It is int64 microseconds
            since 1970 in data and records, seconds in what a model is given.
        crosses: Combinations of columns, for linear models.
    """

    columns: tuple[Column, ...]
    user: str = "user_id"
    item: str = "item_id"
    label: str | None = None
    timestamp: str | None = None
    crosses: tuple[Cross, ...] = ()
    min_label: float | None = None

    def __post_init__(self) -> None:
        check_min_label(self.min_label, self.label)
        names = [c.name for c in self.columns]
        inputs = (*names, *([self.timestamp] if self.timestamp else []))
        for name in inputs:
            check_name(name)
        if same := same_but_case(inputs):
            raise ConfigError(
                f"columns '{same[0]}' and '{same[1]}' differ in case alone, and inputs "
                "of a served model must not: give one of them another name."
            )
        if len(set(names)) != len(names):
            raise ConfigError(
                f"a column is declared twice: {', '.join(sorted(names))}."
            )
        for role, name in (("user", self.user), ("item", self.item)):
            if not isinstance(self._named.get(name), Categorical):
                raise ConfigError(
                    f"the {role} column '{name}' must be declared as Categorical; "
                    f"{did_you_mean(name, names)}"
                )
        for column in self.columns:
            if isinstance(column, Sequence) and not isinstance(
                self._named.get(column.of), Categorical
            ):
                raise ConfigError(
                    f"sequence '{column.name}' is of '{column.of}', which is no "
                    f"Categorical column; {did_you_mean(column.of, names)}"
                )

        for cross in self.crosses:
            for name in cross.of:
                if self[name].kind in ("numeric", "image", "audio"):
                    raise ConfigError(
                        f"column '{name}' is {self[name].kind} and has no ids to cross:"
                        " cross columns of ids."
                    )

    @cached_property
    def _named(self) -> dict[str, Column]:
        return {c.name: c for c in self.columns}

    def __getitem__(self, name: str) -> Column:
        if name not in self._named:
            raise KeyError(
                f"no column '{name}' in the spec; {did_you_mean(name, self._named)}"
            )
        return self._named[name]

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def table(self, name: str) -> Categorical | Text:
        """The column that owns the embedding table of column ``name``."""
        column = self[name]
        if isinstance(column, Sequence):
            column = self[column.of]
        if not isinstance(column, Categorical | Text):
            raise KeyError(f"column '{name}' is {column.kind} and has no table.")
        return column

    @property
    def user_column(self) -> Categorical:
        """The user id column."""
        return self[self.user]  # type: ignore[return-value]

    @property
    def item_column(self) -> Categorical:
        """The item id column."""
        return self[self.item]  # type: ignore[return-value]

    def positive(self, labels: Any) -> Any:
        """Which labels are those of positive events: the one rule for all that asks.

        Args:
            labels: Numbers, an array or a tensor of any shape.

        Returns:
            Bool of the same shape; NaN is none.
        """
        return labels > 0 if self.min_label is None else labels >= self.min_label

    @property
    def rule(self) -> str | None:
        """The rule of :meth:`positive` in words; None without a label."""
        if self.label is None:
            return None
        above = "> 0" if self.min_label is None else f">= {self.min_label:g}"
        return f"{self.label} {above}"

    @property
    def history(self) -> Sequence | None:
        """The first sequence of item ids, or None."""
        for column in self.columns:
            if isinstance(column, Sequence) and column.of == self.item:
                return column
        return None

    def on(self, side: Side) -> tuple[Column, ...]:
        """Columns of one side, in declaration order."""
        return tuple(c for c in self.columns if c.side == side)

    def select(self, *names: str) -> FeatureSpec:
        """The spec with only these columns; ids and what sequences are of stay."""
        chosen = [self[name] for name in names]
        owners = {c.of for c in chosen if isinstance(c, Sequence)}
        keep = {*names, *owners, self.user, self.item}
        columns = tuple(c for c in self.columns if c.name in keep)
        crosses = tuple(c for c in self.crosses if keep.issuperset(c.of))
        return dataclasses.replace(self, columns=columns, crosses=crosses)

    def replace(self, column: Column) -> FeatureSpec:
        """The spec with ``column`` in the place of its namesake, or appended."""
        if column.name in self:
            columns = tuple(
                column if c.name == column.name else c for c in self.columns
            )
        else:
            columns = (*self.columns, column)
        return dataclasses.replace(self, columns=columns)

    # Serialisation

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; :meth:`from_dict` is its inverse."""
        columns = [{"kind": c.kind, **dataclasses.asdict(c)} for c in self.columns]
        return {**dataclasses.asdict(self), "columns": columns}

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> FeatureSpec:
        """Rebuilds a spec.

        Raises:
            ConfigError: An unknown or missing part, or a value of another type.
        """
        if not isinstance(config, dict):
            raise ConfigError(f"a spec is an object, not {type(config).__name__}.")
        parts = {name: config.get(name, ()) for name in ("columns", "crosses")}
        for name, part in parts.items():
            if not isinstance(part, list | tuple):
                raise ConfigError(f"{name} of a spec are a list, not {part!r:.60}.")
        crosses = (Cross(**checked(Cross, c, "a cross")) for c in parts["crosses"])
        whole = {
            **config,
            "columns": tuple(map(_column, parts["columns"])),
            "crosses": tuple(crosses),
        }
        return cls(**checked(cls, whole, "a spec"))

    def to_json(self) -> str:
        """The spec as a JSON document."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> FeatureSpec:
        """Inverse of :meth:`to_json`.

        Raises:
            ConfigError: As of :meth:`from_dict`, or it is not JSON.
        """
        try:
            config = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"a spec is a JSON document ({error}).") from error
        return cls.from_dict(config)

    # What TensorFlow needs

    def raw_dtype(self, name: str) -> str:
        """``string``, ``int64`` or ``float32``: what a raw value of a column is."""
        column = self[name]
        if isinstance(column, Sequence):
            return self.table(name).dtype  # type: ignore[union-attr]
        if isinstance(column, Categorical):
            return column.dtype
        return "float32" if isinstance(column, Numeric) else "string"

    def length(self, name: str) -> int | None:
        """Padded length of a multi-valued or sequence column at the raw door."""
        column = self[name]
        return column.max_len if isinstance(column, Categorical | Sequence) else None

    def tensor_specs(self, names: tuple[str, ...] | list[str]) -> dict[str, Any]:
        """Raw inputs of a serving signature: ``{name: tf.TensorSpec}``.

        Single values are ``(batch,)``, bags and sequences ``(batch, any length)``.
        """
        import tensorflow as tf

        specs = {}
        for name in names:
            column = self[name]
            shape: tuple = (None,)
            if isinstance(column, Numeric):
                shape += column.shape
            elif self.length(name):
                shape += (None,)
            specs[name] = tf.TensorSpec(shape, self.raw_dtype(name), name=name)
        return specs

    def parse_spec(self, names: tuple[str, ...] | None = None) -> dict[str, Any]:
        """Feature spec of ``tf.io.parse_example``; bags and sequences are ragged.

        Args:
            names: Columns to parse; all columns, label and timestamp when None.
        """
        import tensorflow as tf

        parse: dict[str, Any] = {}
        for name in names if names is not None else [c.name for c in self.columns]:
            column = self[name]
            dtype = tf.as_dtype(self.raw_dtype(name))
            if self.length(name):
                parse[name] = tf.io.RaggedFeature(dtype)
            else:
                shape = column.shape if isinstance(column, Numeric) else ()
                parse[name] = tf.io.FixedLenFeature(shape, dtype)
        if names is None:
            if self.label:
                parse[self.label] = tf.io.FixedLenFeature((), tf.float32)
            if self.timestamp:
                parse[self.timestamp] = tf.io.FixedLenFeature((), tf.int64)
        return parse

    def encode(self, name: str, values: Any) -> np.ndarray:
        """Raw values of a column as the model's numbers, vectorised.

        Args:
            name: Column name.
            values: ``(n,)`` or ``(n, length)`` raw values.

        Returns:
            int32 indices ``(n,)`` or ``(n, max_len)``; float32 for numeric columns;
            pixels and samples of images and recordings.
        """
        import tensorflow as tf

        from tfrec.layers.inputs import lookup
        from tfrec.layers.media import decode

        column = self[name]
        if isinstance(column, Numeric):
            return np.asarray(values, np.float32)
        with tf.device("CPU"):
            raw = tf.convert_to_tensor(values, self.raw_dtype(name))
            if isinstance(column, Image | Audio):
                return decode(column, raw).numpy()
            return lookup(self, name)(raw).numpy()

    def decode(self, name: str, indices: np.ndarray) -> np.ndarray:
        """Raw ids of indices; padding where the index is padding or unknown."""
        column = self.table(name)
        if not isinstance(column, Categorical):
            raise KeyError(f"column '{name}' is text: its tokens are not ids.")
        return column.raw[np.asarray(indices)]

    def synthetic(self, n: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Random raw features of the declared types, label and timestamp included.

        Args:
            n: Number of rows.
            seed: Seed of the draw.
        """
        from tfrec.data.synthetic import synthetic

        return synthetic(self, n, seed)


def _column(values: Any) -> Column:
    """A column from its attributes and its kind.

    Raises:
        ConfigError: Unknown kind or attribute, or a value of another type.
    """
    values = dict(values) if isinstance(values, dict) else {}
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(
            f"column kind '{kind}' is unknown; {did_you_mean(str(kind), KINDS)}"
        )
    name = f"{kind} column '{values.get('name')}'"
    found = checked(KINDS[kind], values, name)
    dtype = found.get("dtype", "string")
    for entry in found.get("vocabulary", ()):
        right = type(entry) is (str if dtype == "string" else int)
        if not right or (dtype == "int64" and not -(2**63) <= entry < 2**63):
            raise ConfigError(
                f"{name}: the vocabulary holds {entry!r:.60}, which is no {dtype}: "
                "correct it."
            )
    return KINDS[kind](**found)
