"""What the tests of click models share: fields and an MLP in plain NumPy."""

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.data.views import Pairs
from tfrec.features import Numeric
from tfrec.models.ranking._click import ClickModel

ROWS = 12
L2 = 0.05
CLICKS = np.array([1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0], np.float32)
Weights = dict[str, np.ndarray]
KINDS = {"categorical", "sequence", "text", "numeric"}


def batch_of(data) -> dict[str, np.ndarray]:
    """Late events with columns of every kind, the last of them of ids missing."""
    everything = next(iter(data.batches(Pairs(), 600, shuffle=False)))[0]
    assert {data.spec[n.partition("/")[0]].kind for n in everything} == KINDS
    batch = {name: values.numpy()[-ROWS:] for name, values in everything.items()}
    batch["age/index"][-1] = 0
    batch["history/index"][-1] = 0
    return batch


def fields(layer, batch: dict[str, np.ndarray]) -> np.ndarray:
    """``(rows, fields, width)``: rows of ids, means of bags, ``x v`` of numbers."""
    result = np.zeros((ROWS, len(layer.fields), int(next(iter(layer.tables)))))
    place = {name: number for number, name in enumerate(layer.numbers)}
    for number, name in enumerate(layer.fields):
        column = layer.spec[name]
        for row in range(ROWS):
            if isinstance(column, Numeric):
                x = (batch[name][row] - column.mean) / column.std
                result[row, number] = x * layer.scale.numpy()[place[name]]
                continue
            table = layer.tables[str(layer.widths[name])].numpy()
            index = batch[f"{name}/index"][row]
            if np.ndim(index) == 0:
                result[row, number] = table[index + layer.offsets[name]]
            elif np.any(index > 0):
                rows = table[index[index > 0] + layer.offsets[name]]
                result[row, number] = rows.mean(axis=0)
    return result


def pair_sum(v: np.ndarray) -> np.ndarray:
    """``sum_(i<j) <v_i, v_j>`` of ``(rows, fields, dim)``."""
    m = v.shape[1]
    pairs = [(i, j) for i in range(m) for j in range(i + 1, m)]
    return sum(np.sum(v[:, i] * v[:, j], axis=1) for i, j in pairs)


def relu_mlp(layer: keras.Sequential, x: np.ndarray) -> np.ndarray:
    """``(rows,)``: hidden layers with ReLU, the last without."""
    *hidden, last = layer.layers
    for dense in hidden:
        x = np.maximum(x @ dense.kernel.numpy() + dense.bias.numpy(), 0)
    return (x @ last.kernel.numpy() + last.bias.numpy())[:, 0]


def agree(model: ClickModel, batch: dict[str, np.ndarray], expected) -> None:
    """Asserts the logits of a model, which are not all nearly the same."""
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(model(batch), expected, rtol=1e-3, atol=1e-4)


# The same for weights that are given by name, as central differences need them.


def repeated_batch(data) -> dict[str, np.ndarray]:
    """Twelve events, some of which occur several times, with all of their ids."""
    batch = batch_of(data)
    rows = [0, 1, 2, 3, 4, 5, 0, 0, 3, 7, 8, 11]
    return {name: values[rows] for name, values in batch.items()}


def tensors(batch: dict[str, np.ndarray], *more: np.ndarray) -> tuple:
    """What a step of training takes: the batch, its clicks, and what follows."""
    features = {name: tf.constant(values) for name, values in batch.items()}
    return features, tf.constant(CLICKS), *map(tf.constant, more)


def field_weights(layer) -> dict[str, tf.Variable]:
    """The table of each width, and the vectors of the numbers."""
    found = {f"table {width}": table for width, table in layer.tables.items()}
    return {**found, "numbers": layer.scale} if layer.numbers else found


def mlp_weights(layer: keras.Sequential) -> dict[str, tf.Variable]:
    """Kernels and biases by the number of their layer."""
    found = {}
    for number, dense in enumerate(layer.layers):
        found[f"W{number}"], found[f"b{number}"] = dense.kernel, dense.bias
    return found


def vectors(w: Weights, layer, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
    """``(rows, width)`` of each field: see :func:`fields`."""
    found = {}
    for place, name in enumerate(layer.numbers):
        column = layer.spec[name]
        x = (batch[name] - column.mean) / column.std
        found[name] = x[:, None] * w["numbers"][place]
    for name, offset in layer.offsets.items():
        index = batch[f"{name}/index"]
        rows = w[f"table {layer.widths[name]}"][index + offset]
        if index.ndim == 2:
            real = (index > 0)[..., None]
            rows = (rows * real).sum(axis=1) / np.maximum(real.sum(axis=1), 1)
        found[name] = rows
    return [found[name] for name in layer.fields]


def penalty(w: Weights, layer, batch: dict[str, np.ndarray]) -> float:
    """``l2 / 2`` times the squared norm of the rows of a batch, each of them once.

    The row of padding is one of them. The vectors of numbers are in every batch.
    """
    total = np.sum(w["numbers"] ** 2) if layer.numbers else 0.0
    for width in {layer.widths[name] for name in layer.offsets}:
        used = [
            batch[f"{name}/index"].ravel() + offset
            for name, offset in layer.offsets.items()
            if layer.widths[name] == width
        ]
        used = np.concatenate(used)
        rows = np.unique(used)
        assert len(rows) < len(used)
        total += np.sum(w[f"table {width}"][rows] ** 2)
    return L2 / 2 * total


def network(w: Weights, x: np.ndarray) -> np.ndarray:
    """``(rows,)``: hidden layers with ReLU, the last without."""
    last = max(int(name[1:]) for name in w if name[0] == "W")
    for number in range(last):
        x = np.maximum(x @ w[f"W{number}"] + w[f"b{number}"], 0)
    return (x @ w[f"W{last}"] + w[f"b{last}"])[:, 0]


def log_loss(logit: np.ndarray, weight: np.ndarray | float = 1.0) -> float:
    """Mean of ``-log p`` of clicks and ``-log(1 - p)`` of the rest, weighted."""
    p = 1 / (1 + np.exp(-logit))
    return float(np.mean(weight * -np.log(np.where(CLICKS == 1, p, 1 - p))))
