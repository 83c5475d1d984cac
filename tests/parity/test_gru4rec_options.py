"""GRU4Rec: dropout of the vectors of items alone, and activations of scores."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.models.sequential.gru4rec import GRU4Rec


def test_vectors_of_items_are_dropped_in_training_alone(data, randomise):
    spec = data.spec.select("history")
    model = GRU4Rec(spec, layers=(20,), negatives=5, embedding_dropout=0.5)
    data = data.with_spec(spec)
    model.adapt(data)
    model.compile()
    randomise(model)
    features = dict(next(iter(data.batches(model, 8))))
    for name, value in features.items():  # eight lanes with the same event
        features[name] = tf.repeat(value[:1], 8, axis=0)
    spread = []
    for training in (True, False):
        model.batch_loss(features, None, training)
        spread.append(np.ptp(model.lanes.variables[0].numpy(), axis=0).max())
    assert spread[0] > 0.1
    assert spread[1] < 1e-5


@pytest.mark.parametrize("loss", ["bpr_max", "cross_entropy"])
def test_the_activation_of_scores(data, loss):
    """Cross-entropy takes the scores as they are."""
    scores = np.array([-2.0, 0.0, 3.0], np.float32)
    expected = {
        "elu": np.where(scores > 0, scores, np.expm1(scores)),
        "tanh": np.tanh(scores),
        "linear": scores,
    }
    for activation, activated in expected.items():
        model = GRU4Rec(data.spec.select("history"), loss=loss, activation=activation)
        found = model._activated(tf.constant(scores))
        if loss == "cross_entropy":
            activated = scores
        np.testing.assert_allclose(found, activated, rtol=1e-6)


def test_hidden_units_that_are_dropped_are_so_in_the_state(data, randomise):
    spec = data.spec.select("history")
    model = GRU4Rec(spec, layers=(50,), negatives=5, hidden_dropout=0.5)
    data = data.with_spec(spec)
    model.adapt(data)
    model.compile()
    randomise(model)
    shares = []
    for training in (True, False):
        model.batch_loss(next(iter(data.batches(model, 8))), None, training)
        shares.append(np.mean(model.lanes.variables[0].numpy() == 0))
    assert 0.4 < shares[0] < 0.6
    assert shares[1] == 0
