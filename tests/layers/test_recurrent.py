"""Recurrence over padded histories: masks, lengths, slopes, one compiled loop."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.layers.recurrent import AUGRU, InterestExtractor, auxiliary_loss

rng = np.random.default_rng(5)
STEPS = tf.constant(rng.normal(size=(3, 4, 5)), tf.float32)
ATTENTION = tf.constant(
    [[0.1, 0.5, 0.2, 0.2], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
)
MASK = ATTENTION > 0


def test_a_step_without_attention_changes_nothing():
    layer = AUGRU(2, seed=1)
    last = layer(STEPS, ATTENTION).numpy()
    assert last.shape == (3, 2)
    np.testing.assert_array_equal(last[2], [0, 0])
    once = layer(STEPS[1:2, :1], ATTENTION[1:2, :1])
    np.testing.assert_allclose(last[1:2], once, rtol=1e-6)
    longer = tf.concat([STEPS, tf.fill([3, 3, 5], 7.0)], axis=1)
    again = layer(longer, tf.pad(ATTENTION, [[0, 0], [0, 3]]))
    np.testing.assert_array_equal(again, last)


def test_a_history_without_any_column_is_the_first_state():
    augru, gru = AUGRU(2), InterestExtractor(2)
    augru(STEPS, ATTENTION)
    assert augru.project(STEPS[:, :0]).shape == (3, 0, 6)
    states = gru(STEPS[2:], MASK[2:]).numpy()
    assert not states.any()


def test_padding_repeats_the_state_before_it():
    layer = InterestExtractor(3, seed=2)
    states = layer(STEPS, MASK).numpy()
    assert states.shape == (3, 4, 3)
    np.testing.assert_array_equal(states[1, 1:], states[1, :1].repeat(3, axis=0))
    np.testing.assert_allclose(
        layer(STEPS[1:2, :1], MASK[1:2, :1]), states[1:2, :1], rtol=1e-5
    )
    gap = tf.constant([[True, False, True, True]])
    skipped = layer(STEPS[:1], gap)[:, -1]
    left_out = tf.gather(STEPS[:1], [0, 2, 3], axis=1)
    plain = layer(left_out, tf.ones([1, 3], tf.bool))[:, -1]
    np.testing.assert_allclose(skipped, plain, rtol=1e-5)


@pytest.mark.parametrize("row", [0, 1])
def test_slopes(row):
    layer = AUGRU(2, seed=1)
    layer(STEPS, ATTENTION)
    steps, attention = STEPS[row : row + 1], ATTENTION[row : row + 1]
    for function, given in (
        (lambda x: layer(x, attention), steps),
        (lambda a: layer(steps, a), attention),
    ):
        found, expected = tf.test.compute_gradient(function, [given], delta=1e-2)
        assert np.abs(expected[0]).max() > 1e-3
        np.testing.assert_allclose(found[0], expected[0], atol=1e-3)


def test_slopes_of_the_weights_within_a_compiled_loop():
    layer = AUGRU(2, seed=1)
    layer(STEPS, ATTENTION)

    @tf.function
    def slopes() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(layer(STEPS, ATTENTION)))
        return tape.gradient(loss, layer.trainable_variables)

    operations = {
        op.type for op in slopes.get_concrete_function().graph.get_operations()
    }
    assert operations & {"While", "StatelessWhile"}
    for variable, slope in zip(layer.trainable_variables, slopes(), strict=True):
        place = (0,) * variable.shape.rank
        start, ends = variable.numpy(), []
        for nudge in (1e-2, -1e-2):
            moved = start.copy()
            moved[place] += nudge
            variable.assign(moved)
            ends.append(float(tf.reduce_sum(tf.square(layer(STEPS, ATTENTION)))))
        variable.assign(start)
        expected = (ends[0] - ends[1]) / 2e-2
        assert slope.numpy()[place] == pytest.approx(expected, abs=2e-4)


def test_the_auxiliary_loss_counts_real_steps_only():
    states, following, drawn = (
        tf.constant(rng.normal(size=(2, 3, 4)), tf.float32) for _ in range(3)
    )
    mask = tf.constant([[True, True, False], [False, False, False]])
    loss = auxiliary_loss(states, following, drawn, mask)
    shown = auxiliary_loss(
        states[:1, :2], following[:1, :2], drawn[:1, :2], mask[:1, :2]
    )
    assert float(loss) == pytest.approx(float(shown), rel=1e-6)
    nothing = auxiliary_loss(states, following, drawn, tf.zeros([2, 3], tf.bool))
    assert float(nothing) == 0
    empty = auxiliary_loss(*(x[:, :0] for x in (states, following, drawn, mask)))
    assert float(empty) == 0
    huge = auxiliary_loss(states, following * 1e4, drawn * 1e4, mask)
    assert np.isfinite(huge)


def test_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        last = AUGRU(2)(STEPS, ATTENTION)
        states = InterestExtractor(2)(STEPS, MASK)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert last.dtype == states.dtype == tf.float16
    assert np.isfinite(last).all()
    assert np.isfinite(states).all()
