"""Row-sparse FTRL against its formula in NumPy and against Keras's own."""

import doctest

import numpy as np
import pytest
import tensorflow as tf

import tfrec
from tfrec import keras
from tfrec.optimizers import Ftrl

ROWS, WIDTH = 7, 3
LOOKUPS = ([1, 4, 1, 0], [4, 4, 2, 3], [5, 1, 0, 1], [2, 3, 5, 0])
STRENGTHS = [(0.0, 0.0, 0.0), (0.8, 0.0, 0.0), (0.3, 0.2, 0.5)]


def gradients() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(len(ids), WIDTH)).astype(np.float32) for ids in LOOKUPS]


def run(optimizer: keras.optimizers.Optimizer) -> np.ndarray:
    variable = tf.Variable(tf.zeros((ROWS, WIDTH)))
    for ids, values in zip(LOOKUPS, gradients(), strict=True):
        slices = tf.IndexedSlices(values, tf.constant(ids), (ROWS, WIDTH))
        optimizer.apply_gradients([(slices, variable)])
    return variable.numpy()


def options(l1: float, l2: float, beta: float) -> dict[str, float]:
    return {
        "l1_regularization_strength": l1,
        "l2_regularization_strength": l2,
        "beta": beta,
    }


@pytest.mark.parametrize(("l1", "l2", "beta"), STRENGTHS)
def test_it_is_algorithm_1_on_the_rows_of_the_batch(l1, l2, beta):
    rate, total = 0.2, np.full((ROWS, WIDTH), 0.1)
    linear, value = np.zeros((ROWS, WIDTH)), np.zeros((ROWS, WIDTH))
    for ids, values in zip(LOOKUPS, gradients(), strict=True):
        for row in set(ids):
            gradient = values[np.array(ids) == row].astype(float).sum(0)
            before, total[row] = np.sqrt(total[row]), total[row] + gradient**2
            root = np.sqrt(total[row])
            linear[row] += gradient - (root - before) / rate * value[row]
            shrunk = np.sign(linear[row]) * l1 - linear[row]
            value[row] = shrunk / ((beta + root) / rate + 2 * l2)
            value[row][np.abs(linear[row]) <= l1] = 0
    moved = run(Ftrl(rate, **options(l1, l2, beta)))
    np.testing.assert_allclose(moved, value, atol=1e-6)
    assert (moved[6] == 0).all()
    assert (moved[:6] == 0).any() == (l1 > 0)


@pytest.mark.parametrize(("l1", "l2", "beta"), STRENGTHS)
def test_from_zero_it_is_keras_s_with_no_row_moved_that_keras_leaves(l1, l2, beta):
    theirs = keras.optimizers.Ftrl(0.2, **options(l1, l2, beta))
    np.testing.assert_allclose(
        run(Ftrl(0.2, **options(l1, l2, beta))), run(theirs), atol=1e-6
    )


def test_a_dense_gradient_gets_exactly_keras_s_update():
    ends = []
    for kind in (Ftrl, keras.optimizers.Ftrl):
        variable = tf.Variable(tf.ones((4, WIDTH)))
        optimizer = kind(0.2, **options(0.1, 0.1, 1.0))
        for values in gradients():
            optimizer.apply_gradients([(tf.constant(values), variable)])
        ends.append(variable.numpy())
    np.testing.assert_array_equal(*ends)


def test_the_configuration_makes_the_same_optimizer_again():
    optimizer = Ftrl(0.05, clipnorm=1.5, **options(0.1, 0.2, 0.3))
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is Ftrl
    assert again.get_config() == optimizer.get_config()


def test_the_example_of_the_docstring():
    names = {"tf": tf, "tfrec": tfrec}
    (example,) = doctest.DocTestFinder(recurse=False).find(Ftrl, "Ftrl", globs=names)
    result = doctest.DocTestRunner().run(example)
    assert (result.failed, result.attempted > 2) == (0, True)
