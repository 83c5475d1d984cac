"""What baselines learn from: item-item counts, both sides of the matrix, two passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.pipeline import Source, Tensors, check_events, finish
from tfrec.data.views import Pairs, View
from tfrec.errors import ConfigError
from tfrec.models.baselines._taken import first_known, item_count, taken_keys

ENTRIES = 1 << 22


def in_memory(source: Source, what: str) -> Interactions:
    """The source, if it holds its events.

    Raises:
        ConfigError: The events are streamed.
    """
    if not isinstance(source, Interactions):
        raise ConfigError(f"{what} need the events in memory: load them.")
    check_events(source)
    return source


@dataclass(frozen=True)
class Together(View):
    """Rows of the item-item matrix: how many users took both.

    The features hold ``column`` ``(block,)`` int64, items counted from 0 over the
    vocabulary, and float32 numbers of users: ``together`` ``(block, items)`` of both
    items, ``counts`` ``(block, items)`` of the second, ``users`` ``(block,)`` of all.
    Every item comes once; repeated events and unknown ids count nothing. A block holds
    ``batch_size`` items at most, and fewer where memory asks for it.
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
        data = in_memory(source, "counts of items taken together")
        items = item_count(data.spec)
        keys = taken_keys(data.spec, data.user, data.item, data.person)
        user, column = np.divmod(keys, items)
        people, person = np.unique(user, return_inverse=True)
        order = np.argsort(column, kind="stable")
        count = np.bincount(column, minlength=items)
        start = tf.constant(np.concatenate([[0], np.cumsum(count)]))
        taker, counts = tf.constant(person[order]), tf.constant(count, tf.float32)
        cells = tf.constant(np.stack([column[order], person[order]], axis=1))
        step = max(1, min(batch_size, ENTRIES // max(items, len(people))))

        def block(low: tf.Tensor) -> Tensors:
            high = tf.minimum(low + step, items)
            each = start[low + 1 : high + 1] - start[low:high]
            owner = tf.repeat(tf.range(high - low), each)
            who = taker[start[low] : start[high]]
            rows = tf.scatter_nd(
                tf.stack([who, owner], axis=1),
                tf.ones_like(who, tf.float32),
                tf.stack([tf.constant(len(people), tf.int64), high - low]),
            )
            matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(
                indices=cells,
                values=tf.ones_like(cells[:, 0], tf.float32),
                dense_shape=tf.constant([items, len(people)], tf.int64),
            )
            together = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=rows)
            return {
                "column": tf.range(low, high),
                "together": tf.transpose(tf.ensure_shape(together, [items, None])),
                "counts": tf.repeat(counts[None], high - low, axis=0),
                "users": tf.fill([high - low], float(len(people))),
            }

        steps = finish(tf.data.Dataset.range(0, items, step), None, -(-items // step))
        return steps.map(block)  # after its prefetch: a few blocks at a time


@dataclass(frozen=True)
class BothSides(View):
    """All rows of the user-item matrix, then all its columns.

    The features hold ``second`` ``(batch,)`` int32 (0 for users, 1 for items), ``row``
    ``(batch,)`` int64, their indices, and ``others`` ``(batch, longest)`` int64, the
    indices of what each took or was taken by, padded with 0. Rows of similar length
    come together; every known user and item comes once.

    Attributes:
        rows: Most rows of a batch.
        entries: Most entries of a batch, padding included, unless one row has more.
    """

    rows: int
    entries: int

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`."""
        data = in_memory(source, "rows of users and items")
        spec, items = data.spec, item_count(data.spec)
        keys = taken_keys(spec, data.user, data.item)
        user, item = keys // items, keys % items + spec.item_column.first
        rows = min(batch_size, self.rows)
        parts = []
        for second, column, own, other in (
            (0, spec.user_column, user, item),
            (1, spec.item_column, item, user),
        ):
            order = np.argsort(own, kind="stable")
            length = np.bincount(own, minlength=column.size)
            start = np.concatenate([[0], np.cumsum(length)])
            known = np.arange(first_known(column), column.size)
            known = known[np.argsort(-length[known], kind="stable")]
            edges = self._edges(length[known], rows)
            parts.append(self._side(second, known, edges, start, other[order]))
        users, both = parts
        size = len(users) + len(both)
        return finish(users.concatenate(both), None, size)

    def _edges(self, lengths: np.ndarray, rows: int) -> np.ndarray:
        """Edges of batches over rows of descending length."""
        edges = [0]
        while edges[-1] < len(lengths):
            longest = max(int(lengths[edges[-1]]), 1)
            step = max(1, min(rows, self.entries // longest))
            edges.append(min(edges[-1] + step, len(lengths)))
        return np.array(edges)

    def _side(
        self,
        second: int,
        known: np.ndarray,
        edges: np.ndarray,
        start: np.ndarray,
        others: np.ndarray,
    ) -> tf.data.Dataset:
        row, edge = tf.constant(known), tf.constant(edges)
        begins, taken = tf.constant(start), tf.constant(others)

        def batch(number: tf.Tensor) -> Tensors:
            chosen = row[edge[number] : edge[number + 1]]
            begin, end = tf.gather(begins, chosen), tf.gather(begins, chosen + 1)
            place = tf.ragged.range(begin, end)
            found = place.with_flat_values(tf.gather(taken, place.flat_values))
            return {
                "second": tf.fill(tf.shape(chosen), second),
                "row": chosen,
                "others": found.to_tensor(),
            }

        return tf.data.Dataset.range(len(edges) - 1).map(batch)


@dataclass(frozen=True)
class Twice(Pairs):
    """Labelled events, twice over.

    The features of :class:`~tfrec.data.views.Pairs` and ``second`` ``(batch,)`` int32,
    0 in the first pass, 1 in the second. Events may be streamed.
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
        once = super().batches(source, batch_size, shuffle, seed, columns)

        def marked(second: int) -> Callable:
            def mark(features: Tensors, target: tf.Tensor) -> tuple:
                return {**features, "second": tf.fill(tf.shape(target), second)}, target

            return mark

        both = once.map(marked(0)).concatenate(once.map(marked(1)))
        return finish(both, None, 2 * int(once.cardinality()))
