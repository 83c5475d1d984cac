"""One row per user or item: the view of models that learn from whole rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.matrix import Matrix, Side
from tfrec.data.pipeline import Source, Tensors, check_events, finish, seeded_epochs
from tfrec.data.views import View
from tfrec.errors import ConfigError, DataError


@dataclass(frozen=True)
class Rows(View):
    """One row per user, everything the user took; or one per item, who took it.

    The features of users hold ``user_id/index`` ``(batch,)`` and ``items`` ``(batch,
    longest)`` int32 item indices, padded with 0; those of items ``movie_id/index`` and
    ``users``; both ``ratings`` of the same shape, float32, when they are of ratings.
    Every pair comes once, with its latest label; ids outside the vocabulary are left
    out, and so are rows without entries. A batch takes memory for its own entries,
    whatever the catalogue.

    Attributes:
        of: Whose rows.
        low: Lowest label there may be; None for any.
        high: Highest label there may be; None for any.
        labels: The labels there may be; None for any.
        rated: Whether rows are of ratings, of all events, where the spec has a label.
    """

    of: Side = "user"
    low: float | None = None
    high: float | None = None
    labels: tuple[float, ...] | None = None
    rated: bool = True

    @property
    def of_labels(self) -> bool:
        """Whether rows are of ratings."""
        return self.rated

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`."""
        spec, matrix = source.spec, self.checked(source)
        key = f"{spec.user if self.of == 'user' else spec.item}/index"
        others = "items" if self.of == "user" else "users"
        known = np.flatnonzero(np.diff(matrix.start))
        other, start = tf.constant(matrix.other), tf.constant(matrix.start)
        rated = self.rated and matrix.rating is not None
        ratings = tf.constant(matrix.rating) if rated else None

        def row(chosen: tf.Tensor) -> Tensors:
            begin, end = tf.gather(start, chosen), tf.gather(start, chosen + 1)
            place = tf.ragged.range(begin, end)
            features = {
                key: tf.cast(chosen, tf.int32),
                others: tf.gather(other, place).to_tensor(),
            }
            if ratings is not None:
                features["ratings"] = tf.gather(ratings, place).to_tensor()
            return features

        def epoch(epoch_seed: tf.Tensor) -> tf.data.Dataset:
            order = tf.constant(known)
            if shuffle:
                order = tf.random.experimental.stateless_shuffle(order, epoch_seed)
            starts = tf.data.Dataset.range(0, len(known), batch_size)
            return starts.map(lambda s: row(order[s : s + batch_size]))

        return finish(seeded_epochs(seed, epoch), None, -(-len(known) // batch_size))

    def checked(self, source: Source) -> Matrix:
        """The rows of some events.

        Raises:
            ValueError: The events are streamed, there are none of known ids, or a label
                is out of range or no number.
        """
        if not isinstance(source, Interactions):
            raise ConfigError(f"{self.of} rows need the events in memory: load them.")
        check_events(source)
        matrix = Matrix.of(source, self.of)
        if not len(matrix.other):
            raise DataError(
                f"{source.name} has no event of a known user and a known item: build "
                "its spec with the ids of these events."
            )
        if matrix.rating is None:
            return matrix
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        outside = matrix.rating[(matrix.rating < low) | (matrix.rating > high)]
        if len(outside):
            raise DataError(
                f"{len(outside)} values of '{source.spec.label}' in {source.name}, "
                f"such as {outside[0]:g}, are not between {low:g} and {high:g}, the "
                "range that the model knows: correct them, or adapt a new model to "
                "these events."
            )
        if self.labels is not None:
            units = np.array(self.labels, np.float32)
            other = np.setdiff1d(matrix.rating, units)
            if len(other):
                raise DataError(
                    f"'{source.spec.label}' in {source.name} has the value "
                    f"{other[0]:g}, which is none of the {len(units)} that the model "
                    "has units for: round the labels, or adapt a new model to these "
                    "events."
                )
        return matrix
