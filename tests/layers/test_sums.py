"""Weighted sums of rows, chunk by chunk."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers import sums

ROWS, VECTORS, DIM = 6, 9, 4


@pytest.fixture(params=[1, 5, 1000])
def entries(request, monkeypatch):
    """23 entries of 6 rows, of which two have none, in chunks of several sizes."""
    monkeypatch.setattr(sums, "CHUNK", request.param)
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice([0, 1, 3, 5], 23))
    vectors = rng.normal(size=(VECTORS, DIM)).astype(np.float32)
    return rows, rng.integers(0, VECTORS, 23), rng.normal(size=23), vectors


@pytest.mark.parametrize("in_graph", [False, True])
def test_sums_and_their_gradient(entries, in_graph):
    rows, columns, weights, vectors = entries
    weights = tf.constant(weights, tf.float32)
    table = tf.constant(vectors)
    upstream = np.random.default_rng(1).normal(size=(ROWS, DIM)).astype(np.float32)

    def run(weights, table):
        with tf.GradientTape() as tape:
            tape.watch([weights, table])
            found = sums.weighted_sums(
                weights, table, tf.constant(rows), tf.constant(columns), ROWS
            )
            total = tf.reduce_sum(found * upstream)
        return found, tape.gradient(total, [weights, table])

    found, slopes = (tf.function(run) if in_graph else run)(weights, table)
    expected, of_table = np.zeros((ROWS, DIM)), np.zeros((VECTORS, DIM))
    for row, column, weight in zip(rows, columns, weights.numpy(), strict=True):
        expected[row] += weight * vectors[column]
        of_table[column] += weight * upstream[row]
    of_weights = np.sum(upstream[rows] * vectors[columns], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes[0], of_weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes[1], of_table, rtol=1e-5, atol=1e-6)


def test_nothing_sums_to_nothing():
    none = tf.zeros([0], tf.int64)
    weights, table = tf.zeros([0]), tf.ones([VECTORS, DIM])
    with tf.GradientTape() as tape:
        tape.watch([weights, table])
        found = sums.weighted_sums(weights, table, none, none, 3)
    np.testing.assert_array_equal(found, np.zeros((3, DIM)))
    slopes = tape.gradient(found, [weights, table])
    assert slopes[0].shape == (0,)
    np.testing.assert_array_equal(slopes[1], np.zeros((VECTORS, DIM)))
