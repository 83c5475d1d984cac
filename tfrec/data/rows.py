"""One row per user: the view of models that read everything a user took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.pipeline import Source, Tensors, check_events, finish, seeded_epochs
from tfrec.data.views import View


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
        """See :meth:`View.batches`."""
        if not isinstance(source, Interactions):
            raise ValueError("rows of users need the events in memory: load them.")
        check_events(source)
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
