"""Dropout: what it drops, and that a checkpoint says what it drops next."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers.dropout import Dropout

X = tf.constant(np.random.default_rng(4).normal(size=(50, 40)), tf.float32)


def test_values_are_dropped_or_scaled_up_and_the_mean_stays():
    dropped = Dropout(0.25, seed=3)(X, training=True).numpy()
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], X.numpy()[kept] / 0.75, rtol=1e-6)
    assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.25 * 0.75 / kept.size)


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.5, None), (0.0, True)])
def test_nothing_is_dropped_outside_of_training_or_at_rate_0(rate, training):
    np.testing.assert_array_equal(Dropout(rate, seed=3)(X, training=training), X)


def test_a_seed_is_a_stream_of_its_own():
    def stream(seed):
        layer = Dropout(0.5, seed)
        return [layer(X, training=True).numpy().tobytes() for _ in range(3)]

    same, again, near = stream(3), stream(3), stream(4)
    assert same == again
    assert len({*same, *near}) == 6


@pytest.mark.parametrize("wrapped", [lambda call: call, tf.function])
def test_a_checkpoint_goes_on_with_the_same_draws(wrapped, tmp_path):
    def step(layer):
        return wrapped(lambda: layer(X, training=True))

    layer = Dropout(0.5, seed=3)
    train = step(layer)
    train()
    assert layer.weights == []  # `.keras` files and parameter counts are without it
    path = tf.train.Checkpoint(layer=layer).write(str(tmp_path / "state"))
    expected = [train().numpy() for _ in range(2)]
    fresh = Dropout(0.5, seed=9)
    again = step(fresh)
    again()
    tf.train.Checkpoint(layer=fresh).read(path).assert_consumed()
    np.testing.assert_array_equal([again().numpy() for _ in range(2)], expected)
