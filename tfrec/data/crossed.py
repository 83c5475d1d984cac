"""Ratings in batches between few users and few items."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.pipeline import Reader, Source, Tensors, memory_reader, row_reader
from tfrec.data.ratings import Ratings


@dataclass(frozen=True)
class Crossed(Ratings):
    """Ratings for models to which distinct users and items cost, and pairs do not.

    Every epoch parts users and items into groups at random. A batch holds about the
    events of one group of users with one of items, and every event comes once in an
    epoch. Events on disk, and those that are not shuffled, come as ever.

    Attributes:
        work: What all users and what all items cost; the dearer side is in fewer
            batches.
        cells: Pairs of groups, about; as many as there are batches.
    """

    work: tuple[float, float] = (1.0, 1.0)
    cells: int = 1

    @property
    def groups(self) -> tuple[int, int]:
        """Groups of users and of items.

        Every user is in as many batches as there are groups of items, and the other way
        round.
        """
        users, items = (max(side, 1.0) for side in self.work)
        of_users = round((self.cells * users / items) ** 0.5)
        of_users = min(max(of_users, 1), self.cells)
        return of_users, -(-self.cells // of_users)

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`."""
        cells = max(1, -(-len(source) // batch_size))
        view = dataclasses.replace(self, cells=cells)
        return super(Crossed, view).batches(source, batch_size, shuffle, seed, columns)

    def reader(self, source: Source, names: tuple[str, ...]) -> Reader:
        """Blocks of events, cell after cell."""
        if not isinstance(source, Interactions):
            return super().reader(source, names)
        gather, plain = row_reader(source, names), memory_reader(source, names)
        user, item = tf.constant(source.user), tf.constant(source.item)
        sizes = source.spec.user_column.size, source.spec.item_column.size
        of_users, of_items = self.groups

        def read(
            block: int, shuffle: bool, seed: tf.Tensor, per_user: int | None
        ) -> Any:
            if not shuffle:
                return plain(block, shuffle, seed, per_user)
            group = [
                tf.gather(drawn_groups(size, count, seed + number), ids)
                for number, (size, count, ids) in enumerate(
                    zip(sizes, (of_users, of_items), (user, item), strict=True)
                )
            ]
            # Mixed first, for the sort is stable: a cell is in random order.
            rows = tf.random.experimental.stateless_shuffle(
                tf.range(len(source)), seed + 2
            )
            cell = tf.gather(group[1] * of_users + group[0], rows)
            rows = tf.gather(rows, tf.argsort(cell, stable=True))
            n = tf.size(rows, tf.int64)

            def take(start: tf.Tensor) -> Tensors:
                return gather(rows[start : tf.minimum(start + block, n)])

            return tf.data.Dataset.range(0, n, block).map(take)

        return read


def drawn_groups(size: int, count: int, seed: tf.Tensor) -> tf.Tensor:
    """``(size,)`` int32 in 0 .. ``count - 1``, groups of equal size drawn at random."""
    return tf.random.experimental.stateless_shuffle(tf.range(size) % count, seed)
