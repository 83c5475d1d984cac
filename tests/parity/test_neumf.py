"""NeuMF: He et al. 2017, equations 12 and 13."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.views import Pairs
from tfrec.models.ranking.gmf import GMF
from tfrec.models.ranking.mlp_recommender import MLPRecommender
from tfrec.models.ranking.neumf import NeuMF

USER, ITEM = np.array([2, 5, 2, 9, 1]), np.array([3, 3, 30, 1, 8])
TARGET = np.array([1.0, 0, 0, 1, 0], np.float32)
BATCH = {
    "user_id/index": tf.constant(USER, tf.int32),
    "movie_id/index": tf.constant(ITEM, tf.int32),
}
LAYERS = (6, 5, 4)


def logits(w: dict[str, np.ndarray]) -> np.ndarray:
    """``h . [p_u * q_i, MLP([p'_u; q'_i])] + b``."""
    z = np.concatenate([w["mlp p"][USER], w["mlp q"][ITEM]], axis=1)
    for layer in (1, 2):
        z = np.maximum(z @ w[f"W{layer}"] + w[f"b{layer}"], 0)
    both = np.concatenate([w["gmf p"][USER] * w["gmf q"][ITEM], z], axis=1)
    return both @ w["h"][:, 0] + w["b"][0]


@pytest.fixture
def model(data, randomise):
    model = NeuMF(data.spec, dim=3, layers=LAYERS)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: NeuMF) -> dict[str, tf.Variable]:
    first, second = model.mlp.layers
    return {
        "gmf p": model.gmf_user.embeddings,
        "gmf q": model.gmf_item.embeddings,
        "mlp p": model.mlp_user.embeddings,
        "mlp q": model.mlp_item.embeddings,
        "W1": first.kernel,
        "b1": first.bias,
        "W2": second.kernel,
        "b2": second.bias,
        "h": model.output_layer.kernel,
        "b": model.output_layer.bias,
    }


def test_equation_12(model):
    values = {name: variable.numpy() for name, variable in weights(model).items()}
    assert values["h"].shape == (3 + 4, 1)
    np.testing.assert_allclose(model(BATCH), logits(values), rtol=1e-4, atol=1e-6)


def test_loss_and_step(model, check_step):
    def loss(w: dict[str, np.ndarray]) -> float:
        probability = 1 / (1 + np.exp(-logits(w)))
        right = np.where(TARGET == 1, probability, 1 - probability)
        return -np.mean(np.log(right))

    check_step(model, (BATCH, tf.constant(TARGET)), weights(model), loss)


@pytest.mark.parametrize("alpha", [0.5, 0.2, 1.0])
def test_equation_13(model, data, randomise, alpha):
    """Started from its parts, its logit is their mean with weights alpha, 1 - alpha."""
    gmf = GMF(data.spec, dim=3)
    mlp = MLPRecommender(data.spec, layers=LAYERS)
    for seed, part in enumerate((gmf, mlp)):
        part.ensure_built()
        randomise(part, seed + 5)
    model.pretrain(gmf, mlp, alpha)
    expected = np.concatenate(
        [alpha * gmf.output_layer.kernel, (1 - alpha) * mlp.output_layer.kernel]
    )
    np.testing.assert_allclose(model.output_layer.kernel, expected, rtol=1e-6)
    mean = alpha * gmf(BATCH).numpy() + (1 - alpha) * mlp(BATCH).numpy()
    np.testing.assert_allclose(model(BATCH), mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("dim", "layers"), [(4, LAYERS), (3, (8, 5, 4)), (3, (6, 5)), (3, (6, 5, 4, 2))]
)
def test_parts_of_another_shape_are_refused_and_nothing_is_changed(
    model, data, dim, layers
):
    start = [variable.numpy() for variable in model.variables]
    parts = GMF(data.spec, dim=dim), MLPRecommender(data.spec, layers=layers)
    with pytest.raises(ValueError, match="train the part with the same dim and layers"):
        model.pretrain(*parts)
    for before, variable in zip(start, model.variables, strict=True):
        np.testing.assert_array_equal(before, variable.numpy())


def test_it_learns_from_the_papers_negatives(data):
    assert NeuMF(data.spec).view() == Pairs(negatives=4)
