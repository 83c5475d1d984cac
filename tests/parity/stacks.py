"""A stacked denoising autoencoder in plain NumPy, over dense rows."""

import numpy as np
import tensorflow as tf


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def stack_weights(network) -> dict[str, tf.Variable]:
    """Weights of a ``StackedAutoencoder``: encoders W, b and decoders D, c by layer."""
    found = {"W0": network.kernel, "b0": network.bias}
    for number, dense in enumerate(network.encoders, 1):
        found[f"W{number}"], found[f"b{number}"] = dense.kernel, dense.bias
    for number, dense in enumerate(network.decoders):
        found[f"D{number}"], found[f"c{number}"] = dense.kernel, dense.bias
    return found


def encode(w, x, depth):
    for number in range(depth):
        x = sigmoid(x @ w[f"W{number}"] + w[f"b{number}"])
    return x


def decode(w, code, depth):
    """To logits of the row."""
    for number in reversed(range(depth)):
        logits = code @ w[f"D{number}"] + w[f"c{number}"]
        code = sigmoid(logits)
    return logits


def one_layer(w, number, x):
    """Logits of what goes into a layer, from what goes into it noisy."""
    hidden = sigmoid(x @ w[f"W{number}"] + w[f"b{number}"])
    return hidden @ w[f"D{number}"] + w[f"c{number}"]


def others_than(number, weights):
    """Names of the weights of all other layers."""
    return tuple(name for name in weights if int(name[1:]) != number)


def kept(shape, rate, seed):
    """Where masking noise of a step leaves values as they are."""
    return tf.random.stateless_uniform(shape, seed).numpy() >= rate


def noisy_entries(entries, rate, seed):
    """``(rows, columns)`` noise factors of sparse rows: 0 where one is struck out."""
    factors = np.ones((int(entries.rows), 1 + int(tf.reduce_max(entries.ids))))
    column = entries.ids.numpy()[entries.place.numpy()]
    factors[entries.row.numpy(), column] = kept(entries.value.shape, rate, seed)
    return factors
