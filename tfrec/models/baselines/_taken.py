"""Who took what, each pair once: rows of the binary user-item matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import tensorflow as tf

from tfrec.columns import Categorical
from tfrec.errors import ConfigError
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.catalogue import Catalogue

Tensors = dict[str, tf.Tensor]
END = np.iinfo(np.int64).max


def first_known(column: Categorical) -> int:
    """Lowest index that is one known id (or, with hash bins, a bucket)."""
    return column.first if column.hash_bins is None else 1


def item_count(spec: FeatureSpec) -> int:
    """Items of the vocabulary."""
    return spec.item_column.size - spec.item_column.first


def taken_keys(
    spec: FeatureSpec,
    user: np.ndarray,
    item: np.ndarray,
    person: np.ndarray | None = None,
) -> np.ndarray:
    """Distinct pairs of known users and items as one sorted array.

    Args:
        spec: The columns.
        user: ``(n,)`` user indices.
        item: ``(n,)`` item indices.
        person: ``(n,)`` what tells users apart; their indices when None.

    Returns:
        ``(pairs,)`` int64 ``person * items + j``, j counting the vocabulary from 0.
    """
    first = spec.item_column.first
    known = (item >= first) & (user >= first_known(spec.user_column))
    users = (user if person is None else person)[known].astype(np.int64)
    return np.unique(users * item_count(spec) + item[known] - first)


class Taken:
    """The keys of a catalogue, each user's stretch of them findable in the graph.

    A plain object on purpose: the catalogue saves the histories, and Keras would save
    them again.

    Args:
        spec: The columns.
        catalogue: Where the histories of training stand.
        dislikes: Whether users took what they disliked, too, where the model learns
            labels.

    Raises:
        ConfigError: The items are hashed.
    """

    def __init__(
        self, spec: FeatureSpec, catalogue: Catalogue, dislikes: bool = False
    ) -> None:
        if spec.item_column.hash_bins is not None:
            raise ConfigError(
                f"item column '{spec.item}' is hashed, and a matrix of items needs one "
                "column for each of them: give it a vocabulary."
            )
        self.spec, self.catalogue, self.dislikes = spec, catalogue, dislikes
        self.items = self.width = item_count(spec)
        self._source: np.ndarray | None = None
        self._keys: tf.Variable | None = None

    @property
    def keys(self) -> tf.Variable:
        """Sorted int64 keys of all pairs, and one that is larger than any."""
        seen = self.catalogue.arrays.get("seen")
        if self._keys is None or self._source is not seen:
            keys, line = np.empty(0, np.int64), self.catalogue.timeline
            if line is not None:
                lengths = np.diff(line.start)
                users = np.repeat(np.arange(len(lengths)), lengths)
                keys = self._keys_of(users, line.items[line.start[0] :])
            if self.dislikes and len(self.catalogue.arrays.get("met", ())):
                disliked = self.catalogue.arrays["disliked"]
                pairs = np.divmod(disliked, self.spec.item_column.size)
                keys = np.union1d(keys, self._keys_of(*pairs))
            self._source = seen
            with tf.init_scope():
                self._set(np.append(keys, END))
        return self._keys

    def _keys_of(self, users: np.ndarray, seen: np.ndarray) -> np.ndarray:
        return taken_keys(self.spec, users, seen)

    def _set(self, keys: np.ndarray) -> None:
        # A variable of any length: graphs traced earlier read the new histories.
        if self._keys is None:
            free = tf.TensorShape([None])
            self._keys = tf.Variable(keys, trainable=False, shape=free)
        else:
            self._keys.assign(keys)

    def stretch(self, users: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """First and last but one place of ``(batch,)`` users among the keys."""
        low = tf.cast(users, tf.int64) * self.width
        return (
            tf.searchsorted(self.keys, low),
            tf.searchsorted(self.keys, low + self.width),
        )

    def pairs(self, users: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What users took.

        Args:
            users: ``(batch,)`` int32 user indices.

        Returns:
            Two int64 vectors, an entry for each pair: row of the batch, ascending, and
            item, counted from 0.
        """
        place = tf.ragged.range(*self.stretch(users))
        columns = tf.gather(self.keys, place.flat_values) % self.items
        return place.value_rowids(), columns

    def contains(self, users: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` users and ``(batch, n)`` items to ``(batch, n)`` bool."""
        wanted = tf.cast(users, tf.int64)[:, None] * self.items
        wanted += tf.cast(columns, tf.int64)
        place = tf.searchsorted(self.keys, tf.reshape(wanted, [-1]))
        return tf.reshape(tf.gather(self.keys, place), tf.shape(wanted)) == wanted


class Takers(Taken):
    """The keys the other way round, ``j * user table rows + user``, j an item.

    :meth:`stretch` then finds those who took an item, counted from 0.
    """

    def __init__(self, spec: FeatureSpec, catalogue: Catalogue) -> None:
        super().__init__(spec, catalogue)
        self.width = spec.user_column.size

    def _keys_of(self, users: np.ndarray, seen: np.ndarray) -> np.ndarray:
        user, item = np.divmod(super()._keys_of(users, seen), self.items)
        return np.sort(item * self.width + user)


class FromTaken:
    """A mixin for models that score from *everything* a user took.

    The query is the user id alone. What the user took is read from the events that the
    model was adapted to (the first data handed to ``batches``), however long the list;
    it is saved and exported with the model. ``adapt`` on newer events moves the users
    on without learning anew.

    Attributes:
        takes_dislikes: Whether what a user rated and disliked counts as taken, as in
            models of ratings; otherwise positive events alone count.
    """

    takes_dislikes: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.taken = Taken(
            self.spec,  # type: ignore[attr-defined]
            self.catalogue,  # type: ignore[attr-defined]
            self.takes_dislikes,
        )

    def adapt(self, data: Interactions) -> None:
        """Takes over the item table, popularity and histories of training data."""
        super().adapt(data)  # type: ignore[misc]
        _ = self.taken.keys  # graphs traced earlier shall read them, too

    def cold(self, features: Tensors, strangers: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` bool: the user took nothing."""
        users = self.lookup(features)[self.spec.user]  # type: ignore[attr-defined]
        begin, end = self.taken.stretch(users)
        return begin == end
