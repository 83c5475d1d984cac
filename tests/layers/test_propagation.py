"""Propagation along the edges of a graph, against dense NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.layers.propagation import Adjacency, NeighbourInteraction, layer_mean

# A path 0 - 1 - 2, node 3 alone, and 4 with itself and 2.
LEFT, RIGHT, NODES = np.array([0, 1, 4, 4]), np.array([1, 2, 4, 2]), 5


def dense(left: np.ndarray, right: np.ndarray, nodes: int) -> np.ndarray:
    joined = np.zeros((nodes, nodes))
    joined[left, right] = joined[right, left] = 1
    degree = np.maximum(joined.sum(axis=1), 1)
    return joined / np.sqrt(degree[:, None] * degree)


def some(nodes: int = NODES, dim: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(nodes, dim)).astype(np.float32)


def test_it_is_normalised_by_the_degrees_of_both_ends():
    identity = tf.eye(NODES)
    found = Adjacency(LEFT, RIGHT, NODES)(identity)
    np.testing.assert_allclose(found, dense(LEFT, RIGHT, NODES), rtol=1e-6)
    assert float(found[0, 1]) == pytest.approx(1 / np.sqrt(1 * 2))


def test_a_node_alone_sends_and_receives_nothing():
    found = Adjacency(LEFT, RIGHT, NODES)(tf.constant(some())).numpy()
    assert not found[3].any()
    moved = some()
    moved[3] = 100.0
    again = Adjacency(LEFT, RIGHT, NODES)(tf.constant(moved)).numpy()
    np.testing.assert_array_equal(found, again)


def test_a_duplicate_edge_counts_once_in_either_direction():
    once = Adjacency(LEFT, RIGHT, NODES)
    again = Adjacency(
        np.concatenate([LEFT, RIGHT, [0]]), np.concatenate([RIGHT, LEFT, [1]]), NODES
    )
    assert once.entries == again.entries == 7  # three edges both ways, one self-loop
    np.testing.assert_array_equal(once(tf.eye(NODES)), again(tf.eye(NODES)))


def test_a_self_loop_is_one_entry_and_one_degree():
    found = Adjacency(np.array([4]), np.array([4]), NODES)
    assert found.entries == 1
    assert float(found(tf.eye(NODES))[4, 4]) == 1.0


def test_a_graph_without_edges_gives_nothing():
    none = np.empty(0, np.int64)
    assert not np.any(Adjacency(none, none, NODES)(tf.constant(some())))


@pytest.mark.parametrize("wrong", [-1, NODES])
def test_an_edge_to_no_node_is_refused(wrong):
    with pytest.raises(ValueError, match=rf"node {wrong}, and nodes are 0 \.\. 4"):
        Adjacency(np.array([0]), np.array([wrong]), NODES)


def test_the_gradient_is_the_same_product():
    adjacency, values = Adjacency(LEFT, RIGHT, NODES), tf.constant(some())
    upstream = tf.constant(some(seed=1))
    with tf.GradientTape() as tape:
        tape.watch(values)
        result = tf.reduce_sum(adjacency(values) * upstream)
    slope = tape.gradient(result, values)
    matrix = dense(LEFT, RIGHT, NODES)
    np.testing.assert_allclose(slope, matrix.T @ upstream, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_the_layer_mean_and_its_gradient(layers):
    """Equation 8 with alpha = 1 / (layers + 1), each layer written out."""
    adjacency, start = Adjacency(LEFT, RIGHT, NODES), some()
    matrix = dense(LEFT, RIGHT, NODES)
    powers = [np.linalg.matrix_power(matrix, k) for k in range(layers + 1)]
    mean = np.mean(powers, axis=0)
    values, upstream = tf.constant(start), some(seed=1)

    @tf.function
    def both(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = layer_mean(adjacency, values, layers)
            total = tf.reduce_sum(result * upstream)
        return result, tape.gradient(total, values)

    result, slope = both(values)
    np.testing.assert_allclose(result, mean @ start, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slope, mean.T @ upstream, rtol=1e-5, atol=1e-6)


def test_a_sparse_gradient_arrives_too():
    """As of a gather of the rows of a batch, with a row that occurs twice."""
    adjacency, values = Adjacency(LEFT, RIGHT, NODES), tf.constant(some())
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(tf.gather(layer_mean(adjacency, values, 2), [0, 2, 2]))
    matrix = dense(LEFT, RIGHT, NODES)
    mean = (np.eye(NODES) + matrix + matrix @ matrix) / 3
    upstream = np.array([1, 0, 2, 0, 0.0])[:, None] * np.ones(3)
    slope = tape.gradient(total, values)
    np.testing.assert_allclose(slope, mean @ upstream, rtol=1e-5, atol=1e-6)


def test_equation_7():
    layer = NeighbourInteraction(units=2, seed=0)
    adjacency, values = Adjacency(LEFT, RIGHT, NODES), some()
    found = layer(adjacency, tf.constant(values))
    first, second = (w.numpy() for w in layer.trainable_variables)
    matrix = dense(LEFT, RIGHT, NODES)
    near = matrix @ values
    expected = (near + values) @ first + (near * values) @ second
    expected = np.where(expected > 0, expected, 0.2 * expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert (expected < 0).any()


def test_message_dropout_is_of_training_alone():
    layer = NeighbourInteraction(units=40, seed=0, dropout=0.5)
    adjacency, values = Adjacency(LEFT, RIGHT, NODES), tf.constant(some())
    whole = layer(adjacency, values, training=False).numpy()
    dropped = layer(adjacency, values, training=True).numpy()
    kept = dropped != 0
    assert 0.2 < kept[:3].mean() < 0.8
    np.testing.assert_allclose(dropped[kept], 2 * whole[kept], rtol=1e-5)


def test_it_computes_in_full_precision_under_any_policy():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        layer = NeighbourInteraction(units=2, seed=0)
        found = layer(Adjacency(LEFT, RIGHT, NODES), tf.constant(some()))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert found.dtype == tf.float32
