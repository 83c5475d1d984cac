"""Models of ratings learned from real ones."""

from functools import cache

import pytest

from tfrec import datasets
from tfrec.evaluation import Evaluator
from tfrec.evaluation.protocols import RatingPrediction
from tfrec.models import registry

pytestmark = pytest.mark.slow
FASTER = {"dim": 16, "learning_rate": 4e-3}
MODELS = {
    "bias_baseline": (4096, 10, {}),
    "svd_plus_plus": (512, 4, FASTER),
    "time_svd_plus_plus": (512, 4, FASTER),
    "factorized_neighborhood": (1024, 4, {"dim": 8, "learning_rate": 8e-3}),
    "temporal_tensor_factorization": (512, 4, {**FASTER, "l2": 0.1}),
}


@cache
def error(name):
    """Of the test part; each model is trained once for all tests."""
    train, _, test = datasets.load("movielens").split("random")
    batch_size, epochs, config = MODELS[name]
    model = registry.get(name)(train.spec, **config)
    model.compile()
    model.fit(train.batches(model, batch_size), epochs=epochs, verbose=0)
    return Evaluator(test, RatingPrediction(clip=(0.5, 5))).evaluate(model)["rmse"]


@pytest.mark.parametrize("name", list(MODELS)[1:])
def test_ratings_are_predicted_better_than_by_biases(name):
    found, baseline = error(name), error("bias_baseline")
    assert 0.85 < baseline < 0.95
    margin = 0.995 if name == "factorized_neighborhood" else 0.99
    assert found < margin * baseline, f"{found:.4f} against {baseline:.4f}"


def test_when_it_was_rated_says_more():
    """Both at the epoch that the validation part chose."""
    assert error("time_svd_plus_plus") < 0.995 * error("svd_plus_plus")
