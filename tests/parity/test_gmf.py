"""GMF: He et al. 2017, equation 9."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras, optimizers
from tfrec.data.views import Pairs
from tfrec.models.ranking.gmf import GMF

USER, ITEM = np.array([2, 5, 2, 9, 1]), np.array([3, 3, 30, 1, 8])
TARGET = np.array([1.0, 0, 0, 1, 0], np.float32)
BATCH = {
    "user_id/index": tf.constant(USER, tf.int32),
    "movie_id/index": tf.constant(ITEM, tf.int32),
}


def logits(w: dict[str, np.ndarray]) -> np.ndarray:
    """``h . (p_u * q_i) + b``."""
    return (w["p"][USER] * w["q"][ITEM]) @ w["h"][:, 0] + w["b"][0]


def log_loss(logit: np.ndarray, target: np.ndarray) -> float:
    probability = 1 / (1 + np.exp(-logit))
    return -np.mean(
        target * np.log(probability) + (1 - target) * np.log(1 - probability)
    )


@pytest.fixture
def model(data, randomise):
    model = GMF(data.spec, dim=3)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: GMF) -> dict[str, tf.Variable]:
    return {
        "p": model.user_table.embeddings,
        "q": model.item_table.embeddings,
        "h": model.output_layer.kernel,
        "b": model.output_layer.bias,
    }


def values(model: GMF) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in weights(model).items()}


def test_equation_9(model):
    np.testing.assert_allclose(model(BATCH), logits(values(model)), rtol=1e-5)


def test_loss_and_step(model, check_step):
    def loss(w: dict[str, np.ndarray]) -> float:
        return log_loss(logits(w), TARGET)

    check_step(model, (BATCH, tf.constant(TARGET)), weights(model), loss)


def test_weights_of_examples_weigh_the_loss(model):
    weight = np.array([1.0, 0, 2, 0.5, 1])
    model.compile(run_eagerly=True)
    found = model.test_on_batch(BATCH, tf.constant(TARGET), tf.constant(weight))
    each = [log_loss(z, y) for z, y in zip(logits(values(model)), TARGET, strict=True)]
    assert found == pytest.approx(np.mean(weight * each), rel=1e-5)


def test_the_default_step_is_adam_s_on_the_rows_of_the_batch(model):
    start = values(model)
    model.compile(run_eagerly=True)
    assert type(model.optimizer) is optimizers.Adam
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    model.train_on_batch(BATCH, tf.constant(TARGET))
    error = (1 / (1 + np.exp(-logits(start))) - TARGET) / len(TARGET)
    slope = np.zeros_like(start["p"])
    np.add.at(slope, USER, error[:, None] * start["h"][:, 0] * start["q"][ITEM])
    # The first step of Adam, both moments being those of one gradient.
    root = np.sqrt(1 - 0.999)
    step = 1e-3 * root * slope / (root * np.abs(slope) + 1e-7)
    np.testing.assert_allclose(
        values(model)["p"], start["p"] - step, rtol=1e-5, atol=1e-6
    )


def test_it_learns_from_the_papers_negatives(model, data):
    assert GMF(data.spec).view() == Pairs(negatives=4)
    assert GMF(data.spec, negatives=7).view() == Pairs(negatives=7)
    loss = model.default_loss()
    assert isinstance(loss, keras.losses.BinaryCrossentropy)
    found = loss(TARGET, logits(values(model)))
    expected = log_loss(logits(values(model)), TARGET)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_it_starts_as_in_the_paper(data):
    """Factors from a normal of deviation .01 (section 4.1)."""
    factors = GMF(data.spec, dim=64).user_table(tf.range(42)).numpy()
    assert factors.std() == pytest.approx(0.01, rel=0.05)
    assert factors.mean() == pytest.approx(0, abs=1e-3)
