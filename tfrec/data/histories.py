"""What a user's history held at an event, by vectorised gather in the graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

History = Callable[[tf.Tensor, int], tf.Tensor]


def histories(source: Interactions) -> History:
    """Returns ``(rows, length)`` to the items of the histories at those events.

    They hold positive events alone, those of events that are not positive too. Of
    ordered events it is the last ``length`` of what the user did strictly before,
    oldest first. Of events without an order it is ``length`` of the user's other
    events: those that follow the event in a circle of them all, so that each event has
    others and the item itself is never among them. Events of ``source.past`` count as
    the user's own, so validation events have the histories they had.

    Args:
        source: The events.

    Returns:
        Rows ``(n,)`` int64 and a length to ``(n, length)`` int32 item indices, padded
        with 0 on the right.
    """
    if source.past is not None:
        ahead = len(source.past)
        both = source.past.with_spec(source.spec).concat(source)
        known = histories(dataclasses.replace(both, past=None))
        return lambda rows, length: known(rows + ahead, length)
    line = source.timeline
    items = tf.constant(line.items if len(line.items) else np.zeros(1, np.int32))
    start = tf.constant(line.start)
    users, last = tf.constant(source.person), max(len(line.items) - 1, 0)

    def taken(place: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        return tf.where(there, tf.gather(items, tf.minimum(place, last)), 0)

    if source.ordered:
        before = tf.constant(line.before)

        def past(rows: tf.Tensor, length: int) -> tf.Tensor:
            end = tf.gather(before, rows)
            begin = tf.maximum(tf.gather(start, tf.gather(users, rows)), end - length)
            place = begin[:, None] + tf.range(length, dtype=tf.int64)
            return taken(place, place < end[:, None])

        return past

    # What is not positive has no place, and the one before the next positive for own.
    apart = 1 - source.positive.astype(np.int64)
    own, apart = tf.constant(source.places - apart), tf.constant(apart)

    def others(rows: tf.Tensor, length: int) -> tf.Tensor:
        user = tf.gather(users, rows)
        begin = tf.gather(start, user)[:, None]
        count = tf.gather(start, user + 1)[:, None] - begin
        step = tf.range(1, length + 1, dtype=tf.int64)
        circle = tf.gather(own, rows)[:, None] - begin + step
        place = begin + circle % tf.maximum(count, 1)
        return taken(place, step < count + tf.gather(apart, rows)[:, None])

    return others
