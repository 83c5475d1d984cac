"""Logistic regression: Richardson et al. 2007, equation 5."""

import clicks

from tfrec.data.views import Pairs
from tfrec.models.ranking.logistic_regression import LogisticRegression


def test_equation_5(data, randomise):
    model, batch = LogisticRegression(data.spec), clicks.batch_of(data)
    model.ensure_built()
    randomise(model)
    weighted = clicks.fields(model.linear, batch)[:, :, 0]
    assert weighted.shape[1] == len(data.spec.columns)
    clicks.agree(model, batch, model.bias.numpy() + weighted.sum(axis=1))


def test_it_learns_labels_or_drawn_negatives(data):
    assert LogisticRegression(data.spec).view() == Pairs(4, binary=True)
    assert LogisticRegression(data.spec, negatives=0).view() == Pairs(0, binary=True)
