"""Held-out events of one class have no AUC, and that is said."""

import dataclasses

import numpy as np
import pytest

from tfrec.evaluation import BinaryClassification, Evaluator, RankingCallback
from tfrec.models.ranking.logistic_regression import LogisticRegression


def labelled(data, values):
    columns = {**data.columns, "rating": np.asarray(values, np.float32)}
    return dataclasses.replace(data, columns=columns)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_refused_in_a_sentence(data, label):
    held_out = labelled(data.take(np.arange(50)), np.full(50, label))
    sentence = f"AUC needs both classes, and all 50 labels are {label}: evaluate on"
    model = LogisticRegression(data.spec, negatives=0)
    with pytest.raises(ValueError, match=sentence):
        Evaluator(held_out, BinaryClassification()).evaluate(model)
    train = labelled(data, data.label > 3)
    model.compile()
    callback = RankingCallback(held_out, BinaryClassification())
    with pytest.raises(ValueError, match=sentence):
        model.fit(train.batches(model, 128), callbacks=[callback], verbose=0)


def test_both_classes_have_finite_metrics(data):
    clicks = labelled(data, data.label > 3)
    model = LogisticRegression(data.spec, negatives=0)
    result = Evaluator(clicks, BinaryClassification()).evaluate(model)
    assert all(np.isfinite(value) for value in result.metrics.values())
