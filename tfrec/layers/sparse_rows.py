"""Products of sparse rows with dense tables, by what stands in the rows alone."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from tfrec.layers import csr

DENSE = 64  # products for each that is wanted, up to which one matrix product is faster


@dataclass(frozen=True)
class Entries:
    """What stands in some rows of a sparse matrix.

    Attributes:
        rows: Scalar int64, number of rows.
        ids: ``(columns,)`` int32, the distinct columns that occur in the rows.
        row: ``(entries,)`` int64, ascending.
        place: ``(entries,)`` int64, places in ``ids``.
        value: ``(entries,)`` float32.
    """

    rows: tf.Tensor
    ids: tf.Tensor
    row: tf.Tensor
    place: tf.Tensor
    value: tf.Tensor

    @classmethod
    def of(
        cls, rows: tf.Tensor, row: tf.Tensor, column: tf.Tensor, value: tf.Tensor
    ) -> Entries:
        """Entries of a list, whose rows ascend.

        Args:
            rows: Scalar int64, number of rows.
            row: ``(entries,)`` int64.
            column: ``(entries,)`` int32.
            value: ``(entries,)`` float32.
        """
        ids, place = tf.unique(column, out_idx=tf.int64)
        return cls(rows, ids, row, place, value)

    @classmethod
    def padded(cls, columns: tf.Tensor, values: tf.Tensor) -> Entries:
        """Entries of ``(rows, longest)`` columns, 0 where there is none, and values."""
        there = tf.where(columns != 0)
        rows = tf.shape(columns, tf.int64)[0]
        found = (tf.gather_nd(part, there) for part in (columns, values))
        return cls.of(rows, there[:, 0], *found)

    def with_value(self, value: tf.Tensor) -> Entries:
        """The same places with other values ``(entries,)``."""
        return Entries(self.rows, self.ids, self.row, self.place, value)

    def units(self, unit: tf.Tensor, units: int) -> Entries:
        """One-hot rows, every column being ``units`` wide: place ``place, unit`` is 1.

        Args:
            unit: ``(entries,)`` which of the units.
            units: How many there are.
        """
        place = self.place * units + tf.cast(unit, tf.int64)
        one = tf.ones_like(self.value)
        return Entries(self.rows, self.ids, self.row, place, one)

    def times(self, table: tf.Tensor) -> tf.Tensor:
        """The matrix of these rows times a table, differentiable in the table.

        Args:
            table: ``(columns, dim)`` float32, by place.

        Returns:
            ``(rows, dim)``.
        """
        columns = tf.shape(table, tf.int64)[0]
        matrix = csr.compressed(self.row, self.place, self.value, self.rows, columns)

        @tf.custom_gradient
        def product(table: tf.Tensor) -> tuple:
            result = csr.product(matrix, table, self.rows)
            return result, lambda slope: csr.transposed_product(matrix, slope)

        return tf.ensure_shape(product(table), [None, table.shape[1]])

    def dot(self, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """Products of each entry's row with its column, and of no other pair.

        One product of the matrices where that takes little more than what is wanted,
        else row by row. Slopes are sparse in either case.

        Args:
            left: ``(rows, dim)`` float32.
            right: ``(columns, units, dim)`` float32, by place.

        Returns:
            ``(entries, units)``.
        """
        columns, units, dim = (tf.shape(right, tf.int64)[i] for i in range(3))
        pairs, wanted = self.rows * columns, tf.size(self.row, tf.int64)

        def whole(left: tf.Tensor, flat: tf.Tensor) -> tf.Tensor:
            products = tf.matmul(left, flat, transpose_b=True)
            products = tf.reshape(products, [pairs, units])
            return tf.gather(products, self.row * columns + self.place)

        def each(left: tf.Tensor, flat: tf.Tensor) -> tf.Tensor:
            found = tf.gather(tf.reshape(flat, [columns, units, dim]), self.place)
            return tf.reduce_sum(found * tf.gather(left, self.row)[:, None], axis=2)

        @tf.custom_gradient
        def products(left: tf.Tensor, flat: tf.Tensor) -> tuple:
            result = tf.cond(
                pairs <= DENSE * wanted,
                lambda: whole(left, flat),
                lambda: each(left, flat),
            )

            def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                place = self.place[:, None] * units + tf.range(units)
                matrix = csr.compressed(
                    tf.repeat(self.row, units),
                    tf.reshape(place, [-1]),
                    tf.reshape(slope, [-1]),
                    self.rows,
                    columns * units,
                )
                back = csr.transposed_product(matrix, left)
                return csr.product(matrix, flat, self.rows), back

            return result, gradient

        flat = tf.reshape(right, [columns * units, dim])
        return tf.ensure_shape(products(left, flat), [None, right.shape[1]])

    def sums(self, values: tf.Tensor) -> tf.Tensor:
        """``(entries,)`` numbers to their sums by row, ``(rows,)``."""
        return tf.math.unsorted_segment_sum(values, self.row, self.rows)

    def counts(self) -> tf.Tensor:
        """``(columns,)`` float32, rows in which each column occurs, by place."""
        return tf.math.unsorted_segment_sum(
            tf.ones_like(self.value), self.place, tf.size(self.ids)
        )
