"""A spec learned from a stream: vocabularies, statistics, lengths."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as Dict
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.columns import Categorical, Column, Numeric, Text
from tfrec.data.convert import Arrays
from tfrec.data.mapping import Declared, Mapping
from tfrec.data.readers import TableFile
from tfrec.data.statistics import Statistics
from tfrec.data.timeline import SECOND
from tfrec.data.vocabulary import Counter
from tfrec.errors import ConfigError, TfrecError, did_you_mean
from tfrec.features import FeatureSpec

MinCount: TypeAlias = int | Dict[str, int]


class Fit:
    """Learns what declared columns leave open.

    Vocabularies hold the ids of everything that is added, in ascending order. Memory is
    that of the distinct values.

    Args:
        mapping: Roles of the columns.
        declared: The columns.
        min_count: Ids and words that occur less often are out of vocabulary; by column
            of the file, with 1 for the others, or one number for all.
        max_size: Largest vocabulary; the most frequent stay.
        seed: Seed of the sample behind quantiles.
    """

    def __init__(
        self,
        mapping: Mapping,
        declared: tuple[Declared, ...],
        min_count: MinCount = 1,
        max_size: int | None = None,
        seed: int = 0,
    ) -> None:
        self.mapping, self.declared = mapping, declared
        self._least, self._max_size = _least(min_count, declared), max_size
        self.rows = 0
        self.counters: dict[str, Counter] = {}
        self._statistics: dict[str, Statistics] = {}
        self._longest: dict[str, int] = {}
        for item in declared:
            column = item.column
            if isinstance(column, Numeric):
                self._statistics[column.name] = Statistics(column, seed)
            elif isinstance(column, Categorical | Text) and not (
                column.vocabulary or column.hash_bins
            ):
                self.counters[column.name] = Counter()

    def add(self, block: Arrays) -> None:
        """Takes the typed columns of a block, all of them or some."""
        if self.declared[0].column.name in block:
            self.rows += len(block[self.declared[0].column.name])
        for item in self.declared:
            column = item.column
            if column.name not in block:
                continue
            values = block[column.name]
            if column.name in self._statistics:
                flat = pc.list_flatten(values) if column.shape else values  # type: ignore[union-attr]
                numbers = flat.to_numpy(zero_copy_only=False)
                if item.source == self.mapping.timestamp:
                    numbers = numbers // SECOND  # what models are given
                self._statistics[column.name].add(numbers)
            if column.name in self.counters:
                self._count(column, values)

    def _count(self, column: Column, values: pa.Array) -> None:
        counter = self.counters[column.name]
        if isinstance(column, Text):
            texts = pc.value_counts(values)
            counter.add(*_tokens(column, texts.field("values"), texts.field("counts")))
            return
        if pa.types.is_list(values.type):
            longest = pc.max(pc.list_value_length(values)).as_py() or 0
            name = column.name
            self._longest[name] = max(self._longest.get(name, 1), longest)
            values = pc.list_flatten(values)
        empty = "" if pa.types.is_string(values.type) else -1
        counter.add(values.filter(pc.not_equal(values, empty)))

    def spec(self, *extra: Column) -> FeatureSpec:
        """The finished spec.

        Args:
            *extra: Columns to append, a history for example.

        Raises:
            ValueError: A column has no values, or none that is frequent enough.
        """
        columns = [self._finished(item) for item in self.declared]
        return FeatureSpec(
            (*columns, *extra),
            user=columns[0].name,
            item=columns[1].name,
            label=self.mapping.label,
            timestamp=self.mapping.timestamp,
            min_label=self.mapping.min_label,
        )

    def _finished(self, item: Declared) -> Column:
        column = item.column
        if column.name in self._statistics:
            return self._statistics[column.name].fitted()
        if column.name not in self.counters:
            return column
        counter = self.counters[column.name]
        changes: dict[str, Any] = {}
        if isinstance(column, Categorical) and item.infer:
            changes["dtype"] = "int64" if counter.integers() else "string"
            if column.max_len:
                changes["max_len"] = self._longest[column.name]
        dtype = changes.get("dtype", getattr(column, "dtype", "string"))
        try:
            vocabulary = counter.vocabulary(
                dtype, self._least[item.source], self._max_size
            )
        except TfrecError as error:
            raise type(error)(f"column '{column.name}': {error}") from None
        changes["vocabulary"] = vocabulary
        return dataclasses.replace(column, **changes)


def _least(min_count: MinCount, declared: tuple[Declared, ...]) -> dict[str, int]:
    """The least count of each column of a file.

    Raises:
        ConfigError: A name is none of the columns.
    """
    sources = [item.source for item in declared]
    if not isinstance(min_count, Dict):
        return dict.fromkeys(sources, min_count)
    for name in min_count:
        if name not in sources:
            raise ConfigError(
                f"min_count has a column '{name}' that is not read; "
                f"{did_you_mean(name, sources)}"
            )
    return {name: min_count.get(name, 1) for name in sources}


def learned(fit: Fit, file: TableFile) -> FeatureSpec:
    """The finished spec of a file.

    Raises:
        ValueError: As of :meth:`Fit.spec`, with the file's name.
    """
    try:
        return fit.spec()
    except TfrecError as error:
        raise type(error)(f"{file.path}, {error}") from None


def _tokens(
    column: Text, texts: pa.Array, counts: pa.Array
) -> tuple[pa.Array, np.ndarray]:
    """Tokens of distinct texts and how often each stands in the rows."""
    import tensorflow as tf

    from tfrec.layers.inputs import tokenize

    with tf.device("CPU"):
        raw = texts.fill_null("").to_numpy(zero_copy_only=False)
        tokens = tokenize(column, tf.constant(raw, tf.string)).numpy()
    weights = np.repeat(counts.to_numpy(), tokens.shape[1])
    flat = pa.array(tokens.ravel(), pa.binary()).cast(pa.string())
    present = pc.not_equal(flat, "")
    return flat.filter(present), weights[present.to_numpy(zero_copy_only=False)]
