"""Sparse matrices in compressed rows, made and multiplied within a step."""

from __future__ import annotations

import tensorflow as tf


def compressed(
    row: tf.Tensor,
    column: tf.Tensor,
    value: tf.Tensor,
    rows: tf.Tensor,
    columns: tf.Tensor,
) -> tf.Tensor:
    """A matrix of entries; several of one place stand beside each other.

    One without rows is given one: TensorFlow's transposed product divides by their
    number, and the process would end.

    Args:
        row: ``(entries,)`` integers, ascending.
        column: ``(entries,)`` integers.
        value: ``(entries,)`` float32.
        rows: Scalar, number of rows.
        columns: Scalar, number of columns.

    Returns:
        A variant tensor, for the products below.
    """
    where = tf.stack([tf.cast(row, tf.int64), tf.cast(column, tf.int64)], axis=1)
    rows = tf.maximum(tf.cast(rows, tf.int64), 1)
    shape = tf.stack([rows, tf.cast(columns, tf.int64)])
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=where, values=value, dense_shape=shape
    )


def product(matrix: tf.Tensor, dense: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """``(columns, dim)`` to ``matrix dense``, ``(rows, dim)``."""
    return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=dense)[:rows]


def transposed_product(matrix: tf.Tensor, dense: tf.Tensor) -> tf.Tensor:
    """``(rows, dim)`` to ``matrix^T dense``, ``(columns, dim)``."""
    missing = tf.maximum(1 - tf.shape(dense)[0], 0)
    dense = tf.pad(dense, [[0, missing], [0, 0]])
    return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=dense, transpose_a=True)
