"""Products of field vectors."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def pairwise(vectors: tf.Tensor) -> tf.Tensor:
    """Sum of the inner products of all pairs of fields, in linear time.

    Rendle 2010, "Factorization Machines", lemma 3.1::

        sum_(i<j) <v_i, v_j> = 1/2 sum_f ((sum_i v_if)^2 - sum_i v_if^2)

    Args:
        vectors: ``(batch, fields, dim)``.

    Returns:
        ``(batch,)``.
    """
    total = tf.square(tf.reduce_sum(vectors, axis=1))
    own = tf.reduce_sum(tf.square(vectors), axis=1)
    return 0.5 * tf.reduce_sum(total - own, axis=1)


def inner_products(vectors: tf.Tensor) -> tf.Tensor:
    """Inner product of every pair of fields.

    Args:
        vectors: ``(batch, fields, dim)``, the number of fields known.

    Returns:
        ``(batch, fields * (fields - 1) / 2)``, pairs (0, 1), (0, 2) ... (1, 2) ...
    """
    fields = vectors.shape[1]
    products = tf.reshape(
        tf.matmul(vectors, vectors, transpose_b=True), [-1, fields * fields]
    )
    rows, columns = np.triu_indices(fields, 1)
    return tf.gather(products, (rows * fields + columns).astype(np.int32), axis=1)


def outer_product(vectors: tf.Tensor) -> tf.Tensor:
    """Outer product of the sum of the fields with itself.

    Qu et al. 2016, "Product-based Neural Networks", equation 14: the superposition of
    the outer products of all pairs, i = j among them.

    Args:
        vectors: ``(batch, fields, dim)``.

    Returns:
        ``(batch, dim * dim)``.
    """
    total = tf.reduce_sum(vectors, axis=1)
    dim = vectors.shape[2]
    return tf.reshape(total[:, :, None] * total[:, None, :], [-1, dim * dim])
