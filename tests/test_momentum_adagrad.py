"""Adagrad with momentum against plain NumPy."""

import doctest

import numpy as np
import pytest
import tensorflow as tf

import tfrec
from tfrec import keras
from tfrec.optimizers import Adagrad, MomentumAdagrad

ROWS, WIDTH = 7, 3
# Row 6 is never looked up; 1 and 4 occur twice in one batch; 2 skips a step.
LOOKUPS = ([1, 4, 1, 0], [4, 4, 2, 3], [5, 1, 0, 1], [2, 3, 5, 0])
RATE, MOMENTUM, EPSILON = 0.3, 0.6, 0.02


def table() -> tf.Variable:
    start = np.random.default_rng(0).normal(size=(ROWS, WIDTH))
    return tf.Variable(start, dtype=tf.float32)


def values(step: int, n: int = 4) -> np.ndarray:
    return np.random.default_rng(step).normal(size=(n, WIDTH)).astype(np.float32)


def expected_after(gradients: list[dict[int, np.ndarray]]) -> np.ndarray:
    """Each step a row and its summed gradient, for the rows of the batch alone."""
    theta = table().numpy().astype(np.float64)
    total, velocity = np.zeros_like(theta), np.zeros_like(theta)
    for step in gradients:
        for row, gradient in step.items():
            total[row] += gradient**2
            velocity[row] *= MOMENTUM
            velocity[row] -= RATE * gradient / np.sqrt(total[row] + EPSILON)
            theta[row] += velocity[row]
    return theta


def test_rows_of_the_batch_move_with_their_velocity_and_others_stay():
    variable = table()
    optimizer = MomentumAdagrad(RATE, MOMENTUM, epsilon=EPSILON)
    gradients = []
    for step, ids in enumerate(LOOKUPS):
        found = values(step)
        slices = tf.IndexedSlices(found, tf.constant(ids, tf.int32), variable.shape)
        optimizer.apply_gradients([(slices, variable)])
        gradients.append({r: found[np.array(ids) == r].sum(0) for r in set(ids)})
    np.testing.assert_allclose(variable.numpy(), expected_after(gradients), atol=2e-6)
    np.testing.assert_array_equal(variable[6].numpy(), table()[6].numpy())


def test_a_dense_gradient_moves_all_rows():
    variable = table()
    optimizer = MomentumAdagrad(RATE, MOMENTUM, epsilon=EPSILON)
    gradients = []
    for step in range(4):
        found = values(step, ROWS)
        optimizer.apply_gradients([(tf.constant(found), variable)])
        gradients.append(dict(enumerate(found)))
    np.testing.assert_allclose(variable.numpy(), expected_after(gradients), atol=2e-6)


def test_without_momentum_it_is_adagrad():
    ours, theirs = table(), table()
    first = MomentumAdagrad(RATE, 0.0, 0.1, 1e-7)
    second = Adagrad(RATE, 0.1, 1e-7)
    for step, ids in enumerate(LOOKUPS):
        for optimizer, variable in ((first, ours), (second, theirs)):
            slices = tf.IndexedSlices(values(step), tf.constant(ids), variable.shape)
            optimizer.apply_gradients([(slices, variable)])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-6)


def test_the_configuration_makes_the_same_optimizer_again():
    optimizer = MomentumAdagrad(0.07, 0.3, 0.2, 1e-4)
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is MomentumAdagrad
    assert again.get_config() == optimizer.get_config()
    assert again.get_config()["learning_rate"] == 0.07
    assert again.momentum == 0.3


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_a_momentum_that_cannot_be_is_refused(momentum):
    with pytest.raises(ValueError, match=f"momentum={momentum} of MomentumAdagrad"):
        MomentumAdagrad(0.1, momentum)


def test_the_example_of_the_docstring():
    found = doctest.DocTestFinder().find(
        MomentumAdagrad, "MomentumAdagrad", globs={"tf": tf, "tfrec": tfrec}
    )
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert sum(runner.run(test).attempted for test in found) > 0
    assert runner.summarize().failed == 0
