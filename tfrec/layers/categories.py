"""Items by category, and restrictions of an answer to some of them, in the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

NOTHING = 1  # index of the unknown item: a restriction that no item meets


@dataclass(frozen=True)
class Categories:
    """Which items have which value of which column, as arrays.

    Attributes:
        labels: ``column=value``, in the order of their slots.
        start: ``(labels + 1,)`` int32, where the items of a label begin.
        items: int32 item indices, label after label.
    """

    labels: tuple[str, ...]
    start: np.ndarray
    items: np.ndarray

    @staticmethod
    def of(columns: dict[str, tuple[np.ndarray, np.ndarray]]) -> Categories:
        """Sorts items by value.

        Args:
            columns: For each column the raw value of every index and the indices
                ``(item table rows,)`` or ``(item table rows, any)``, in which an index
                whose raw value is ``""`` or -1 is no value.
        """
        labels: list[str] = []
        items, counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for name, (raw, table) in columns.items():
            table = table.reshape(len(table), -1)
            item = np.repeat(np.arange(len(table)), table.shape[1])
            value = table.ravel().astype(np.int64)
            known = np.array([v not in ("", -1) for v in raw.tolist()])[value]
            pairs = np.unique(value[known] * len(table) + item[known])
            slots, count = np.unique(pairs // len(table), return_counts=True)
            labels += [f"{name}={raw[slot]}" for slot in slots]
            items.append(pairs % len(table))
            counts.append(count)
        start = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
        return Categories(
            tuple(labels), start.astype(np.int32), np.concatenate(items).astype("int32")
        )


class CategoryLookup(tf.Module):
    """Categories by name, to the items that have one of them.

    Args:
        categories: At least one label.
    """

    def __init__(self, categories: Categories) -> None:
        super().__init__(name="categories")
        count = len(categories.labels)
        with tf.init_scope(), tf.device("CPU"):
            self.start = tf.Variable(categories.start, trainable=False)
            self.items = tf.Variable(categories.items, trainable=False)
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant(categories.labels), tf.range(count, dtype=tf.int32)
                ),
                default_value=-1,
            )

    def __call__(self, within: tf.Tensor) -> tf.Tensor:
        """``(batch, any)`` labels padded with ``""`` to ``(batch, any)`` item indices.

        Padded with 0; a row of padding gives 0 alone, one with labels of no item also
        holds ``NOTHING``.
        """
        slot = self.table.lookup(within)
        known = slot >= 0
        slot = tf.where(known, slot, 0)
        begin = tf.gather(self.start, slot)
        length = tf.where(known, tf.gather(self.start, slot + 1) - begin, 0)
        flat = tf.ragged.range(
            tf.reshape(begin, [-1]), tf.reshape(begin + length, [-1])
        )
        by_label = tf.RaggedTensor.from_uniform_row_length(
            flat, tf.shape(within, tf.int64)[1], nrows=tf.shape(within, tf.int64)[0]
        )
        place = by_label.merge_dims(1, 2)
        found = place.with_values(tf.gather(self.items, place.values)).to_tensor(0)
        asked = tf.reduce_any(within != "", axis=1, keepdims=True)
        return tf.concat([tf.where(asked, NOTHING, 0), found], axis=1)


def both(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Item indices that meet two restrictions.

    Args:
        one: ``(batch, any)`` int32 item indices; a row of 0 restricts nothing.
        other: The same.

    Returns:
        ``(batch, any)`` int32: of a row that both restrict what is in both, else what
        is in the one that does; ``NOTHING`` stands in every restricted row.
    """
    left = tf.reduce_any(one != 0, axis=1, keepdims=True)
    right = tf.reduce_any(other != 0, axis=1, keepdims=True)
    common = tf.sparse.to_dense(tf.sets.intersection(one, other))
    return tf.concat(
        [
            tf.where(left | right, NOTHING, 0),
            tf.where(left & right, common, 0),
            tf.where(left & ~right, one, 0),
            tf.where(right & ~left, other, 0),
        ],
        axis=1,
    )
