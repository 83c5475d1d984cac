"""What a model knows of the data beside its weights: items, popularity, histories."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.data.interactions import Interactions, index_key
from tfrec.data.media import decoded
from tfrec.data.persons import first_own, rows_of
from tfrec.data.timeline import Timeline
from tfrec.errors import ConfigError, DataError
from tfrec.features import Audio, Categorical, FeatureSpec, Image
from tfrec.layers.categories import Categories


class Catalogue(keras.layers.Layer):
    """Item and user tables, popularity and histories, saved with the model.

    Images and recordings of items are kept decoded in memory and never saved: they are
    others' works, and a model file stands without them.

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
        self.media: dict[str, tf.Tensor] = {}
        self._resident: dict[str, tf.Tensor] = {}

    @property
    def known(self) -> bool:
        """Whether the catalogue has met data."""
        return "counts" in self.arrays

    @property
    def media_columns(self) -> tuple[str, ...]:
        """Columns of images and recordings."""
        kinds = Image | Audio
        return tuple(n for n in self.item_columns if isinstance(self.spec[n], kinds))

    @property
    def complete(self) -> bool:
        """Whether it has met data in this process, if there are images to meet."""
        return self.known and self.media.keys() == set(self.media_columns)

    def adapt(self, data: Interactions) -> None:
        """Takes over item table, user table, popularity and histories.

        The latter two are of positive events; what users saw and disliked is held
        apart, so as not to be recommended again. Images and recordings are decoded; a
        warning says how many are not there or cannot be read.

        Raises:
            DataError: The data's spec lacks a column of the model or declares it
                otherwise, or has no values for it.
        """
        for column in self.spec.columns:
            if column.name not in data.spec or data.spec[column.name] != column:
                raise DataError(
                    f"column '{column.name}' of the model is not that of {data.name}: "
                    "build the model with that data's spec."
                )
        line = rows_of(data)
        arrays: dict[str, np.ndarray] = {
            "counts": data.item_counts.astype(np.float32),
            "start": line.start.astype(np.int64, copy=False),
            "seen": line.items,
            **self.disliked(data),
        }
        media: dict[str, tf.Tensor] = {}
        for side, names, table in (
            ("item", self.item_columns, data.items),
            ("user", self.user_columns, data.users),
        ):
            for name in names:
                if name in table and name in self.media_columns:
                    media[name] = self._decoded(name, table[name])
                elif name in table:
                    arrays[f"{side}:{name}"] = table[name]
                elif side == "item":
                    raise DataError(
                        f"{data.name} has no item table with column '{name}': add it "
                        "to items, or drop the column with spec.select(...)."
                    )
        self.arrays, self.media, self._resident = arrays, media, {}

    def disliked(self, data: Interactions) -> dict[str, np.ndarray]:
        """What was seen without being liked, where some events are not positive.

        Args:
            data: What the model learns from.

        Returns:
            ``disliked``, sorted int64 keys ``user * item table rows + item``, and
            ``met``, indices of users of such events, where the model learns them.
        """
        if data.whole is None and data.positive.all():
            return {}
        size, line = self.spec.item_column.size, data.timeline
        owner = np.repeat(np.arange(len(line.start) - 1), np.diff(line.start))
        disliked = np.setdiff1d(data.known, owner * size + line.items)
        # Of people who share an index nothing is kept.
        column, user = self.spec.user_column, disliked // size
        disliked = disliked[(user >= first_own(column)) & (user < column.size)]
        met = np.unique(disliked // size)
        return {"disliked": disliked, "met": met if data.whole is None else met[:0]}

    def _decoded(self, name: str, contents: np.ndarray) -> tf.Tensor:
        column, item = self.spec[name], self.spec.item_column
        assert isinstance(column, Image | Audio)
        found = decoded(column, contents, item.first)
        report = found.report(column, item.size - item.first, item.raw)
        if report:
            warnings.warn(report, stacklevel=5)
        return found.values

    def at(self, items: tf.Tensor) -> dict[str, tf.Tensor]:
        """Batch features of items, images and recordings among them.

        Args:
            items: ``(n,)`` item indices.

        Raises:
            ValueError: The model has met no data, or was loaded without its images.
        """
        features = {f"{self.spec.item}/index": items}
        for name in self.item_columns:
            key = index_key(self.spec[name].kind, name)
            features[key] = tf.gather(self.table(name), items)
        return features

    def table(self, name: str) -> tf.Tensor:
        """``(item table rows, ...)`` values of an item column, by item index.

        Raises:
            ConfigError: As of :meth:`at`.
        """
        if name in self.media_columns:
            if name not in self.media:
                raise ConfigError(
                    f"the model reads '{name}' of items, which no model file holds: "
                    "call train.batches(model, n) or model.adapt(train) first."
                )
            return self.media[name]
        if name not in self._resident:
            with tf.init_scope():  # by reference: a constant would swell every graph
                self._resident[name] = tf.constant(self._values(name))
        return self._resident[name]

    def _values(self, name: str) -> np.ndarray:
        if f"item:{name}" not in self.arrays:
            raise ConfigError(
                f"the model reads item column '{name}' and has met no data: call "
                "train.batches(model, n) or model.adapt(train) first."
            )
        return self.arrays[f"item:{name}"]

    def items(self) -> dict[str, tf.Tensor]:
        """Batch features of all vocabulary items, in index order.

        Images and recordings are left out, for :meth:`at` to look up some at a time.
        """
        column = self.spec.item_column
        place = np.arange(column.first, column.size, dtype=np.int32)
        features = {f"{column.name}/index": tf.constant(place)}
        for name in self.item_columns:
            if name not in self.media_columns:
                values = self._values(name)[column.first :]
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
            ConfigError: The model has met no data.
        """
        if not self.known:
            raise ConfigError(
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
        """Histories by user index, or None before any data.

        An index that several people share, unknown or hashed, has none.
        """
        if not self.known:
            return None
        start, none = self.arrays["start"], np.empty(0, np.int64)
        start = np.maximum(start, start[first_own(self.spec.user_column)])
        return Timeline(start, self.arrays["seen"], none, none)

    def strangers(self) -> tf.Tensor:
        """``(user table rows,)`` bool: indices of no user, or without an event.

        Of hashed users nobody can tell who is behind an index: none is a stranger.
        """
        column = self.spec.user_column
        if column.hash_bins is not None:
            return tf.constant(np.arange(column.size) < 1)
        strangers = np.arange(column.size) < column.first
        if self.known:
            none = np.diff(self.arrays["start"]) == 0
            none[self.arrays.get("met", [])] = False
            strangers |= none
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
        """Item indices that users have seen, ``(n, longest)``, padded with 0.

        What they disliked is among them.
        """
        line = self.timeline
        if line is None or not len(users):
            return np.zeros((len(users), 0), np.int32)
        parts = [_all_of(line, users)]
        if "disliked" in self.arrays:
            size = self.spec.item_column.size
            user, item = np.divmod(self.arrays["disliked"], size)
            start = np.searchsorted(user, np.arange(self.spec.user_column.size + 1))
            none = np.empty(0, np.int64)
            disliked = Timeline(start, item.astype(np.int32), none, none)
            parts.append(_all_of(disliked, users))
        return np.concatenate(parts, axis=1)

    def save_own_variables(self, store: Any) -> None:
        """Writes the arrays into a ``.keras`` archive."""
        for name, values in self.arrays.items():
            store[name] = values

    def load_own_variables(self, store: Any) -> None:
        """Reads the arrays back."""
        self.arrays = {name: np.asarray(store[name]) for name in store.keys()}  # noqa: SIM118


def _all_of(line: Timeline, users: np.ndarray) -> np.ndarray:
    """All items of users, ``(n, longest)`` int32, padded with 0."""
    longest = int((line.start[users + 1] - line.start[users]).max())
    return line.latest(users, longest)
