"""Factorisation machine: Rendle 2010, equation 1."""

import clicks
import numpy as np

from tfrec.models.factorization.factorization_machine import FactorizationMachine


def test_equation_1(data, randomise):
    model, batch = FactorizationMachine(data.spec, dim=3), clicks.batch_of(data)
    model.ensure_built()
    randomise(model)
    found = clicks.fields(model.fields, batch)
    w, v = found[:, :, 0], found[:, :, 1:]
    expected = model.bias.numpy() + w.sum(axis=1) + clicks.pair_sum(v)
    clicks.agree(model, batch, expected)


def test_loss_and_step(data, randomise, check_step):
    """Log loss, and L2 on the distinct rows of a batch, w and v alike."""
    model = FactorizationMachine(data.spec, dim=2, l2=clicks.L2)
    model.ensure_built()
    randomise(model)
    batch = clicks.repeated_batch(data)
    weights = {**clicks.field_weights(model.fields), "b": model.bias}

    def loss(w: clicks.Weights) -> float:
        found = np.stack(clicks.vectors(w, model.fields, batch), axis=1)
        linear, v = found[:, :, 0].sum(axis=1), found[:, :, 1:]
        logit = w["b"] + linear + clicks.pair_sum(v)
        return clicks.log_loss(logit) + clicks.penalty(w, model.fields, batch)

    check_step(model, clicks.tensors(batch), weights, loss)
