"""Every column as a vector, by one lookup for all columns of a width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.features import FeatureSpec, Numeric
from tfrec.layers.embedding import masked_mean, seed_stream

Tensors = dict[str, tf.Tensor]


class FieldEmbeddings(keras.layers.Layer):
    """Columns to one vector each, the fields of a click model.

    All ids of a width stand in one table, so that a batch is one gather and its
    gradient one set of rows, however many columns there are. Sequences share the rows
    of the ids they are of; bags, sequences and texts are the mean of their entries,
    padding left out; a number x is ``x v`` with a learned v. A missing id (padding in a
    column of single ids) has a vector of its own.

    Args:
        spec: The columns.
        names: The columns to embed.
        dim: Width of the vectors.
        own_widths: Whether columns keep the width their ``dim`` declares; otherwise
            all have ``dim``, as interactions of fields need.
        l2: L2 regularisation: ``l2 / 2`` times the squared norm of every row that the
            batch has looked up, a row that occurs twice counted once, is added to the
            loss in training; numbers' vectors likewise.
        seed: Seed of the initial values.
        stddev: Of the normal initial values.

    Raises:
        ConfigError: An image or audio column: those need a content model.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        names: tuple[str, ...],
        dim: int,
        own_widths: bool = False,
        l2: float = 0.0,
        seed: int = 0,
        stddev: float = 0.01,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.spec, self.l2 = spec, l2
        self.widths: dict[str, int] = {}
        offsets: dict[str, int] = {}
        rows: dict[int, int] = {}
        for name in names:
            column = spec[name]
            if column.kind in ("image", "audio"):
                raise ConfigError(
                    f"column '{name}' is {column.kind}, which this model does not read:"
                    " drop it with spec.select(...), or use a content model."
                )
            if isinstance(column, Numeric):
                self.widths[name] = dim
                continue
            owner = spec.table(name)
            width = (owner.dim if own_widths else None) or dim
            if owner.name not in offsets:
                offsets[owner.name] = rows.get(width, 0)
                rows[width] = offsets[owner.name] + owner.size
            self.widths[name] = width
        self.offsets = {n: offsets[spec.table(n).name] for n in self._ids(names)}
        seeds = seed_stream(seed)

        def weight(name: str, size: int, width: int) -> tf.Variable:
            initial = keras.initializers.RandomNormal(0.0, stddev, seed=next(seeds))
            return self.add_weight(name, (size, width), initializer=initial)

        # Names, because a checkpoint takes no other keys.
        self.tables = {
            str(width): weight(f"table_{width}", size, width)
            for width, size in rows.items()
        }
        numbers = [n for n in names if isinstance(spec[n], Numeric)]
        self.sizes = [math.prod(spec[n].shape) for n in numbers]  # type: ignore
        self.numbers = tuple(numbers)
        if numbers:
            self.scale = weight("numbers", sum(self.sizes), dim)
        self.groups = [
            (width, tuple(n for n in self._ids(names) if self.widths[n] == width))
            for width in rows
        ]

    def _ids(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Columns with a table: single ids first, then those of several."""
        ids = [n for n in names if not isinstance(self.spec[n], Numeric)]
        return tuple(sorted(ids, key=self._several))

    def _several(self, name: str) -> bool:
        return self.spec[name].kind == "text" or self.spec.length(name) is not None

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns in the order of the fields."""
        return (*(n for _, names in self.groups for n in names), *self.numbers)

    def call(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Looked-up inputs to ``(batch, fields, dim)``.

        Raises:
            ConfigError: The columns have several widths.
        """
        if len(self.groups) > 1:
            raise ConfigError("columns of several widths have no common field axis.")
        return tf.concat(self._stacked(inputs, training), axis=1)

    def flat(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Looked-up inputs to ``(batch, sum of all widths)``."""
        parts = []
        for stacked in self._stacked(inputs, training):
            width = stacked.shape[1] * stacked.shape[2]
            parts.append(tf.reshape(stacked, [-1, width]))
        return tf.concat(parts, axis=1)

    def rows(self, name: str, inputs: Tensors) -> tf.Tensor:
        """Looked-up single ids of a column to ``(batch, dim)``."""
        table = self.tables[str(self.widths[name])]
        return tf.gather(table, inputs[name] + self.offsets[name])

    def entries(
        self,
        lookups: Sequence[tuple[str, tf.Tensor]],
        training: bool | None = None,
        occurrences: np.ndarray | None = None,
    ) -> list[tf.Tensor]:
        """Any looked-up ids of columns of one width, each entry by itself.

        Args:
            lookups: Columns and their indices, of any shape.
            training: Whether L2 regularisation is added to the loss.
            occurrences: ``(table rows,)`` float32; the share of a row in the
                regularisation is divided by it.

        Returns:
            ``(..., dim)`` for each lookup, in order.
        """
        (weights,) = self.tables.values()
        width = weights.shape[1]
        flat = [tf.reshape(found + self.offsets[n], [-1]) for n, found in lookups]
        indices = tf.concat(flat, axis=0)
        vectors = tf.gather(weights, indices)
        if self.l2 and training:
            self.add_loss(self.l2 / 2 * squared_rows(vectors, indices, occurrences))
        vectors = tf.cast(vectors, self.compute_dtype)
        sizes = tf.stack([tf.size(part) for part in flat])
        parts = tf.split(vectors, sizes, num=len(flat))
        result = []
        for (_, found), part in zip(lookups, parts, strict=True):
            shaped = tf.reshape(part, tf.concat([tf.shape(found), [width]], axis=0))
            result.append(tf.ensure_shape(shaped, [*found.shape, width]))
        return result

    def _stacked(self, inputs: Tensors, training: bool | None) -> list[tf.Tensor]:
        """``(batch, fields, width)`` of the columns of each width, and of numbers."""
        stacked = [
            self._looked_up(w, names, inputs, training) for w, names in self.groups
        ]
        if self.numbers:
            stacked.append(self.scaled(inputs, training))
        return stacked

    def _looked_up(
        self, width: int, names: tuple[str, ...], inputs: Tensors, training: bool | None
    ) -> tf.Tensor:
        several = [n for n in names if self._several(n)]
        single = len(names) - len(several)
        parts = [inputs[n][:, None] + self.offsets[n] for n in names[:single]]
        parts += [inputs[n] + self.offsets[n] for n in several]
        indices = tf.concat(parts, axis=1)
        vectors = tf.gather(self.tables[str(width)], indices)
        if self.l2 and training:
            self.add_loss(self.l2 / 2 * squared_rows(vectors, indices))
        vectors = tf.cast(vectors, self.compute_dtype)
        fields, start = [vectors[:, :single]], single
        for name in several:
            length = inputs[name].shape[1]
            entries = vectors[:, start : start + length]
            fields.append(masked_mean(entries, inputs[name])[:, None])
            start += length
        return tf.concat(fields, axis=1)

    def scaled(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Normalised numbers to ``(batch, numeric columns, dim)``."""
        if self.l2 and training:
            self.add_loss(self.l2 / 2 * tf.reduce_sum(tf.square(self.scale)))
        vectors = tf.split(tf.cast(self.scale, self.compute_dtype), self.sizes)
        fields = []
        for name, size, vector in zip(self.numbers, self.sizes, vectors, strict=True):
            values = tf.reshape(inputs[name], [-1, size])
            fields.append(tf.matmul(tf.cast(values, self.compute_dtype), vector))
        return tf.stack(fields, axis=1)


def squared_rows(
    vectors: tf.Tensor, indices: tf.Tensor, divisors: np.ndarray | None = None
) -> tf.Tensor:
    """Sum of the squared norms of the distinct rows among looked-up vectors.

    Args:
        vectors: ``(..., width)`` rows of a table.
        indices: ``(...)`` their indices.
        divisors: ``(table rows,)`` float32, by which the norm of each row is divided.

    Returns:
        Scalar float32.
    """
    flat = tf.reshape(indices, [-1])
    _, place, counts = tf.unique_with_counts(flat)
    times = tf.cast(tf.gather(counts, place), tf.float32)
    if divisors is not None:
        times *= tf.gather(tf.constant(divisors, tf.float32), flat)
    squares = tf.reduce_sum(tf.square(tf.cast(vectors, tf.float32)), axis=-1)
    return tf.reduce_sum(tf.reshape(squares, [-1]) / times)
