"""Events with their neighbours in the user's timeline: the windows of word2vec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.pipeline import Source, Tensors, check_events, finish, seeded_epochs
from tfrec.data.views import View


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
        ValueError: A window below 1, or a subsampling threshold below 0.
    """

    window: int = 5
    shrink: bool = True
    subsample: float = 0.0
    ordered: bool = True

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(
                f"window={self.window} must be 1 or more: a centre needs a neighbour."
            )
        if self.subsample < 0:
            raise ValueError(
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
            raise ValueError(
                "windows need the events of each user side by side, and those on disk "
                "are in any order: load them into memory."
            )
        parts = -(-len(source) // batch_size)
        sequence = self._sequence(source)
        spec = source.spec

        def epoch(epoch_seed: tf.Tensor) -> tf.data.Dataset:
            users, items = sequence(epoch_seed)
            count = tf.size(items)
            centres = tf.range(count)
            if shuffle:
                centres = tf.random.experimental.stateless_shuffle(
                    centres, epoch_seed + 2
                )

            def batch(number: tf.Tensor) -> Tensors:
                total = tf.cast(count, tf.int64)
                begin = number * total // parts
                end = (number + 1) * total // parts
                place = centres[begin:end]
                draw = epoch_seed + tf.stack([3, 1000 * tf.cast(number, tf.int32)])
                return {
                    f"{spec.user}/index": tf.gather(users, place),
                    f"{spec.item}/index": tf.gather(items, place),
                    "context/index": self._around(users, items, place, draw),
                }

            return tf.data.Dataset.range(parts).map(batch)

        return finish(seeded_epochs(seed, epoch), None, parts)

    def _sequence(
        self, source: Interactions
    ) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """A seed to the users and items that an epoch keeps, users side by side."""
        line = source.timeline
        items = tf.constant(line.items)
        lengths = np.diff(line.start)
        users = tf.constant(np.repeat(np.arange(len(lengths), dtype=np.int32), lengths))
        share = source.item_counts / len(source)
        chance = np.sqrt(self.subsample / np.maximum(share, 1e-12))
        keep = tf.constant(np.minimum(chance, 1.0).astype(np.float32))

        def sequence(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            kept_users, kept_items = users, items
            if self.subsample:
                draw = tf.random.stateless_uniform(tf.shape(items), seed)
                kept = draw < tf.gather(keep, items)
                kept_users = tf.boolean_mask(users, kept)
                kept_items = tf.boolean_mask(items, kept)
            if not (self.ordered and source.ordered):
                order = tf.random.experimental.stateless_shuffle(
                    tf.range(tf.size(kept_items)), seed + 1
                )
                by_user = tf.argsort(tf.gather(kept_users, order), stable=True)
                kept_items = tf.gather(kept_items, tf.gather(order, by_user))
            return kept_users, kept_items

        return sequence

    def _around(
        self, users: tf.Tensor, items: tf.Tensor, place: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        """``(centres, 2 * window)`` items around those places."""
        step = tf.concat([tf.range(-self.window, 0), tf.range(1, self.window + 1)], 0)
        there = place[:, None] + step
        inside = (there >= 0) & (there < tf.size(items))
        there = tf.where(inside, there, 0)
        inside &= tf.gather(users, there) == tf.gather(users, place)[:, None]
        if self.shrink:
            reach = tf.random.stateless_uniform(
                tf.shape(place), seed, 1, self.window + 1, dtype=tf.int32
            )
            inside &= tf.abs(step) <= reach[:, None]
        return tf.where(inside, tf.gather(items, there), 0)
