"""Batches whose items are all of one category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.pipeline import (
    Source,
    Tensors,
    check_events,
    event_columns,
    finish,
    keyed,
    row_reader,
    seeded_epochs,
    side_tables,
)
from tfrec.data.views import View
from tfrec.errors import ConfigError


@dataclass(frozen=True)
class OneCategory(View):
    """Events alone, those of a batch all on items of one category.

    Each epoch has another order of the batches and of the events in them; the last
    batch of each category may be smaller.

    Attributes:
        column: Item-side categorical column of one value an item.
    """

    column: str

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
            raise ConfigError(
                "batches of one category need events in memory: load them."
            )
        check_events(source)
        spec = source.spec
        columns = columns or tuple(c.name for c in spec.columns)
        gather = row_reader(source, event_columns(source, columns))
        attach = side_tables(source, columns)
        category = source.items[self.column][source.item]
        sizes = np.bincount(category)
        ends = np.cumsum(sizes)
        begin, end = np.concatenate(
            [
                [(start, min(start + batch_size, stop)) for start in starts]
                for stop, size in zip(ends, sizes, strict=True)
                if len(starts := range(stop - size, stop, batch_size))
            ]
        ).T

        def epoch(epoch_seed: tf.Tensor) -> tf.data.Dataset:
            rows = tf.range(len(source), dtype=tf.int64)
            turn = tf.range(len(begin))
            if shuffle:
                rows = tf.random.experimental.stateless_shuffle(rows, epoch_seed)
                turn = tf.random.experimental.stateless_shuffle(turn, epoch_seed + 1)
            by_category = tf.argsort(tf.gather(category, rows), stable=True)
            rows = tf.gather(rows, by_category)

            def batch(number: tf.Tensor) -> Tensors:
                some = rows[tf.gather(begin, number) : tf.gather(end, number)]
                return keyed(spec, attach(gather(some)))

            return tf.data.Dataset.from_tensor_slices(turn).map(batch)

        return finish(seeded_epochs(seed, epoch), None, len(begin))
