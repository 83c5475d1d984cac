"""Labelled pairs with the time of the event, and users that stay together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.pipeline import Reader, Source, Tensors, memory_reader, row_reader
from tfrec.data.views import Attach, Expand, Pairs
from tfrec.errors import ConfigError
from tfrec.features import FeatureSpec


@dataclass(frozen=True)
class Ratings(Pairs):
    """``(features, label)`` for models that know users by all that they rated.

    Attributes:
        timed: Whether the features hold the event's time, ``(batch,)`` int64 seconds
            since 1970 under the name that the spec gives the timestamp.
        by_user: Whether a block of examples (about 65,000) holds whole users, drawn
            anew each epoch and shuffled within the block. A batch then has few distinct
            users, whose sums over all that they rated are taken once: on MovieLens 1M a
            seventh of what batches of everybody take. Events on disk, and those that
            are not shuffled, come as ever.
    """

    timed: bool = False
    by_user: bool = False

    def extra_columns(self, spec: FeatureSpec) -> tuple[str, ...]:
        """Label and timestamp."""
        names = super().extra_columns(spec)
        if not self.timed:
            return names
        if spec.timestamp is None:
            raise ConfigError(
                "the events have no time to learn from: name the timestamp column in "
                "the spec."
            )
        return (*names, spec.timestamp)

    def reader(self, source: Source, names: tuple[str, ...]) -> Reader:
        """Blocks of events, or of users."""
        if self.by_user and isinstance(source, Interactions):
            return user_reader(source, names)
        return super().reader(source, names)

    def expander(self, source: Source, attach: Attach) -> Expand:
        """Labelled events, with their time when asked."""
        labelled, name = super().expander(source, attach), str(source.spec.timestamp)
        if not self.timed:
            return labelled

        def timed(events: Tensors, seed: tf.Tensor) -> Any:
            seconds = tf.cast(events[name], tf.int64)
            features, target = labelled(events, seed)
            return {**features, name: seconds}, target

        return timed


def user_reader(source: Interactions, names: tuple[str, ...]) -> Reader:
    """Reads blocks of whole users in random order, each block shuffled."""
    gather, plain = row_reader(source, names), memory_reader(source, names)
    users, size = tf.constant(source.user), source.spec.user_column.size

    def read(block: int, shuffle: bool, seed: tf.Tensor, per_user: int | None) -> Any:
        if not shuffle:
            return plain(block, shuffle, seed, per_user)
        place = tf.random.experimental.stateless_shuffle(tf.range(size), seed)
        rows = tf.argsort(tf.gather(place, users))
        n = tf.size(rows, tf.int64)

        def take(start: tf.Tensor) -> Tensors:
            some = rows[start : tf.minimum(start + block, n)]
            drawn = seed + tf.stack([1, tf.cast(start // block, tf.int32)])
            return gather(tf.random.experimental.stateless_shuffle(some, drawn))

        return tf.data.Dataset.range(0, n, block).map(take)

    return read
