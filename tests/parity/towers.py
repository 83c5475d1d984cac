"""What the tests of two towers share: towers and their loss in plain NumPy."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfrec import keras

Weights = dict[str, np.ndarray]


def dense_weights(side: str, layer: keras.Sequential) -> dict[str, tf.Variable]:
    """Kernels and biases of a tower, by the number of their layer."""
    found = {}
    for number, dense in enumerate(layer.layers):
        found[f"{side} W{number}"] = dense.kernel
        if dense.use_bias:
            found[f"{side} b{number}"] = dense.bias
    return found


def mean(table: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Mean over what is not padding; 0 where all is."""
    mask = (indices > 0)[..., None]
    return (table[indices] * mask).sum(1) / np.maximum(mask.sum(1), 1)


def tower(w: Weights, side: str, x: np.ndarray, activation: Callable) -> np.ndarray:
    last = max(int(name[3:]) for name in w if name.startswith(f"{side} W"))
    for number in range(last + 1):
        x = x @ w[f"{side} W{number}"] + w.get(f"{side} b{number}", 0.0)
        x = activation(x) if number < last else x
    return x


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def in_batch_loss(
    similarity: np.ndarray, item: np.ndarray, share: np.ndarray | None, hard: int | None
) -> float:
    """``-sum_i log softmax_j(s_ij - log p_j)[i]``, a row's own item once only."""
    logits = similarity if share is None else similarity - np.log(share[item])
    total = 0.0
    for row, own in enumerate(logits.diagonal()):
        others = np.sort(logits[row][item != item[row]])[::-1][:hard]
        total -= own - np.log(np.exp(own) + np.exp(others).sum())
    return total
