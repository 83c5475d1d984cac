"""Losses of whole batches: every example has its weight."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.models import registry

NAMES = (
    "autoencoder_cnn_recommender",
    "autorec",
    "cbow",
    "content2vec",
    "deep_coevolve",
    "gru4rec",
    "lightgcn",
    "matrix_factorization",
    "meta_prod2vec",
    "paragraph_vector",
    "skip_gram",
    "stacked_denoising_autoencoder",
    "youtube_dnn",
)
ROWS = 16


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_is_linear_in_the_weights_of_its_examples(name, data):
    model = registry.get(name)(data.spec)
    model.adapt(data)
    model.compile()
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0, 0.3, variable.shape))
    batch = next(iter(data.batches(model, ROWS)))
    count = len(batch[next(iter(batch))])
    some = (np.arange(count) % 3).astype(np.float32)

    def loss(weight: np.ndarray | None) -> float:
        given = None if weight is None else tf.constant(weight)
        return float(model.batch_loss(batch, given, False))

    plain, weighted = loss(None), loss(some)
    assert loss(np.ones(count, np.float32)) == pytest.approx(plain, rel=1e-5)
    assert loss(np.zeros(count, np.float32)) == pytest.approx(0, abs=1e-5)
    assert loss(2 - some) == pytest.approx(2 * plain - weighted, rel=1e-3)
    assert weighted != pytest.approx(plain, rel=1e-4)
