"""Columns of items, looked up by the items of a history."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.features import FeatureSpec, Text


class ItemTable(keras.layers.Layer):
    """Columns of items by item index, so that a history of ids has them by itself.

    All padding before it is filled. Saved and exported with the model.

    Args:
        spec: The columns.
        names: Item-side columns of ids or tokens.
    """

    def __init__(self, spec: FeatureSpec, names: tuple[str, ...]) -> None:
        super().__init__(trainable=False)
        self.names = names
        self.tables = {}
        for name in names:
            column = spec[name]
            length = column.max_len if isinstance(column, Text) else spec.length(name)
            shape = (spec.item_column.size, *([length] if length else []))
            self.tables[name] = self.add_weight(
                name, shape, tf.int32, initializer="zeros", trainable=False
            )

    def fill(self, arrays: dict[str, np.ndarray]) -> None:
        """Takes over ``(item table rows, ...)`` arrays by column name."""
        for name, variable in self.tables.items():
            variable.assign(arrays[name])

    def call(self, items: tf.Tensor) -> dict[str, tf.Tensor]:
        """Item indices ``(...)`` to the indices of each column, ``(..., length)``."""
        return {n: tf.gather(table, items) for n, table in self.tables.items()}
