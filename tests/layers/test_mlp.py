"""Where normalisation, activation, bias and dropout stand in an MLP."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.layers.embedding import seed_stream
from tfrec.layers.mlp import mlp

X = tf.constant(np.random.default_rng(1).normal(size=(6, 3)), tf.float32)


def kinds(layer: keras.Sequential) -> list[str]:
    return [type(part).__name__ for part in layer.layers]


def test_hidden_layers_are_normalised_before_their_activation():
    layer = mlp((4, 5, 1), seed_stream(0), last=None, batch_norm=True, dropout=0.5)
    hidden = ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert kinds(layer) == [*hidden, *hidden, "Dense"]
    layer(X)
    dense = [part for part in layer.layers if isinstance(part, keras.layers.Dense)]
    # The shift of the normalisation is the bias.
    assert [part.use_bias for part in dense] == [False, False, True]
    assert [part.activation.__name__ for part in dense] == ["linear"] * 3


def test_a_normalised_layer_by_hand():
    layer = mlp((4, 1), seed_stream(0), last=None, batch_norm=True)
    layer(X)
    dense, norm, _, last = layer.layers
    norm.gamma.assign([1.0, -2, 0.5, 3])
    norm.beta.assign([0.1, 0.2, -0.3, 0])
    drawn = X.numpy() @ dense.kernel.numpy()
    scaled = (drawn - drawn.mean(0)) / np.sqrt(drawn.var(0) + norm.epsilon)
    hidden = np.maximum(norm.gamma.numpy() * scaled + norm.beta.numpy(), 0)
    expected = hidden @ last.kernel.numpy() + last.bias.numpy()
    np.testing.assert_allclose(layer(X, training=True), expected, atol=1e-5)


def test_without_normalisation():
    layer = mlp((4, 1), seed_stream(0), last=None)
    assert kinds(layer) == ["Dense", "Dense"]
    layer(X)
    first, last = layer.layers
    hidden = np.maximum(X.numpy() @ first.kernel.numpy() + first.bias.numpy(), 0)
    expected = hidden @ last.kernel.numpy() + last.bias.numpy()
    np.testing.assert_allclose(layer(X), expected, atol=1e-6)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_last_layer_without_bias(batch_norm):
    layer = mlp((4, 1), seed_stream(0), last_bias=False, batch_norm=batch_norm)
    assert not layer.layers[-1].use_bias
    assert layer.layers[0].use_bias == (not batch_norm)
