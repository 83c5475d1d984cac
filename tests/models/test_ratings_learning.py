"""Models of ratings learned from real ones."""

import pytest

from tfrec import datasets
from tfrec.evaluation import Evaluator
from tfrec.evaluation.protocols import RatingPrediction
from tfrec.models import registry

pytestmark = pytest.mark.slow
BASELINE = ("bias_baseline", 4096, 10, {})
MODELS = {
    "svd_plus_plus": (512, 4, {}),
    "time_svd_plus_plus": (512, 4, {}),
    "factorized_neighborhood": (1024, 4, {"dim": 8, "learning_rate": 8e-3}),
    "temporal_tensor_factorization": (512, 4, {"l2": 0.1}),
}
FASTER = {"dim": 16, "learning_rate": 4e-3}


@pytest.fixture(scope="module")
def split():
    return datasets.load("movielens").split("random")


def error(split, name, batch_size, epochs, config):
    train, _, test = split
    model = registry.get(name)(train.spec, **config)
    model.compile()
    model.fit(train.batches(model, batch_size), epochs=epochs, verbose=0)
    return Evaluator(test, RatingPrediction(clip=(0.5, 5))).evaluate(model)["rmse"]


@pytest.fixture(scope="module")
def baseline(split):
    return error(split, *BASELINE)


@pytest.mark.parametrize("name", MODELS)
def test_ratings_are_predicted_better_than_by_biases(name, split, baseline):
    assert 0.85 < baseline < 0.95
    batch_size, epochs, config = MODELS[name]
    found = error(split, name, batch_size, epochs, {**FASTER, **config})
    margin = 0.995 if name == "factorized_neighborhood" else 0.99
    assert found < margin * baseline, f"{found:.4f} against {baseline:.4f}"


def test_when_it_was_rated_says_more(split):
    """Both at the epoch that the validation part chose."""
    found = [
        error(split, name, *MODELS[name][:2], {**FASTER, **MODELS[name][2]})
        for name in ("time_svd_plus_plus", "svd_plus_plus")
    ]
    assert found[0] < 0.995 * found[1], found
