"""Products of fields against sums over pairs, and their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers.interaction import inner_products, outer_product, pairwise

BATCH, FIELDS, DIM = 3, 4, 2
VECTORS = np.random.default_rng(0).normal(size=(BATCH, FIELDS, DIM))


def test_pairwise_is_the_sum_over_all_pairs():
    expected = np.zeros(BATCH)
    for row in range(BATCH):
        for i in range(FIELDS):
            for j in range(i + 1, FIELDS):
                expected[row] += VECTORS[row, i] @ VECTORS[row, j]
    np.testing.assert_allclose(pairwise(tf.constant(VECTORS)), expected)


def test_inner_products_stand_in_order_of_the_pairs():
    expected = [
        [v[i] @ v[j] for i in range(FIELDS) for j in range(i + 1, FIELDS)]
        for v in VECTORS
    ]
    found = inner_products(tf.constant(VECTORS))
    assert found.shape == (BATCH, FIELDS * (FIELDS - 1) // 2)
    np.testing.assert_allclose(found, expected)


def test_outer_product_is_the_sum_over_all_pairs_and_each_with_itself():
    expected = np.zeros((BATCH, DIM, DIM))
    for row in range(BATCH):
        for i in range(FIELDS):
            for j in range(FIELDS):
                expected[row] += np.outer(VECTORS[row, i], VECTORS[row, j])
    found = outer_product(tf.constant(VECTORS))
    np.testing.assert_allclose(found, expected.reshape(BATCH, DIM * DIM))


def test_a_single_field_has_no_pairs():
    alone = tf.constant(VECTORS[:, :1])
    np.testing.assert_allclose(pairwise(alone), np.zeros(BATCH), atol=1e-12)
    assert inner_products(alone).shape == (BATCH, 0)


@pytest.mark.parametrize("product", [pairwise, inner_products, outer_product])
def test_gradients(product):
    exact, numeric = tf.test.compute_gradient(product, [tf.constant(VECTORS)])
    np.testing.assert_allclose(exact[0], numeric[0], atol=1e-6)
