"""PNN: Qu et al. 2016, equations 2 to 9 and 14."""

import clicks
import numpy as np
import pytest

from tfrec.models.ranking.pnn import PNN

DIM = 3


def inner(f: np.ndarray) -> np.ndarray:
    """``<f_i, f_j>`` for i < j."""
    m = f.shape[1]
    pairs = [(i, j) for i in range(m) for j in range(i + 1, m)]
    return np.stack([np.sum(f[:, i] * f[:, j], axis=1) for i, j in pairs], axis=1)


def outer(f: np.ndarray) -> np.ndarray:
    """The superposition of ``f_i f_j'`` over all i and j."""
    total = np.zeros((len(f), DIM, DIM))
    for i in range(f.shape[1]):
        for j in range(f.shape[1]):
            total += f[:, i, :, None] * f[:, j, None, :]
    return total.reshape(len(f), -1)


PRODUCTS = pytest.mark.parametrize(
    ("products", "parts"),
    [("inner", (inner,)), ("outer", (outer,)), ("both", (inner, outer))],
)


@PRODUCTS
def test_products(data, randomise, products, parts):
    model = PNN(data.spec, dim=DIM, layers=(6, 5), products=products)
    model.ensure_built()
    randomise(model)
    batch = clicks.batch_of(data)
    f = clicks.fields(model.fields, batch)
    x = np.concatenate([f.reshape(len(f), -1), *(p(f) for p in parts)], axis=1)
    assert model.mlp.layers[0].kernel.shape == (x.shape[1], 6)
    clicks.agree(model, batch, clicks.relu_mlp(model.mlp, x))


@PRODUCTS
def test_loss_and_step(data, randomise, check_step, products, parts):
    """Log loss, and L2 on the distinct rows of a batch."""
    model = PNN(data.spec, dim=DIM, layers=(5, 4), products=products, l2=clicks.L2)
    model.ensure_built()
    randomise(model)
    batch = clicks.repeated_batch(data)
    weights = {**clicks.field_weights(model.fields), **clicks.mlp_weights(model.mlp)}

    def loss(w: clicks.Weights) -> float:
        f = np.stack(clicks.vectors(w, model.fields, batch), axis=1)
        x = np.concatenate([f.reshape(len(f), -1), *(p(f) for p in parts)], axis=1)
        logit = clicks.network(w, x)
        return clicks.log_loss(logit) + clicks.penalty(w, model.fields, batch)

    check_step(model, clicks.tensors(batch), weights, loss)


def test_other_products_are_refused(data):
    with pytest.raises(ValueError, match="products"):
        PNN(data.spec, products="cross")
