"""Products of pairs of rows and weighted sums of rows, with their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers.pair_dots import pair_dots, sums_of_rows

RNG = np.random.default_rng(0)
LEFT, RIGHT = (tf.constant(RNG.normal(size=(n, 3)), tf.float32) for n in (5, 4))
UP = tf.constant(RNG.normal(size=(6, 2)), tf.float32)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("graph", [False, True])
def test_dots_and_gradients_are_those_of_the_gathered_rows(graph, width):
    owner = tf.constant([0, 0, 1, 3, 3, 4])
    place = tf.constant([[1, 2], [1, 1], [3, 0], [2, 2], [0, 1], [3, 3]])[:, :width]

    def plain(left, right):
        near = tf.repeat(tf.gather(left, owner)[:, None], width, axis=1)
        return tf.reduce_sum(near * tf.gather(right, place), axis=2)

    def ours(left, right):
        return pair_dots(left, right, owner, place)

    results = []
    for function in (ours, plain):
        run = tf.function(function) if graph else function
        with tf.GradientTape() as tape:
            tape.watch([LEFT, RIGHT])
            dots = run(LEFT, RIGHT)
            total = tf.reduce_sum(dots * UP[:, :width])
        gradients = tape.gradient(total, [LEFT, RIGHT])
        results.append([dots, *map(tf.convert_to_tensor, gradients)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("rows", [5, 0])
def test_no_pairs_have_no_dots_and_no_gradient(rows, graph):
    owner, place, left = tf.zeros(0, tf.int32), tf.zeros((0, 2), tf.int32), LEFT[:rows]
    run = tf.function(pair_dots) if graph else pair_dots
    with tf.GradientTape() as tape:
        tape.watch([left, RIGHT])
        dots = run(left, RIGHT, owner, place)
        total = tf.reduce_sum(dots)
    assert dots.shape == (0, 2)
    gradients = tape.gradient(total, [left, RIGHT])
    for gradient, of in zip(gradients, [left, RIGHT], strict=True):
        assert gradient.shape == of.shape
        assert not np.any(gradient)


def test_sums_of_no_rows_have_no_gradient():
    place, weight = tf.zeros((0, 2), tf.int32), tf.zeros((0, 2))
    with tf.GradientTape() as tape:
        tape.watch(RIGHT)
        total = tf.reduce_sum(sums_of_rows(RIGHT, place, weight))
    assert not np.any(tape.gradient(total, RIGHT))


def test_sums_and_their_gradient():
    place = tf.constant([[0, 1, 1], [3, 0, 0], [2, 2, 1]])
    weight = tf.constant([[0.5, 2.0, -1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    up = tf.constant(RNG.normal(size=(3, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(RIGHT)
        sums = sums_of_rows(RIGHT, place, weight)
        total = tf.reduce_sum(sums * up)
    rows = RIGHT.numpy()
    expected = [0.5 * rows[0] + rows[1], rows[3], np.zeros(3)]
    np.testing.assert_allclose(sums, expected, rtol=1e-5)
    slope = np.zeros((4, 3), np.float32)
    slope[0], slope[1], slope[3] = 0.5 * up[0], up[0], up[1]
    np.testing.assert_allclose(tape.gradient(total, RIGHT), slope, rtol=1e-5)


def test_half_precision_is_summed_in_full():
    half = tf.cast(LEFT, tf.float16), tf.cast(RIGHT, tf.float16)
    with tf.GradientTape() as tape:
        tape.watch(half)
        dots = pair_dots(*half, tf.constant([1, 2]), tf.constant([[0], [3]]))
    assert dots.dtype == tf.float32
    assert all(g.dtype == tf.float16 for g in tape.gradient(dots, half))
