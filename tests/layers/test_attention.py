"""Attention over padded histories: masks, empty histories, slopes, statistics."""

from itertools import islice

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.layers.attention import (
    ActivationUnit,
    BilinearAttention,
    Dice,
    activation_layer,
    masked_softmax,
    weighted_sum,
)
from tfrec.layers.embedding import seed_stream
from tfrec.layers.mlp import mlp

MASK = tf.constant([[True, True, True], [True, False, False], [False, False, False]])
rng = np.random.default_rng(3)
HISTORY = tf.constant(rng.normal(size=(3, 3, 4)), tf.float32)
CANDIDATE = tf.constant(rng.normal(size=(3, 4)), tf.float32)


def unit(softmax: bool, activation: str = "dice") -> ActivationUnit:
    layer = ActivationUnit((5, 2), seed_stream(1), activation, softmax)
    layer(HISTORY, CANDIDATE, MASK)
    for number, variable in enumerate(layer.trainable_variables):
        values = np.random.default_rng(number).normal(0, 0.7, variable.shape)
        variable.assign(values)
    return layer


def bilinear() -> BilinearAttention:
    return BilinearAttention(4, seed=2)


every_attention = pytest.mark.parametrize(
    "make",
    [lambda: unit(False), lambda: unit(True), lambda: unit(False, "prelu"), bilinear],
    ids=["sum", "softmax", "prelu", "bilinear"],
)


@every_attention
def test_padding_has_no_weight(make):
    weights = make()(HISTORY, CANDIDATE, MASK).numpy()
    assert weights.shape == (3, 3)
    assert np.all(weights[~MASK.numpy()] == 0)
    assert np.all(weights[MASK.numpy()] != 0)


@every_attention
def test_more_padding_changes_no_weight(make):
    layer = make()
    weights = layer(HISTORY, CANDIDATE, MASK).numpy()
    longer = tf.concat([HISTORY, tf.fill([3, 2, 4], 9.0)], axis=1)
    mask = tf.pad(MASK, [[0, 0], [0, 2]])
    again = layer(longer, CANDIDATE, mask).numpy()
    np.testing.assert_allclose(again[:, :3], weights, rtol=1e-6)
    assert not again[:, 3:].any()


@every_attention
def test_a_row_does_not_depend_on_the_others(make):
    layer = make()
    weights = layer(HISTORY, CANDIDATE, MASK).numpy()
    for row in range(3):
        one = slice(row, row + 1)
        alone = layer(HISTORY[one], CANDIDATE[one], MASK[one])
        np.testing.assert_allclose(alone[0], weights[row], rtol=1e-5, atol=1e-7)


@every_attention
def test_a_history_without_any_column_has_no_weights(make):
    weights = make()(HISTORY[:, :0], CANDIDATE, MASK[:, :0])
    assert weights.shape == (3, 0)
    pooled = weighted_sum(weights, HISTORY[:, :0])
    assert pooled.numpy().tolist() == [[0] * 4] * 3


@every_attention
def test_slopes(make):
    layer = make()
    layer(HISTORY, CANDIDATE, MASK)

    def pooled(history: tf.Tensor, candidate: tf.Tensor) -> tf.Tensor:
        return weighted_sum(layer(history, candidate, MASK), history)

    for argument in (0, 1):
        given = [HISTORY, CANDIDATE]
        found, expected = tf.test.compute_gradient(
            lambda x, a=argument, g=given: pooled(*[*g[:a], x, *g[a + 1 :]]),
            [given[argument]],
            delta=2e-3,
        )
        assert np.abs(expected[0]).max() > 1e-2
        np.testing.assert_allclose(found[0], expected[0], atol=5e-3)


def test_a_softmax_sums_to_one_however_large_the_logits():
    logits = tf.constant([[1e4, 1e4 + 1, -1e4], [-1e30, 5.0, 5.0], [1.0, 2.0, 3.0]])
    weights = masked_softmax(logits, MASK).numpy()
    np.testing.assert_allclose(weights.sum(1), [1, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(weights[0, 1] / weights[0, 0], np.e, rtol=1e-4)
    assert weights[1].tolist() == [1, 0, 0]
    half = masked_softmax(tf.cast([[30000.0, -30000, 1]], tf.float16), MASK[:1])
    assert half.dtype == tf.float16
    assert half.numpy().tolist() == [[1, 0, 0]]


def test_dice_leaves_masked_entries_out_of_its_statistics():
    values = tf.constant([[[1.0], [3.0], [99.0]], [[5.0], [99.0], [99.0]]])
    mask = tf.constant([[True, True, False], [True, False, False]])
    layer, other = Dice(momentum=0.0), Dice(momentum=0.0)
    found = layer(values, mask=mask, training=True)
    expected = other(tf.constant([[1.0], [3.0], [5.0]]), training=True)
    np.testing.assert_allclose(layer.moving_mean, [3.0])
    np.testing.assert_allclose(layer.moving_variance, [8 / 3], rtol=1e-6)
    np.testing.assert_allclose(tf.boolean_mask(found, mask), expected, rtol=1e-6)


def test_dice_learns_nothing_of_a_batch_of_padding():
    layer = Dice()
    found = layer(tf.ones([2, 3, 1]), mask=tf.zeros([2, 3], tf.bool), training=True)
    assert np.isfinite(found).all()
    assert layer.moving_mean.numpy().tolist() == [0]
    assert layer.moving_variance.numpy().tolist() == [1]


def test_dice_predicts_with_its_averages_and_leaves_them():
    layer = Dice()
    values = tf.constant([[3.0], [7.0], [8.0]])
    found = layer(values, training=False)
    expected = values / (1 + tf.exp(-values))  # of mean 0 and variance 1
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert layer.moving_mean.numpy().tolist() == [0]
    assert layer.moving_variance.numpy().tolist() == [1]


@pytest.mark.parametrize("training", [False, True])
def test_slope_of_dice(training):
    layer = Dice(momentum=1.0)
    inputs = tf.constant(rng.normal(size=(6, 2)), tf.float32)
    layer(inputs)
    layer.alpha.assign([0.3, -0.2])
    found, expected = tf.test.compute_gradient(
        lambda x: layer(x, training=training), [inputs], delta=1e-2
    )
    np.testing.assert_allclose(found[0], expected[0], atol=2e-3)


@pytest.mark.parametrize("name", ["dice", "prelu", "relu"])
def test_a_sequence_of_any_length_has_the_same_activation(name):
    layer = activation_layer(name, sequence=True)
    layer(tf.ones([2, 3, 4]))
    values = tf.constant(rng.normal(size=(1, 5, 4)), tf.float32)
    single = layer(values[:, 2:3])
    np.testing.assert_allclose(layer(values)[:, 2:3], single, rtol=1e-6)


@pytest.mark.parametrize("name", ["dice", "prelu"])
def test_a_perceptron_learns_the_shape_of_its_activation(name):
    layer = mlp((3, 2, 1), seed_stream(0), activation=name, last=None)
    layer(tf.ones([4, 5]))
    shapes = [tuple(v.shape) for v in layer.trainable_variables]
    assert shapes == [(5, 3), (3,), (3,), (3, 2), (2,), (2,), (2, 1), (1,)]


def test_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        for layer in (ActivationUnit((5,), seed_stream(1)), bilinear()):
            extra = {"training": True} if isinstance(layer, ActivationUnit) else {}
            weights = layer(HISTORY, CANDIDATE, MASK, **extra)
            assert weights.dtype == tf.float16
            assert np.isfinite(weights).all()
            assert {v.dtype for v in layer.trainable_variables} == {tf.float32}
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_the_seed_decides_the_weights():
    def kernels(seed: int) -> list[np.ndarray]:
        layer = ActivationUnit((5, 2), seed_stream(seed))
        layer(HISTORY, CANDIDATE, MASK)
        return [v.numpy() for v in layer.trainable_variables if v.shape.rank == 2]

    for once, again, other in islice(
        zip(kernels(1), kernels(1), kernels(2), strict=True), 3
    ):
        np.testing.assert_array_equal(once, again)
        assert np.any(once != other)
