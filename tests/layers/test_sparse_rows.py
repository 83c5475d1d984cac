"""Products of sparse rows against dense ones, and their slopes."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers import sparse_rows
from tfrec.layers.sparse_rows import Entries

ROWS, COLUMNS, UNITS, DIM = 5, 9, 3, 4
RNG = np.random.default_rng(0)
MATRIX = np.where(
    RNG.random((ROWS, COLUMNS)) < 0.4, RNG.normal(size=(ROWS, COLUMNS)), 0
)
MATRIX[3] = MATRIX[:, 0] = 0  # an empty row; column 0 is padding
MATRIX[0, 7] = MATRIX[0, 2] = 1.5


@pytest.fixture
def entries():
    longest = int((MATRIX != 0).sum(1).max())
    columns = np.zeros((ROWS, longest), np.int32)
    values = np.zeros((ROWS, longest), np.float32)
    for row in range(ROWS):
        there = RNG.permutation(np.flatnonzero(MATRIX[row]))  # in no order
        columns[row, : len(there)] = there
        values[row, : len(there)] = MATRIX[row, there]
    return Entries.padded(tf.constant(columns), tf.constant(values))


def normal(*shape):
    return tf.Variable(RNG.normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("graph", [False, True])
def test_rows_times_a_table(entries, graph):
    table, weight = normal(COLUMNS, DIM), normal(ROWS, DIM)

    def run():
        with tf.GradientTape() as tape:
            product = entries.times(tf.gather(table, entries.ids))
            loss = tf.reduce_sum(product * weight)
        return product, tape.gradient(loss, table)

    product, slope = (tf.function(run) if graph else run)()
    np.testing.assert_allclose(product, MATRIX @ table.numpy(), rtol=1e-5, atol=1e-6)
    assert sorted(slope.indices.numpy()) == sorted(set(np.nonzero(MATRIX)[1]))
    np.testing.assert_allclose(
        tf.convert_to_tensor(slope), MATRIX.T @ weight.numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("dense", [0, 64])
@pytest.mark.parametrize("graph", [False, True])
def test_products_of_the_entries(entries, graph, dense, monkeypatch):
    """Either way of computing them gives the same numbers and slopes."""
    monkeypatch.setattr(sparse_rows, "DENSE", dense)
    left, right = normal(ROWS, DIM), normal(COLUMNS, UNITS, DIM)
    weight = normal(len(entries.row), UNITS)

    def run():
        with tf.GradientTape() as tape:
            products = entries.dot(left, tf.gather(right, entries.ids))
            loss = tf.reduce_sum(products * weight)
        return products, *tape.gradient(loss, (left, right))

    products, by_left, by_right = (tf.function(run) if graph else run)()
    row, column = entries.row.numpy(), entries.ids.numpy()[entries.place.numpy()]
    both = np.einsum("rd,cud->rcu", left.numpy(), right.numpy())
    np.testing.assert_allclose(products, both[row, column], rtol=1e-5, atol=1e-6)
    outer = np.zeros_like(both)
    outer[row, column] = weight.numpy()
    expected = np.einsum("rcu,cud->rd", outer, right.numpy())
    np.testing.assert_allclose(by_left, expected, rtol=1e-5, atol=1e-5)
    expected = np.einsum("rcu,rd->cud", outer, left.numpy())
    np.testing.assert_allclose(
        tf.convert_to_tensor(by_right), expected, rtol=1e-5, atol=1e-5
    )


def test_one_hot_units(entries):
    unit = RNG.integers(0, UNITS, len(entries.row))
    table = normal(COLUMNS, UNITS, DIM)
    found = tf.gather(table, entries.ids)
    sums = entries.units(unit, UNITS).times(tf.reshape(found, [-1, DIM]))
    row, column = entries.row.numpy(), entries.ids.numpy()[entries.place.numpy()]
    expected = np.zeros((ROWS, DIM))
    np.add.at(expected, row, table.numpy()[column, unit])
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-6)


def test_sums_and_counts(entries):
    np.testing.assert_allclose(entries.sums(entries.value), MATRIX.sum(1), rtol=1e-5)
    expected = (MATRIX != 0).sum(0)[entries.ids.numpy()]
    np.testing.assert_array_equal(entries.counts(), expected)


def test_rows_without_entries():
    nothing = Entries.padded(tf.zeros((2, 0), tf.int32), tf.zeros((2, 0)))
    table = normal(COLUMNS, UNITS, DIM)
    found = tf.gather(table, nothing.ids)
    np.testing.assert_array_equal(nothing.times(found[:, 0]), np.zeros((2, DIM)))
    assert nothing.dot(normal(2, DIM), found).shape == (0, UNITS)
