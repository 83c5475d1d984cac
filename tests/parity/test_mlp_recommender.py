"""The MLP of neural collaborative filtering: He et al. 2017, equation 10."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.views import Pairs
from tfrec.models.ranking.mlp_recommender import MLPRecommender

USER, ITEM = np.array([2, 5, 2, 9, 1]), np.array([3, 3, 30, 1, 8])
TARGET = np.array([1.0, 0, 0, 1, 0], np.float32)
BATCH = {
    "user_id/index": tf.constant(USER, tf.int32),
    "movie_id/index": tf.constant(ITEM, tf.int32),
}


def logits(w: dict[str, np.ndarray]) -> np.ndarray:
    """``z_1 = [p_u; q_i]``, ``z_l = relu(W_l z_(l-1) + b_l)``, ``h . z_L + b``."""
    z = np.concatenate([w["p"][USER], w["q"][ITEM]], axis=1)
    for layer in (1, 2):
        z = np.maximum(z @ w[f"W{layer}"] + w[f"b{layer}"], 0)
    return z @ w["h"][:, 0] + w["b"][0]


@pytest.fixture
def model(data, randomise):
    model = MLPRecommender(data.spec, layers=(6, 5, 4))
    model.ensure_built()
    randomise(model)
    return model


def weights(model: MLPRecommender) -> dict[str, tf.Variable]:
    first, second = model.mlp.layers
    return {
        "p": model.user_table.embeddings,
        "q": model.item_table.embeddings,
        "W1": first.kernel,
        "b1": first.bias,
        "W2": second.kernel,
        "b2": second.bias,
        "h": model.output_layer.kernel,
        "b": model.output_layer.bias,
    }


def test_equation_10(model):
    values = {name: variable.numpy() for name, variable in weights(model).items()}
    assert values["p"].shape == (42, 3)
    assert values["W1"].shape == (6, 5)
    np.testing.assert_allclose(model(BATCH), logits(values), rtol=1e-4, atol=1e-6)


def test_loss_and_step(model, check_step):
    def loss(w: dict[str, np.ndarray]) -> float:
        probability = 1 / (1 + np.exp(-logits(w)))
        right = np.where(TARGET == 1, probability, 1 - probability)
        return -np.mean(np.log(right))

    check_step(model, (BATCH, tf.constant(TARGET)), weights(model), loss)


def test_it_learns_from_the_papers_negatives_with_its_layers(data):
    model = MLPRecommender(data.spec)
    assert model.view() == Pairs(negatives=4)
    assert model.config.layers == (64, 32, 16, 8)
