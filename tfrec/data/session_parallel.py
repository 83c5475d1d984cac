"""Session-parallel mini-batches: lanes of sessions, a step of each at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.pipeline import Source, Tensors, check_events, finish, seeded_epochs
from tfrec.data.views import View
from tfrec.errors import ConfigError, DataError

NEXT, FRESH = "next/index", "fresh"


@dataclass(frozen=True)
class SessionParallel(View):
    """Every user's events as a session, many sessions side by side.

    Hidasi et al. 2016, section 3.1.1. A batch has a lane for each of ``batch_size``
    sessions and holds one step of all: ``{item}/index`` ``(lanes,)`` int32, the item
    that each session has reached, ``next/index`` ``(lanes,)`` int32, the one after it,
    and ``fresh`` ``(lanes,)`` bool, whether it is the first of its session, so that
    nothing of the lane's last session may be remembered. When a session ends, the next
    one takes its lane.

    Sessions come in order of their first events, or, shuffled, in another order in each
    epoch. An epoch has as many steps as it takes to visit every event once, rounded up,
    and all lanes are full in every step: after the last session the lanes go on with
    the first ones, and sessions that have not ended with the epoch are cut. The
    authors' code drops such ends too.

    Events of unknown items are left out, and so are sessions of one event, after which
    nothing comes. Users outside the vocabulary have sessions of their own. There are
    never more lanes than sessions.
    """

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`; ``columns`` other than the item are not read."""
        check_events(source)
        if not isinstance(source, Interactions):
            raise ConfigError(
                "sessions need the events of each user side by side, and those on disk "
                "are in any order: load them into memory."
            )
        if not source.ordered:
            raise DataError(
                f"the events of {source.name} have no order, and what follows what is "
                "all there is to learn from sessions: take events with times."
            )
        flat, begin, end = flat_sessions(source)
        if not len(begin):
            raise DataError(
                f"{source.name} has no user with two events of known items, so nothing "
                "follows anything: sessions need two."
            )
        lanes = min(batch_size, len(begin))
        steps = -(-(int(end.sum()) - int(begin.sum())) // lanes)
        items, starts, ends = tf.constant(flat), tf.constant(begin), tf.constant(end)
        count, name = len(begin), f"{source.spec.item}/index"

        def epoch(epoch_seed: tf.Tensor) -> tf.data.Dataset:
            order = tf.range(count)
            if shuffle:
                order = tf.random.experimental.stateless_shuffle(order, epoch_seed)

            def step(state: Any, _: tf.Tensor) -> tuple[Any, Tensors]:
                place, last, fresh, coming = state
                batch = {
                    name: tf.gather(items, place),
                    NEXT: tf.gather(items, place + 1),
                    FRESH: fresh,
                }
                place += 1
                done = place >= last
                taken = coming + tf.cumsum(tf.cast(done, tf.int32), exclusive=True)
                session = tf.gather(order, taken % count)
                place = tf.where(done, tf.gather(starts, session), place)
                last = tf.where(done, tf.gather(ends, session), last)
                coming = (coming + tf.reduce_sum(tf.cast(done, tf.int32))) % count
                return (place, last, done, coming), batch

            first = order[:lanes]
            initial = (
                tf.gather(starts, first),
                tf.gather(ends, first),
                tf.ones([lanes], tf.bool),
                tf.constant(lanes % count),
            )
            return tf.data.Dataset.range(steps).scan(initial, step)

        return finish(seeded_epochs(seed, epoch), None, steps)


def flat_sessions(source: Interactions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sessions of known items as one array, in order of their first events.

    Args:
        source: The events.

    Returns:
        ``(events,)`` int32 items, session by session, and ``(sessions,)`` int32 places
        of the first and of the last event of every session of two or more.
    """
    line, item, user = source.timeline, source.spec.item_column, source.spec.user_column
    items, start, rows = line.items, line.start, line.order
    known = items >= (item.first if item.hash_bins is None else 1)
    if not known.all():  # else the arrays are those of the timeline, not copies
        start = np.append(0, np.cumsum(known))[start]
        items, rows = items[known], rows[known]
    start = start[user.first if user.hash_bins is None else 1 :].astype(np.int32)
    long = np.flatnonzero(np.diff(start) > 1).astype(np.int32)
    when = rows[start[long]]
    if source.timestamp is not None:
        when = source.timestamp[when]
    long = long[np.argsort(when, kind="stable")]
    return items, start[long], start[long + 1] - 1
