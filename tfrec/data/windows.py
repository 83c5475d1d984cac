"""Events with their neighbours in the user's timeline: the windows of word2vec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.pipeline import (
    Source,
    Tensors,
    check_events,
    finish,
    training_counts,
)
from tfrec.data.views import View
from tfrec.errors import ConfigError


@dataclass(frozen=True)
class Windows(View):
    """Events as centres, with the items around each of them as its context.

    A batch holds ``{user}/index`` and ``{item}/index``, ``(centres,)`` int32, and
    ``context/index``, ``(centres, 2 * window)`` int32, padded with 0. A window never
    leaves the user's own events. Events are dropped anew in every epoch, before
    windows are laid, by the rule of Mikolov et al. 2013b, eq. 5; so batches hold up to
    ``batch_size`` centres, all nearly as many. A centre without any neighbour, as of a
    user with one event, has a row of padding.

    Attributes:
        window: Neighbours on either side at most.
        shrink: Whether each centre draws its own window, uniform in 1 .. ``window``, as
            word2vec does; otherwise all are of full size.
        subsample: Threshold t: an event of an item with share f of all events is kept
            with probability ``sqrt(t / f)``. 0 keeps all.
        ordered: Whether neighbours are those in time. Otherwise, and for events that
            have no order, the user's events are put into a new random order in each
            epoch, so that over the epochs the whole set is the context (Barkan &
            Koenigstein 2016, section 3).

    Raises:
        ConfigError: A window below 1, or a subsampling threshold below 0.
    """

    window: int = 5
    shrink: bool = True
    subsample: float = 0.0
    ordered: bool = True

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ConfigError(
                f"window={self.window} must be 1 or more: a centre needs a neighbour."
            )
        if self.subsample < 0:
            raise ConfigError(
                f"subsample={self.subsample} must be 0 (keep all events) or more."
            )

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`; ``columns`` other than the ids are not read."""
        check_events(source)
        if not isinstance(source, Interactions):
            raise ConfigError(
                "windows need the events of each user side by side, and those on disk "
                "are in any order: load them into memory."
            )
        parts = -(-len(source) // batch_size)
        kept = self._kept(source)
        spec = source.spec
        index = tf.constant(source.index_of(np.arange(source.people, dtype=np.int32)))

        def begin(state: Any, entry: Any) -> Any:
            number, drawn = entry
            fresh = tf.bitcast(drawn, tf.int32)
            state = tf.cond(number == 0, lambda: (fresh, *kept(fresh)), lambda: state)
            return state, (number, *state)

        def batch(
            number: tf.Tensor,
            epoch_seed: tf.Tensor,
            users: tf.Tensor,
            items: tf.Tensor,
            start: tf.Tensor,
        ) -> Tensors:
            count = tf.size(items)
            total = tf.cast(count, tf.int64)
            begin = tf.cast(number * total // parts, tf.int32)
            end = tf.cast((number + 1) * total // parts, tf.int32)
            place = tf.range(begin, end)
            if shuffle:
                place = shuffled(place, count, epoch_seed + 2)
            draw = epoch_seed + tf.stack([3, 1000 * tf.cast(number, tf.int32)])
            user = tf.gather(users, place)
            low, high = tf.gather(start, user), tf.gather(start, user + 1)
            return {
                f"{spec.user}/index": tf.gather(index, user),
                f"{spec.item}/index": tf.gather(items, place),
                "context/index": self._around(items, place, low, high, draw),
            }

        # Not an epoch's data set made by flat_map: every iteration would pay for a
        # graph that is instantiated anew.
        numbers = tf.data.Dataset.range(parts)
        seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
        none = tf.zeros(0, tf.int32)
        steps = tf.data.Dataset.zip((numbers, seeds)).scan(
            (tf.zeros(2, tf.int32), none, none, none), begin
        )
        return finish(steps.map(batch), None, parts)

    def _kept(
        self, source: Interactions
    ) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        """A seed to people and items that an epoch keeps, and where each one starts.

        Users stand side by side. Twelve bytes an event stay in memory.
        """
        line = source.timeline
        items, start = (
            tf.constant(values.astype(np.int32)) for values in (line.items, line.start)
        )
        lengths = np.diff(line.start)
        people = np.arange(len(lengths), dtype=np.int32)
        users = tf.constant(np.repeat(people, lengths))
        counts = training_counts(source)
        share = counts / counts.sum()
        chance = np.sqrt(self.subsample / np.maximum(share, 1e-12))
        keep = tf.constant(np.minimum(chance, 1.0).astype(np.float32))

        def kept(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            kept_users, kept_items, begin = users, items, start
            if self.subsample:
                draw = tf.random.stateless_uniform(tf.shape(items), seed)
                stays = draw < tf.gather(keep, items)
                kept_users = tf.boolean_mask(users, stays)
                kept_items = tf.boolean_mask(items, stays)
                before = tf.pad(tf.cumsum(tf.cast(stays, tf.int32)), [[1, 0]])
                begin = tf.gather(before, start)
            if not (self.ordered and source.ordered):
                order = tf.random.experimental.stateless_shuffle(
                    tf.range(tf.size(kept_items)), seed + 1
                )
                by_user = tf.argsort(tf.gather(kept_users, order), stable=True)
                kept_items = tf.gather(kept_items, tf.gather(order, by_user))
            return kept_users, kept_items, begin

        return kept

    def _around(
        self,
        items: tf.Tensor,
        place: tf.Tensor,
        low: tf.Tensor,
        high: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """``(centres, 2 * window)`` items around those places, from low to below high.

        The reach of a centre's window narrows the span that its neighbours are of.
        """
        step = tf.concat([tf.range(-self.window, 0), tf.range(1, self.window + 1)], 0)
        if self.shrink:
            reach = tf.random.stateless_uniform(
                tf.shape(place), seed, 1, self.window + 1, dtype=tf.int32
            )
            low = tf.maximum(low, place - reach)
            high = tf.minimum(high, place + reach + 1)
        there = place[:, None] + step
        inside = (there >= low[:, None]) & (there < high[:, None])
        near = tf.gather(items, tf.clip_by_value(there, 0, tf.size(items) - 1))
        return tf.where(inside, near, 0)


def shuffled(places: tf.Tensor, count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Places of a permutation of ``count``, each computed and none of them kept.

    Args:
        places: ``(n,)`` int32 below ``count``.
        count: Scalar int32.
        seed: ``(2,)`` int32; the same seed is the same permutation.
    """
    last = tf.maximum(count - 1, 0)
    # The operation takes no empty vector, which a batch may be.
    some = tf.minimum(tf.concat([places, [0]], axis=0), last)
    return tf.random.experimental.index_shuffle(some, seed, last)[:-1]
