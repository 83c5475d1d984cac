"""What the tests of click models share: fields and an MLP in plain NumPy."""

import numpy as np

from tfrec import keras
from tfrec.data.views import Pairs
from tfrec.features import Numeric
from tfrec.models.ranking._click import ClickModel

ROWS = 12
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
