"""Products of pairs of rows, whose gradients are products with a sparse matrix.

Row by row a gradient of ``n`` pairs writes ``n`` vectors, which are then added up by
the row that they belong to. As a matrix with ``n`` entries they are one product, and a
few times faster on a processor.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def pair_dots(
    left: tf.Tensor, right: tf.Tensor, owner: tf.Tensor, place: tf.Tensor
) -> tf.Tensor:
    """Dot products of rows of two matrices.

    Args:
        left: ``(m, dim)``.
        right: ``(u, dim)``.
        owner: ``(n,)`` int32 rows of ``left``, ascending.
        place: ``(n, k)`` int32 rows of ``right``.

    Returns:
        ``(n, k)`` float32: ``left[owner[i]] . right[place[i, j]]``.
    """

    @tf.custom_gradient
    def dots(left: tf.Tensor, right: tf.Tensor) -> Any:
        near = tf.gather(left, owner)
        found = tf.matmul(tf.gather(right, place), near[:, :, None])

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = tf.repeat(owner, tf.shape(place)[1])
            places = tf.reshape(place, [-1])
            values = tf.reshape(upstream, [-1])
            shape = [tf.shape(left)[0], tf.shape(right)[0]]
            matrix = _matrix(rows, places, values, shape)
            return _product(matrix, right), _product(matrix, left, transpose=True)

        return found[..., 0], gradient

    return dots(tf.cast(left, tf.float32), tf.cast(right, tf.float32))


def sums_of_rows(rows: tf.Tensor, place: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Weighted sums of rows of a matrix.

    Args:
        rows: ``(u, dim)``.
        place: ``(batch, length)`` int32 rows.
        weight: ``(batch, length)`` float32, 0 to leave out; it gets no gradient.

    Returns:
        ``(batch, dim)`` float32.
    """
    real = tf.where(weight != 0)
    owner = tf.cast(real[:, 0], tf.int32)
    places, values = tf.gather_nd(place, real), tf.gather_nd(weight, real)
    shape = [tf.shape(place)[0], tf.shape(rows)[0]]

    @tf.custom_gradient
    def sums(rows: tf.Tensor) -> Any:
        matrix = _matrix(owner, places, values, shape)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return _product(matrix, upstream, transpose=True)

        return _product(matrix, rows), gradient

    return sums(tf.cast(rows, tf.float32))


def _matrix(
    rows: tf.Tensor, places: tf.Tensor, values: tf.Tensor, shape: Any
) -> tf.Tensor:
    """Compressed rows; several entries of one place stand beside each other."""
    where = tf.stack([tf.cast(rows, tf.int64), tf.cast(places, tf.int64)], axis=1)
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=where, values=values, dense_shape=tf.cast(shape, tf.int64)
    )


def _product(matrix: tf.Tensor, dense: tf.Tensor, transpose: bool = False) -> tf.Tensor:
    return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=dense, transpose_a=transpose)
