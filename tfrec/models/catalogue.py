"""What a model knows of the data beside its weights: items, popularity, histories."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.data.interactions import Interactions, index_key
from tfrec.data.timeline import Timeline
from tfrec.features import Categorical, FeatureSpec
from tfrec.layers.categories import Categories


class Catalogue(keras.layers.Layer):
    """Item and user tables, popularity and histories, saved with the model.

    Args:
        spec: The columns.
        item_columns: Item-side columns that the model reads.
        user_columns: User-side columns that the model reads.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        item_columns: tuple[str, ...],
        user_columns: tuple[str, ...],
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **kwargs)
        self.spec = spec
        self.item_columns = tuple(n for n in item_columns if n != spec.item)
        self.user_columns = tuple(n for n in user_columns if n != spec.user)
        self.arrays: dict[str, np.ndarray] = {}

    @property
    def known(self) -> bool:
        """Whether the catalogue has met data."""
        return "counts" in self.arrays

    def adapt(self, data: Interactions) -> None:
        """Takes over item table, user table, popularity and histories.

        Raises:
            ValueError: The data's spec lacks a column of the model or declares it
                otherwise, or has no values for it.
        """
        for column in self.spec.columns:
            if column.name not in data.spec or data.spec[column.name] != column:
                raise ValueError(
                    f"column '{column.name}' of the model is not that of {data.name}: "
                    "build the model with that data's spec."
                )
        line = data.timeline
        arrays: dict[str, np.ndarray] = {
            "counts": data.item_counts.astype(np.float32),
            "start": line.start.astype(np.int64),
            "seen": line.items,
        }
        for side, names, table in (
            ("item", self.item_columns, data.items),
            ("user", self.user_columns, data.users),
        ):
            for name in names:
                if name in table:
                    arrays[f"{side}:{name}"] = table[name]
                elif side == "item":
                    raise ValueError(
                        f"{data.name} has no item table with column '{name}': add it "
                        "to items, or drop the column with spec.select(...)."
                    )
        self.arrays = arrays

    def items(self) -> dict[str, tf.Tensor]:
        """Batch features of all vocabulary items, in index order."""
        column = self.spec.item_column
        place = np.arange(column.first, column.size, dtype=np.int32)
        features = {f"{column.name}/index": tf.constant(place)}
        for name in self.item_columns:
            key = f"item:{name}"
            if key not in self.arrays:
                raise ValueError(
                    f"the model reads item column '{name}' and has met no data: call "
                    "train.batches(model, n) or model.adapt(train) first."
                )
            values = self.arrays[key][column.first :]
            features[index_key(self.spec[name].kind, name)] = tf.constant(values)
        return features

    def popularity(self) -> tf.Tensor:
        """``(items,)`` float32 share of all events, over the item vocabulary."""
        column = self.spec.item_column
        counts = self.arrays.get("counts", np.zeros(column.size, np.float32))
        counts = counts[column.first :]
        return tf.constant(counts / max(counts.sum(), 1.0))

    def counts(self) -> np.ndarray:
        """``(item table rows,)`` float32 events of each item, by item index.

        Raises:
            ValueError: The model has met no data.
        """
        if not self.known:
            raise ValueError(
                "the loss corrects for popularity and the model has met no data: call "
                "train.batches(model, n) or model.adapt(train) first."
            )
        return self.arrays["counts"]

    def probability(self) -> tf.Tensor:
        """``(item table rows,)`` float32 share of all events, by item index."""
        counts = self.counts()
        return tf.constant(counts / max(counts.sum(), 1.0))

    @property
    def timeline(self) -> Timeline | None:
        """Histories by user index, or None before any data."""
        if not self.known:
            return None
        none = np.empty(0, np.int64)
        return Timeline(self.arrays["start"], self.arrays["seen"], none, none)

    def strangers(self) -> tf.Tensor:
        """``(user table rows,)`` bool: indices of no user, or without an event."""
        column = self.spec.user_column
        strangers = np.arange(column.size) < column.first
        if self.known:
            strangers |= np.diff(self.arrays["start"]) == 0
        return tf.constant(strangers)

    def categories(self) -> Categories:
        """Items by value of their categorical columns that have a vocabulary."""
        columns = {}
        for name in self.item_columns:
            column, key = self.spec[name], f"item:{name}"
            if isinstance(column, Categorical) and len(column.vocabulary):
                columns[name] = (column.raw, self.arrays[key])
        return Categories.of(columns)

    def seen(self, users: np.ndarray) -> np.ndarray:
        """Item indices that users have taken, ``(n, longest)``, padded with 0."""
        line = self.timeline
        if line is None or not len(users):
            return np.zeros((len(users), 0), np.int32)
        longest = int((line.start[users + 1] - line.start[users]).max())
        known = users >= self.spec.user_column.first
        return np.where(known[:, None], line.latest(users, longest), 0)

    def save_own_variables(self, store: Any) -> None:
        """Writes the arrays into a ``.keras`` archive."""
        for name, values in self.arrays.items():
            store[name] = values

    def load_own_variables(self, store: Any) -> None:
        """Reads the arrays back."""
        self.arrays = {name: np.asarray(store[name]) for name in store.keys()}  # noqa: SIM118
