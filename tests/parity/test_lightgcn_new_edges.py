"""Models of a graph: training that goes on with other data has their edges."""

import numpy as np
import pytest

from tfrec import keras
from tfrec.models.graph.lightgcn import LightGCN
from tfrec.models.graph.ngcf import NGCF

SETTINGS = {
    LightGCN: {"dim": 4, "layers": 2},
    NGCF: {"dim": 4, "layers": (3,), "message_dropout": 0.0},
}


@pytest.mark.parametrize("cls", SETTINGS)
def test_a_step_after_new_data_goes_along_their_edges(data, randomise, cls):
    batch = next(iter(data.batches(cls(data.spec), 64)))
    fewer = data.take(data.item % 3 > 0)

    def made(events) -> keras.Model:
        model = cls(data.spec, **SETTINGS[cls])
        model.adapt(events)
        model.compile(keras.optimizers.SGD(1.0), steps_per_execution=1)
        return model

    model, fresh = made(data), made(fewer)
    randomise(model)
    model.train_on_batch(batch)
    model.adapt(fewer)
    pairs = zip(fresh.trainable_variables, model.trainable_variables, strict=True)
    for ours, theirs in pairs:
        ours.assign(theirs)
    start = model.nodes.embeddings.numpy()
    for each in (model, fresh):
        each.train_on_batch(batch)
    expected = fresh.nodes.embeddings.numpy()
    np.testing.assert_allclose(model.nodes.embeddings, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(expected - start).max() > 1e-4
