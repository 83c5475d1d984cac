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


def test_loss_and_step(data, randomise, check_step):
    """Log loss, and L2 on the distinct weights of a batch."""
    model = LogisticRegression(data.spec, l2=clicks.L2)
    model.ensure_built()
    randomise(model)
    batch = clicks.repeated_batch(data)
    weights = {**clicks.field_weights(model.linear), "b": model.bias}

    def loss(w: clicks.Weights) -> float:
        logit = w["b"] + sum(clicks.vectors(w, model.linear, batch))[:, 0]
        return clicks.log_loss(logit) + clicks.penalty(w, model.linear, batch)

    check_step(model, clicks.tensors(batch), weights, loss)


def test_it_learns_labels_or_drawn_negatives(data):
    assert LogisticRegression(data.spec).view() == Pairs(4, binary=True)
    assert LogisticRegression(data.spec, negatives=0).view() == Pairs(0, binary=True)
