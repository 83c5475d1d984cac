"""Embedding tables of the columns of a spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.features import FeatureSpec, Numeric


def seed_stream(seed: int) -> Iterator[int]:
    """Different seeds for the parts of a model, the same for the same ``seed``."""
    while True:
        seed = (seed * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**63
        yield seed >> 32


def table(
    size: int,
    dim: int,
    seed: int,
    stddev: float | None = None,
    name: str | None = None,
) -> keras.layers.Embedding:
    """An embedding table with a seeded initial value.

    Args:
        size: Rows, padding and unknown included.
        dim: Columns.
        seed: Seed of the initial value.
        stddev: Standard deviation of a normal initial value; uniform in +-.05 (the
            Keras default) when None.
        name: Layer name.
    """
    initial: Any = (
        keras.initializers.RandomUniform(-0.05, 0.05, seed=seed)
        if stddev is None
        else keras.initializers.RandomNormal(0.0, stddev, seed=seed)
    )
    return keras.layers.Embedding(size, dim, embeddings_initializer=initial, name=name)


def masked_mean(vectors: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """Mean over the entries that are not padding; 0 where there is none.

    Args:
        vectors: ``(batch, length, dim)``.
        indices: ``(batch, length)``, 0 is padding.

    Returns:
        ``(batch, dim)``.
    """
    mask = tf.cast(indices > 0, vectors.dtype)[..., None]
    count = tf.reduce_sum(mask, axis=-2)
    return tf.math.divide_no_nan(tf.reduce_sum(vectors * mask, axis=-2), count)


class FeatureEmbeddings(keras.layers.Layer):
    """Columns to vectors: one table per id or token column, shared by its sequences.

    Bags and sequences become the mean of their entries, padding left out; numbers pass
    as they are.

    Args:
        spec: The columns.
        names: The columns to embed.
        dim: Width of tables whose column names none.
        seed: Seed of the tables.
        stddev: Of the initial value; see :func:`table`.
        tables: Tables to share with another such layer.

    Raises:
        ConfigError: An image or audio column: those need a content model.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        names: tuple[str, ...],
        dim: int,
        seed: int = 0,
        stddev: float | None = None,
        tables: dict[str, keras.layers.Embedding] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.spec, self.names = spec, tuple(names)
        self.tables: dict[str, keras.layers.Embedding] = dict(tables or {})
        seeds = seed_stream(seed)
        for name in self.names:
            kind = spec[name].kind
            if kind in ("image", "audio"):
                raise ConfigError(
                    f"column '{name}' is {kind}, which this model does not read: drop "
                    "it with spec.select(...), or use a content model."
                )
            if kind == "numeric":
                continue
            owner = spec.table(name)
            if owner.name not in self.tables:
                self.tables[owner.name] = table(
                    owner.size, owner.dim or dim, next(seeds), stddev, owner.name
                )

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """``{name: indices or numbers}`` to ``{name: (batch, width)}``."""
        vectors = {}
        for name in self.names:
            value = inputs[name]
            if isinstance(self.spec[name], Numeric):
                flat = tf.reshape(value, [tf.shape(value)[0], self.width(name)])
                vectors[name] = tf.cast(flat, self.compute_dtype)
                continue
            embedded = self.tables[self.spec.table(name).name](value)
            if value.shape.rank == 2:
                embedded = masked_mean(embedded, value)
            vectors[name] = embedded
        return vectors

    def width(self, name: str) -> int:
        """Width of a column's vector."""
        column = self.spec[name]
        if isinstance(column, Numeric):
            size = 1
            for side in column.shape:
                size *= side
            return size
        return self.tables[self.spec.table(name).name].output_dim
