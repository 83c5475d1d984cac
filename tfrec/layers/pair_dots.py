"""Products of pairs of rows, whose gradients are products with a sparse matrix.

Row by row a gradient of ``n`` pairs writes ``n`` vectors, which are then added up by
the row that they belong to. As a matrix with ``n`` entries they are one product, and a
few times faster on a processor.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec.layers import csr


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
        near, far = tf.gather(left, owner), tf.gather(right, place)
        if place.shape[1] == 1:  # a product of matrices costs more than its one dot
            found = tf.reduce_sum(near[:, None] * far, axis=2)
        else:
            found = tf.matmul(far, near[:, :, None])[..., 0]

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = tf.repeat(owner, tf.shape(place)[1])
            places = tf.reshape(place, [-1])
            values = tf.reshape(upstream, [-1])
            count, columns = tf.shape(left)[0], tf.shape(right)[0]
            matrix = csr.compressed(rows, places, values, count, columns)
            back = csr.transposed_product(matrix, left)
            return csr.product(matrix, right, count), back

        return found, gradient

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
    count, columns = tf.shape(place)[0], tf.shape(rows)[0]

    @tf.custom_gradient
    def sums(rows: tf.Tensor) -> Any:
        matrix = csr.compressed(owner, places, values, count, columns)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return csr.transposed_product(matrix, upstream)

        return csr.product(matrix, rows, count), gradient

    return sums(tf.cast(rows, tf.float32))
