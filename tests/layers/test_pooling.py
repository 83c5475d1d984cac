"""Beta-pooling against the distribution function, by the sum over its density."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers.pooling import beta_weights

FINE = 400_000


def expected(total, a, b):
    """Mass of Beta(a, b) on each of ``total`` equal parts of [0, 1], midpoint rule."""
    x = (np.arange(FINE) + 0.5) / FINE
    density = x ** (a - 1) * (1 - x) ** (b - 1)
    part = np.add.reduceat(density, np.arange(total) * FINE // total)
    return part / density.sum()


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 5), (4, 4), (30, 2)])
def test_weights_are_the_mass_of_each_step(a, b):
    place = tf.tile(tf.range(1, 9)[None], [3, 1])
    total = tf.constant([[8], [5], [1]])
    found = beta_weights(place, total, a, b).numpy()
    for row, count in zip(found, (8, 5, 1), strict=True):
        np.testing.assert_allclose(row[:count], expected(count, a, b), atol=1e-4)
        np.testing.assert_array_equal(row[count:], 0)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_equal_parameters_of_one_are_the_mean():
    found = beta_weights(tf.range(0, 7), tf.constant(4), 1, 1)
    np.testing.assert_allclose(found, [0, 0.25, 0.25, 0.25, 0.25, 0, 0], rtol=1e-5)


def test_an_empty_sequence_weighs_nothing():
    np.testing.assert_array_equal(beta_weights(tf.range(0, 3), tf.constant(0), 2, 2), 0)
