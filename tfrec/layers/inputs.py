"""From raw values to the numbers a model works with, in the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.features import Audio, Categorical, FeatureSpec, Image, Numeric, Text
from tfrec.layers.media import decode


class Lookup(tf.Module):
    """Raw ids or tokens to table indices: 0 padding, 1..oov unknown, then known.

    Args:
        column: The column that owns the table.
    """

    def __init__(self, column: Categorical | Text) -> None:
        super().__init__(name="lookup")
        self.column = column
        self.dtype = tf.as_dtype(getattr(column, "dtype", "string"))
        self.table = None
        if len(column.vocabulary):  # TensorFlow refuses an empty table
            keys = np.asarray(column.vocabulary, object)
            with tf.init_scope():
                self.table = tf.lookup.StaticHashTable(
                    tf.lookup.KeyValueTensorInitializer(
                        tf.constant(keys.tolist(), self.dtype, (len(keys),)),
                        tf.range(column.first, column.size, dtype=tf.int64),
                    ),
                    default_value=-1,
                )

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """``(...)`` raw values to ``(...)`` int32 indices."""
        column = self.column
        text = values if self.dtype == tf.string else tf.strings.as_string(values)
        padding = values == "" if self.dtype == tf.string else values == -1
        buckets = column.hash_bins or column.oov
        found = tf.ones_like(text, tf.int64)
        if buckets > 1:
            found += tf.strings.to_hash_bucket_fast(text, buckets)
        if self.table is not None:
            known = self.table.lookup(values)
            found = tf.where(known < 0, found, known)
        return tf.cast(tf.where(padding, tf.zeros_like(found), found), tf.int32)


def tokenize(column: Text, texts: tf.Tensor) -> tf.Tensor:
    """``(n,)`` texts to ``(n, max_len)`` tokens, padded with the empty string.

    Words are lower-cased runs of letters and digits. Letter trigrams are taken over
    ``#word#`` (Huang 2013, section 3.2).
    """
    lower = tf.strings.lower(texts, encoding="utf-8")
    words = tf.strings.split(tf.strings.regex_replace(lower, r"[^\pL\pN]+", " "))
    if column.tokens == "trigram":
        letters = tf.strings.unicode_split(
            tf.strings.join(["#", words.flat_values, "#"]), "UTF-8"
        )
        grams = tf.strings.ngrams(letters, 3, separator="")
        nested = tf.RaggedTensor.from_row_splits(grams, words.row_splits)
        words = nested.merge_dims(1, 2)
    return words.to_tensor("", shape=(None, column.max_len))


def _fit_length(values: tf.Tensor, length: int, latest: bool) -> tf.Tensor:
    """The first, or the latest, ``length`` entries of each row, padded behind.

    Padding of ``values``, ``(n, any)`` indices, may stand anywhere.
    """
    entries = tf.ragged.boolean_mask(values, values > 0)
    kept = entries[:, -length:] if latest else entries[:, :length]
    return kept.to_tensor(shape=(None, length))


class InputColumn(tf.Module):
    """Raw values of one non-numeric column to indices of its declared length.

    Args:
        spec: The spec the column stands in.
        name: Column name.
        table: The lookup to share, as a sequence shares that of its ids.
    """

    def __init__(
        self, spec: FeatureSpec, name: str, table: Lookup | None = None
    ) -> None:
        super().__init__(name="input_column")
        self.spec, self.column = spec, spec[name]
        self.lookup = table or Lookup(spec.table(name))

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """``(n,)`` or ``(n, any)`` raw values to int32 ``(n,)`` or ``(n, max_len)``.

        Rows may be padded in front, behind or between. Of more than ``max_len`` entries
        a sequence keeps the last, which are the newest, and a bag the first.
        """
        if isinstance(self.column, Text):
            return self.lookup(tokenize(self.column, values))
        indices = self.lookup(values)
        length = self.spec.length(self.column.name)
        if length is None:
            return indices
        return _fit_length(indices, length, latest=self.column.kind == "sequence")


def lookup(spec: FeatureSpec, name: str) -> InputColumn:
    """The lookup of one column, on its own (models use :class:`Inputs`)."""
    return InputColumn(spec, name)


def normalise(column: Numeric, values: tf.Tensor) -> tf.Tensor:
    """Normalises raw numbers as the column declares.

    Args:
        column: Column with learned statistics.
        values: ``(batch, *shape)`` float32; NaN is a missing value, and infinity too
            unless the column clips.

    Returns:
        ``(batch, *shape)`` float32.

    Raises:
        ConfigError: Quantiles were never learned.
    """
    if column.normalisation == "quantile" and len(column.boundaries) < 2:
        raise ConfigError(
            f"column '{column.name}' has no quantiles: learn them with "
            "column.fit(values) and put the column into the spec."
        )
    if column.clip is None:
        missing = ~tf.math.is_finite(values)
    else:
        missing = tf.math.is_nan(values)
        values = tf.clip_by_value(values, *column.clip)
    if column.normalisation == "quantile":
        return tf.where(missing, 0.5, _rank(column, values))
    if column.normalisation == "log":
        values = tf.math.log1p(tf.maximum(values, 0.0))
    if column.normalisation is not None:
        return tf.where(missing, 0.0, (values - column.mean) / column.std)
    return tf.where(missing, column.mean, values)


def _rank(column: Numeric, values: tf.Tensor) -> tf.Tensor:
    """Share of the data that is at most as large as each value."""
    cuts = tf.constant(column.boundaries, tf.float32)
    last = len(column.boundaries) - 1
    flat = tf.reshape(values, [-1])
    # Of equal quantiles the last, so that a frequent value has its whole share.
    low = tf.clip_by_value(tf.searchsorted(cuts, flat, side="right") - 1, 0, last - 1)
    begin, end = tf.gather(cuts, low), tf.gather(cuts, low + 1)
    part = tf.math.divide_no_nan(flat - begin, end - begin)
    part = tf.where(flat >= end, 1.0, tf.maximum(part, 0.0))
    return tf.reshape((tf.cast(low, tf.float32) + part) / last, tf.shape(values))


class Inputs(keras.layers.Layer):
    """Raw or looked-up features to indices and normalised numbers.

    Args:
        spec: The columns.
        names: The columns that the model reads.
    """

    def __init__(
        self, spec: FeatureSpec, names: tuple[str, ...], **kwargs: Any
    ) -> None:
        # Under mixed precision Keras would round numbers before they are normalised.
        super().__init__(autocast=False, **kwargs)
        self.spec, self.names = spec, tuple(names)
        self.columns: dict[str, InputColumn] = {}
        tables: dict[str, Lookup] = {}
        for name in self.names:
            if spec[name].kind in ("categorical", "sequence", "text"):
                owner = spec.table(name)
                tables.setdefault(owner.name, Lookup(owner))
                self.columns[name] = InputColumn(spec, name, tables[owner.name])

    def call(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Looks up and normalises whichever of the columns are present.

        Args:
            features: Raw values by column name, or int32 indices by ``name/index``.
                Of images and recordings the name holds bytes, or what they decode to.

        Returns:
            ``{name: int32 indices, float32 numbers, uint8 pixels or int16 samples}``.
        """
        result = {}
        for name in self.names:
            if f"{name}/index" in features:
                result[name] = features[f"{name}/index"]
            elif name in features and name in self.columns:
                result[name] = self.columns[name](features[name])
            elif name in features:
                column, value = self.spec[name], features[name]
                if isinstance(column, Numeric):
                    value = normalise(column, tf.cast(value, tf.float32))
                elif isinstance(column, Image | Audio) and value.dtype == tf.string:
                    value = decode(column, value)
                result[name] = value
        return result
