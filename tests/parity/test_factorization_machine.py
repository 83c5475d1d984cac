"""Factorisation machine: Rendle 2010, equation 1."""

import clicks

from tfrec.models.factorization.factorization_machine import FactorizationMachine


def test_equation_1(data, randomise):
    model, batch = FactorizationMachine(data.spec, dim=3), clicks.batch_of(data)
    model.ensure_built()
    randomise(model)
    found = clicks.fields(model.fields, batch)
    w, v = found[:, :, 0], found[:, :, 1:]
    expected = model.bias.numpy() + w.sum(axis=1) + clicks.pair_sum(v)
    clicks.agree(model, batch, expected)
