"""Rows of ratings that stand with a model: whose predictions are to be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec import backend
from tfrec.columns import Categorical
from tfrec.data.matrix import Matrix, Side
from tfrec.data.rows import Rows
from tfrec.errors import ConfigError, DataError
from tfrec.layers.sparse_rows import Entries
from tfrec.models.base import Recommender

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.catalogue import Catalogue

Tensors = dict[str, tf.Tensor]
NUMBERS = 1 << 24  # float32 numbers in memory at a time


class Rated:
    """The rows of a catalogue, readable in the graph.

    A plain object on purpose: the catalogue saves the arrays, and Keras would save them
    again.

    Args:
        catalogue: Where the arrays stand.
        name: What they are called there.
        sizes: Rows of this side's table and of the other's.
    """

    def __init__(self, catalogue: Catalogue, name: str, sizes: tuple[int, int]) -> None:
        self.catalogue, self.name, self.sizes = catalogue, name, sizes
        self._source: np.ndarray | None = None
        self._held: dict[str, tf.Variable] = {}

    def put(self, matrix: Matrix) -> None:
        """Writes a matrix into the catalogue."""
        rating = matrix.rating
        for part, values in (
            ("start", matrix.start),
            ("other", matrix.other),
            ("rating", np.zeros(0, np.float32) if rating is None else rating),
        ):
            self.catalogue.arrays[f"{self.name}:{part}"] = values
        _ = self.held  # graphs traced earlier shall read them, too

    @property
    def matrix(self) -> Matrix:
        """The matrix, without entries before any data."""
        arrays, none = self.catalogue.arrays, np.zeros(self.sizes[0] + 1, np.int64)
        return Matrix(
            arrays.get(f"{self.name}:start", none),
            arrays.get(f"{self.name}:other", np.zeros(0, np.int32)),
            arrays.get(f"{self.name}:rating", np.zeros(0, np.float32)),
        )

    @property
    def held(self) -> dict[str, tf.Variable]:
        """``start``, ``other``, ``rating``, and ``counts``: entries by other index."""
        source = self.catalogue.arrays.get(f"{self.name}:start")
        if not self._held or self._source is not source:
            self._source, matrix = source, self.matrix
            counts = np.bincount(matrix.other, minlength=self.sizes[1])
            with tf.init_scope():
                for name, values in (
                    ("start", matrix.start),
                    ("other", matrix.other),
                    ("rating", matrix.rating),
                    ("counts", counts.astype(np.float32)),
                ):
                    self._hold(name, values)
        return self._held

    def _hold(self, name: str, values: Any) -> None:
        # A variable of any length: graphs traced earlier read the new rows.
        if name in self._held:
            self._held[name].assign(values)
        else:
            shape = tf.TensorShape([None])
            self._held[name] = tf.Variable(values, trainable=False, shape=shape)

    def length(self, rows: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` rows to the number of their entries, int64."""
        start = self.held["start"]
        return tf.gather(start, rows + 1) - tf.gather(start, rows)

    def entries(self, rows: tf.Tensor, ones: bool = False) -> Entries:
        """The entries of ``(batch,)`` rows, their value the rating or 1."""
        held = self.held
        begin, end = (tf.gather(held["start"], rows + i) for i in (0, 1))
        place = tf.ragged.range(begin, end)
        flat = place.flat_values
        return Entries.of(
            tf.size(rows, tf.int64),
            place.value_rowids(),
            tf.gather(held["other"], flat),
            tf.ones_like(flat, tf.float32) if ones else tf.gather(held["rating"], flat),
        )


class FromRatings(Recommender):
    """Models that predict from all ratings of a user, or of an item.

    The query is the user id alone. The rows are those of the events that the model was
    adapted to (the first data handed to ``batches``); they are saved and exported with
    the model. ``adapt`` on newer events moves the rows on without learning anew. The
    mean rating is that of the first events; it answers for a user or an item without
    any rating. Validation predicts the ratings of its events from these rows, so none
    of them is ever an input.

    A subclass has ``config.rows``, the side whose rows it reads.
    """

    predicts_ratings = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own, other = self.sides
        if other.hash_bins is not None or own.hash_bins is not None:
            name = (other if other.hash_bins is not None else own).name
            raise ConfigError(
                f"column '{name}' is hashed, and {type(self).__name__} needs a row for "
                "each id: give it a vocabulary."
            )
        self.rated = Rated(self.catalogue, "rated", (own.size, other.size))
        self.mean = self.add_weight(
            "mean", (), trainable=False, experimental_autocast=False
        )
        self.mean.assign(0.0)

    @property
    def side(self) -> Side:
        """Whose rows are read."""
        return self.config.rows

    @property
    def sides(self) -> tuple[Categorical, Categorical]:
        """The id column whose rows are read, and the other one."""
        spec = self.spec
        columns = (spec.user_column, spec.item_column)
        return columns if self.side == "user" else columns[::-1]

    def adapt(self, data: Interactions) -> None:
        """Takes over the item table, popularity and the rows of training data.

        Raises:
            DataError: The events have no label, one that is no number, or one out of
                the range of those that the model met first.
        """
        spec, fresh = data.spec, not self.adapted
        if spec.label is None:
            raise DataError(
                f"{type(self).__name__} learns ratings and {data.name} has no label: "
                "name the column in its spec."
            )
        matrix = self.view().checked(data)
        super().adapt(data)
        self.rated.put(matrix)
        if fresh:
            self.mean.assign(np.mean(np.asarray(matrix.rating)))

    def view(self) -> Rows:
        """A row of ratings for each user, or for each item."""
        rating = self.rated.matrix.rating
        if rating is None or not len(rating):
            return Rows(self.side)
        return Rows(self.side, float(rating.min()), float(rating.max()))

    def batch_rows(self, features: Tensors) -> tuple[tf.Tensor, Entries]:
        """Whose rows stand in a batch ``(batch,)``, and their entries.

        Raises:
            ConfigError: The batch is of another view.
        """
        own, others = f"{self.sides[0].name}/index", f"{_other(self.side)}s"
        if own not in features or others not in features or "ratings" not in features:
            raise ConfigError(
                f"{type(self).__name__} learns from rows of ratings: fit it on "
                "train.batches(model, n)."
            )
        entries = Entries.padded(features[others], features["ratings"])
        return features[own], entries

    def cold(self, features: Tensors, strangers: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` bool: the user has rated nothing."""
        spec = self.spec
        users = self.lookup(features)[spec.user]
        if self.side == "user":
            return self.rated.length(users) == 0
        return tf.gather(self.rated.held["counts"], users) == 0


def in_groups(
    some: Callable[[tf.Tensor], tf.Tensor],
    count: tf.Tensor,
    size: tf.Tensor | int,
    width: int,
) -> tf.Tensor:
    """Rows that take much memory, some at a time.

    Args:
        some: ``(group,)`` int32 row numbers to ``(group, width)`` float32.
        count: Scalar int32, number of rows.
        size: Numbers that one row takes while it is computed.
        width: Columns of the result.

    Returns:
        ``(count, width)`` float32.
    """
    group = tf.maximum(1, NUMBERS // size)
    group = tf.minimum(group, tf.maximum(count, 1))
    groups = (count + group - 1) // group

    def one(number: tf.Tensor) -> tf.Tensor:
        return some(tf.minimum(number * group + tf.range(group), count - 1))

    found = backend.mapped(one, tf.range(groups))
    return tf.reshape(found, [-1, width])[:count]


def _other(side: Side) -> Side:
    return "item" if side == "user" else "user"
