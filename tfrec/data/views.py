"""What a family of models learns from: each view turns events into training batches."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.negatives import exhausted, sampler_of
from tfrec.data.persons import PERSON, names
from tfrec.data.pipeline import (
    Reader,
    Source,
    Tensors,
    check_events,
    check_labels,
    event_columns,
    expanded_blocks,
    finish,
    keyed,
    say_rule,
    seeded_epochs,
    side_tables,
)
from tfrec.errors import ConfigError, DataError, listed
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    from tfrec.models.base import Recommender

Expand = Callable[[Tensors, tf.Tensor], Any]
Attach = Callable[[Tensors], Tensors]
Events = TypeVar("Events", bound=Source)


class View(ABC):
    """Turns events into the batches of one learning rule."""

    @property
    def of_labels(self) -> bool:
        """Whether the view learns labels, and so all events, not the positive alone."""
        return False

    def learned(self, source: Events) -> Events:
        """The events that the view learns from.

        Raises:
            DataError: It learns from positive events, and there are none.
        """
        if self.of_labels:
            return source
        found = cast(Events, source.positives)
        if len(source) and not len(found):
            raise DataError(
                f"none of the {len(source)} events of {source.name} is positive "
                f"({source.spec.rule}), so there is nothing to learn: set a lower "
                "min_label (--min-label)."
            )
        return found

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

        Returns:
            A data set of known cardinality.

        Raises:
            ValueError: The events lack what the view needs, or there are none.
        """


def batches(
    source: Source,
    learner: Recommender | View,
    batch_size: int,
    shuffle: bool,
    seed: int,
) -> tf.data.Dataset:
    """See :meth:`tfrec.data.interactions.Interactions.batches`."""
    columns = None
    if isinstance(learner, View):
        view = learner
    else:
        if not learner.catalogue.complete:
            learner.adapt(source)  # type: ignore[arg-type]
        view, columns = learner.view(), learner.columns
    if not view.of_labels:
        say_rule(source)
    return view.batches(view.learned(source), batch_size, shuffle, seed, columns)


class EventView(View):
    """A view in which every event makes examples of its own.

    A subclass says how a block of events becomes examples (:meth:`expander`), how many
    examples an event makes (``growth``) and how many there are in an epoch.
    """

    per_user: int | None = None

    @property
    def growth(self) -> int:
        """Examples that an event makes."""
        return 1

    def extra_columns(self, spec: FeatureSpec) -> tuple[str, ...]:
        """Event columns that the view needs beside the learner's."""
        return ()

    def examples(self, source: Source) -> int:
        """Examples in an epoch."""
        return len(source) * self.growth

    def reader(self, source: Source, names: tuple[str, ...]) -> Reader:
        """Where blocks of events come from."""
        return source.reader(names)

    def unusable(self, source: Source) -> np.ndarray:
        """``(n,)`` people whose events make no examples."""
        return np.empty(0, int)

    @abstractmethod
    def expander(self, source: Source, attach: Attach) -> Expand:
        """Returns the function from a block of events and a seed to its examples.

        Args:
            source: The events.
            attach: Adds the side tables' columns to events.
        """

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`."""
        check_events(source)
        spec = source.spec
        columns = columns or tuple(c.name for c in spec.columns)
        wanted = (*event_columns(source, columns), *self.extra_columns(spec))
        expand = self.expander(source, side_tables(source, columns))
        size, people = self.examples(source), self.unusable(source)
        if len(people):
            size -= self.growth * _say_left_out(source, people)
            expand = _leaving_out(expand, people)
        blocks = expanded_blocks(
            self.reader(source, wanted),
            expand,
            batch_size,
            shuffle,
            growth=self.growth,
            per_user=self.per_user,
        )
        return finish(seeded_epochs(seed, blocks), batch_size, size)


def _say_left_out(source: Source, people: np.ndarray) -> int:
    """Warns of people who have taken every item; returns how many events are theirs.

    Raises:
        DataError: All events are.
    """
    lengths = np.diff(source.timeline.start)
    events = int(lengths[people[people < len(lengths)]].sum())
    items = source.spec.item_column.size - source.spec.item_column.first
    said = (
        f"{source.spec.user} {listed(names(source, people))} took all {items} items, "
        "so that none is left to draw as a negative"
    )
    if events == len(source):
        raise DataError(f"{said}, and there is no event of another user: add some.")
    if events:
        warnings.warn(f"{said}: {events} events are left out.", stacklevel=5)
    return events


def _leaving_out(expand: Expand, people: np.ndarray) -> Expand:
    """The same without the events of some people."""
    left_out = tf.constant(people, tf.int32)

    def expand_others(events: Tensors, seed: tf.Tensor) -> Any:
        others = tf.reduce_all(events[PERSON][:, None] != left_out, axis=1)
        kept = {name: tf.boolean_mask(v, others) for name, v in events.items()}
        return expand(kept, seed)

    return expand_others


@dataclass(frozen=True)
class Pairs(EventView):
    """User-item pairs with a target: ``(features, target)``.

    Without negatives the target is the label column. With ``negatives`` every event is
    a positive (1) and draws that many others (0), anew each epoch; a batch holds
    positives and negatives in random order. Users who have taken every item are left
    out, with a warning.

    Attributes:
        negatives: Negatives for each positive.
        alpha: Popularity exponent of the draw; None for uniform.
        avoid_known: Whether a known positive of the user is never drawn.
        binary: Whether the target is 1 for positive labels and 0 for others.
    """

    negatives: int = 0
    alpha: float | None = None
    avoid_known: bool = True
    binary: bool = False

    @property
    def growth(self) -> int:
        """The event and its negatives."""
        return 1 + self.negatives

    @property
    def of_labels(self) -> bool:
        """Whether the label is the target."""
        return not self.negatives

    def extra_columns(self, spec: FeatureSpec) -> tuple[str, ...]:
        """The label, where it is the target; else who took the positive."""
        if self.negatives:
            return (PERSON,) if self.avoid_known else ()
        if spec.label is None:
            raise ConfigError(
                "the events have no label to learn: name one in the spec, or use a "
                "ranking objective with negatives."
            )
        return (spec.label,)

    def unusable(self, source: Source) -> np.ndarray:
        """Users who have taken every item, where negatives are drawn."""
        if not self.negatives or not self.avoid_known:
            return super().unusable(source)
        return exhausted(source)

    def expander(self, source: Source, attach: Attach) -> Expand:
        """Labelled events, or events with drawn negatives."""
        spec = source.spec
        if not self.negatives:
            check_labels(source, self.binary)

            def labelled(events: Tensors, seed: tf.Tensor) -> Any:
                label = events.pop(str(spec.label))
                target = spec.positive(label) if self.binary else label
                target = tf.cast(target, tf.float32)
                return keyed(spec, attach(events)), target

            return labelled
        sampler = sampler_of(source, self.alpha, self.avoid_known)
        who = PERSON if self.avoid_known else spec.user

        def expand(events: Tensors, seed: tf.Tensor) -> Any:
            n = tf.size(events[spec.user])
            rows = {k: tf.repeat(v, self.growth, axis=0) for k, v in events.items()}
            positive = tf.tile(tf.one_hot(0, self.growth), [n])
            drawn = sampler.draw(rows[who], seed)
            rows[spec.item] = tf.where(positive > 0, rows[spec.item], drawn)
            return keyed(spec, attach(rows)), positive

        return expand


@dataclass(frozen=True)
class Triples(EventView):
    """Positives with their negatives side by side, for pairwise losses.

    The features hold the ids (and query columns) of the positive and
    ``negative/index``: ``(batch, negatives)`` int32 item indices. Users who have taken
    every item are left out, with a warning.

    Attributes:
        negatives: Negatives for each positive.
        alpha: Popularity exponent of the draw; None for uniform.
        avoid_known: Whether a known positive of the user is never drawn.
    """

    negatives: int = 1
    alpha: float | None = None
    avoid_known: bool = True

    def extra_columns(self, spec: FeatureSpec) -> tuple[str, ...]:
        """Who took the positive."""
        return (PERSON,) if self.avoid_known else ()

    def unusable(self, source: Source) -> np.ndarray:
        """Users who have taken every item."""
        return exhausted(source) if self.avoid_known else super().unusable(source)

    def expander(self, source: Source, attach: Attach) -> Expand:
        """Events with drawn negatives beside them."""
        spec = source.spec
        sampler = sampler_of(source, self.alpha, self.avoid_known)
        who = PERSON if self.avoid_known else spec.user

        def expand(events: Tensors, seed: tf.Tensor) -> Tensors:
            people = tf.repeat(events[who], self.negatives)
            drawn = tf.reshape(sampler.draw(people, seed), [-1, self.negatives])
            return {**keyed(spec, attach(events)), "negative/index": drawn}

        return expand


@dataclass(frozen=True)
class Positives(EventView):
    """Events alone, for losses that contrast them with each other.

    Attributes:
        per_user: At most so many events of each user in an epoch, drawn anew, so that
            the busiest do not dominate (Covington 2016, section 3.4); None for all.
        example_age: Adds ``example_age``: ``(batch,)`` float32 days from the event to
            the latest event of the data (Covington 2016, section 3.3).
    """

    per_user: int | None = None
    example_age: bool = False

    def extra_columns(self, spec: FeatureSpec) -> tuple[str, ...]:
        """The timestamp, where the example's age is wanted."""
        return (str(spec.timestamp),) if self.example_age else ()

    def examples(self, source: Source) -> int:
        """Events, or at most ``per_user`` of each user."""
        if self.per_user is None:
            return len(source)
        if not isinstance(source, Interactions):
            raise ConfigError(
                "a fixed number of examples per user needs the events in memory: load "
                "them, or set per_user=None."
            )
        return int(np.minimum(np.bincount(source.person), self.per_user).sum())

    def expander(self, source: Source, attach: Attach) -> Expand:
        """Events, with their age when asked."""
        spec, latest = source.spec, 0
        if self.example_age:
            if not isinstance(source, Interactions) or source.seconds is None:
                raise ConfigError(
                    "example age needs events in memory with a timestamp: name the "
                    "timestamp column, or switch example_age off."
                )
            latest = int(source.seconds.max())

        def expand(events: Tensors, seed: tf.Tensor) -> Tensors:
            features = keyed(spec, attach(events))
            if self.example_age:
                seconds = latest - events[str(spec.timestamp)]
                features["example_age"] = tf.cast(seconds, tf.float32) / 86_400
            return features

        return expand
