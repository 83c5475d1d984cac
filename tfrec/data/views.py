"""What a family of models learns from: each view turns events into training batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions, index_key
from tfrec.data.negatives import NegativeSampler
from tfrec.data.pipeline import (
    BLOCK,
    Source,
    Tensors,
    finish,
    seeded_epochs,
    side_tables,
)
from tfrec.features import FeatureSpec


def _keyed(spec: FeatureSpec, block: Tensors) -> Tensors:
    """Batch keys: ``name/index`` for looked-up columns, the name for plain numbers."""
    return {index_key(spec[n].kind, n): block[n] for n in block if n in spec}


def event_columns(source: Source, names: tuple[str, ...]) -> tuple[str, ...]:
    """The ids and those of ``names`` that stand in no side table."""
    spec = source.spec
    tables = {*source.users, *source.items}
    return (
        spec.user,
        spec.item,
        *(n for n in names if n not in {*tables, *_ids(spec)}),
    )


def _ids(spec: FeatureSpec) -> tuple[str, str]:
    return spec.user, spec.item


class View(ABC):
    """Turns events into the batches of one learning rule."""

    @abstractmethod
    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """Batches of the view.

        Args:
            source: The events.
            batch_size: Examples in a batch.
            shuffle: Whether each epoch has another order.
            seed: Seed of order and negatives; every epoch draws anew from it.
            columns: The columns that the learner reads; all when None.
        """


def _blocks(
    view: Any,
    source: Source,
    batch_size: int,
    shuffle: bool,
    seed: int,
    names: tuple[str, ...],
    examples: int,
    growth: int = 1,
    per_user: int | None = None,
) -> tf.data.Dataset:
    """Reads, expands, completes and shuffles blocks, and cuts them into batches."""
    read = source.reader(names)
    block = max(1, max(BLOCK, batch_size) // growth)

    def epoch(epoch_seed: tf.Tensor) -> tf.data.Dataset:
        def make(number: tf.Tensor, events: Tensors) -> Any:
            block_seed = epoch_seed + tf.stack([0, 1000 * tf.cast(number, tf.int32)])
            rows = view(events, block_seed)
            if shuffle and growth > 1:
                size = tf.shape(tf.nest.flatten(rows)[0])[0]
                order = tf.random.experimental.stateless_shuffle(
                    tf.range(size), block_seed + 1
                )
                rows = tf.nest.map_structure(lambda t: tf.gather(t, order), rows)
            return rows

        return read(block, shuffle, epoch_seed, per_user).enumerate().map(make)

    return finish(seeded_epochs(seed, epoch), batch_size, examples)


@dataclass(frozen=True)
class Pairs(View):
    """User-item pairs with a target: ``(features, target)``.

    Without negatives the target is the label column. With ``negatives`` every event is
    a positive (1) and draws that many others (0), anew each epoch; a batch holds
    positives and negatives in random order.

    Attributes:
        negatives: Negatives for each positive.
        alpha: Popularity exponent of the draw; None for uniform.
        avoid_known: Whether a known positive of the user is never drawn.
    """

    negatives: int = 0
    alpha: float | None = None
    avoid_known: bool = True

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        spec = source.spec
        columns = columns or tuple(c.name for c in spec.columns)
        names = event_columns(source, columns)
        attach = side_tables(source, columns)
        if not self.negatives:
            if spec.label is None:
                raise ValueError(
                    "the events have no label to learn: name one in the spec, or use "
                    "a ranking objective with negatives."
                )
            label = spec.label

            def labelled(events: Tensors, seed: tf.Tensor) -> Any:
                target = tf.cast(events.pop(label), tf.float32)
                return _keyed(spec, attach(events)), target

            return _blocks(
                labelled,
                source,
                batch_size,
                shuffle,
                seed,
                (*names, label),
                len(source),
            )

        sampler = sampler_of(source, self.alpha, self.avoid_known)
        times = 1 + self.negatives

        def expand(events: Tensors, seed: tf.Tensor) -> Any:
            n = tf.size(events[spec.user])
            rows = {k: tf.repeat(v, times, axis=0) for k, v in events.items()}
            positive = tf.tile(tf.one_hot(0, times), [n])
            drawn = sampler.draw(rows[spec.user], seed)
            rows[spec.item] = tf.where(positive > 0, rows[spec.item], drawn)
            return _keyed(spec, attach(rows)), positive

        examples = len(source) * times
        return _blocks(
            expand, source, batch_size, shuffle, seed, names, examples, times
        )


@dataclass(frozen=True)
class Triples(View):
    """Positives with their negatives side by side, for pairwise losses.

    The features hold the ids (and query columns) of the positive and
    ``negative/index``: ``(batch, negatives)`` int32 item indices.

    Attributes:
        negatives: Negatives for each positive.
        alpha: Popularity exponent of the draw; None for uniform.
        avoid_known: Whether a known positive of the user is never drawn.
    """

    negatives: int = 1
    alpha: float | None = None
    avoid_known: bool = True

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        spec = source.spec
        columns = columns or tuple(c.name for c in spec.columns)
        attach = side_tables(source, columns)
        sampler = sampler_of(source, self.alpha, self.avoid_known)

        def expand(events: Tensors, seed: tf.Tensor) -> Tensors:
            users = tf.repeat(events[spec.user], self.negatives)
            drawn = tf.reshape(sampler.draw(users, seed), [-1, self.negatives])
            return {**_keyed(spec, attach(events)), "negative/index": drawn}

        names = event_columns(source, columns)
        return _blocks(expand, source, batch_size, shuffle, seed, names, len(source))


@dataclass(frozen=True)
class Positives(View):
    """Events alone, for losses that contrast them with each other.

    Attributes:
        per_user: At most so many events of each user in an epoch, drawn anew, so that
            the busiest do not dominate (Covington 2016, section 3.4); None for all.
        example_age: Adds ``example_age``: ``(batch,)`` float32 days from the event to
            the latest event of the data (Covington 2016, section 3.3).
    """

    per_user: int | None = None
    example_age: bool = False

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        spec = source.spec
        columns = columns or tuple(c.name for c in spec.columns)
        attach = side_tables(source, columns)
        names = event_columns(source, columns)
        examples = len(source)
        if self.per_user is not None:
            if not isinstance(source, Interactions):
                raise ValueError(
                    "a fixed number of examples per user needs the events in memory: "
                    "load them, or set per_user=None."
                )
            counts = np.bincount(source.user)
            examples = int(np.minimum(counts, self.per_user).sum())
        latest = 0
        if self.example_age:
            if not isinstance(source, Interactions) or source.timestamp is None:
                raise ValueError(
                    "example age needs events in memory with a timestamp: name the "
                    "timestamp column, or switch example_age off."
                )
            names = (*names, str(spec.timestamp))
            latest = int(source.timestamp.max())

        def expand(events: Tensors, seed: tf.Tensor) -> Tensors:
            features = _keyed(spec, attach(events))
            if self.example_age:
                seconds = latest - events[str(spec.timestamp)]
                features["example_age"] = tf.cast(seconds, tf.float32) / 86_400
            return features

        return _blocks(
            expand,
            source,
            batch_size,
            shuffle,
            seed,
            names,
            examples,
            per_user=self.per_user,
        )


@dataclass(frozen=True)
class Rows(View):
    """One row per user: everything the user took.

    The features hold ``user_id/index`` ``(batch,)`` and ``items`` ``(batch, longest)``
    int32 item indices, padded with 0, and ``ratings`` of the same shape, float32, when
    the spec has a label. Users without events are left out.
    """

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        if not isinstance(source, Interactions):
            raise ValueError("rows of users need the events in memory: load them.")
        spec, line = source.spec, source.timeline
        users = np.flatnonzero(np.diff(line.start)).astype(np.int64)
        items, start = tf.constant(line.items), tf.constant(line.start)
        ratings = tf.constant(source.label[line.order]) if spec.label else None

        def row(chosen: tf.Tensor) -> Tensors:
            begin, end = tf.gather(start, chosen), tf.gather(start, chosen + 1)
            place = tf.ragged.range(begin, end)
            features = {
                f"{spec.user}/index": tf.cast(chosen, tf.int32),
                "items": tf.gather(items, place).to_tensor(),
            }
            if ratings is not None:
                features["ratings"] = tf.gather(ratings, place).to_tensor()
            return features

        def epoch(epoch_seed: tf.Tensor) -> tf.data.Dataset:
            order = tf.constant(users)
            if shuffle:
                order = tf.random.experimental.stateless_shuffle(order, epoch_seed)
            starts = tf.data.Dataset.range(0, len(users), batch_size)
            return starts.map(lambda s: row(order[s : s + batch_size]))

        return finish(seeded_epochs(seed, epoch), None, -(-len(users) // batch_size))


def sampler_of(
    source: Source, alpha: float | None = None, avoid_known: bool = True
) -> NegativeSampler:
    """The negative sampler over a source's item vocabulary."""
    column = source.spec.item_column
    return NegativeSampler(
        column.first if column.hash_bins is None else column.size,
        column.size,
        source.item_counts if alpha is not None else None,
        alpha,
        source.known if avoid_known else None,
    )
