"""Item embeddings learned from real ratings."""

import pytest

from tfrec import datasets
from tfrec.evaluation import Evaluator, FullRanking
from tfrec.models import registry


@pytest.fixture(scope="module")
def split():
    data = datasets.load("movielens", history=10)
    return data.with_spec(data.spec.select("user_id", "history", "genres")).split(
        "leave_last_out"
    )


@pytest.mark.parametrize("name", ["skip_gram", "cbow", "meta_prod2vec"])
def test_the_next_film_is_found_more_often_than_by_popularity(name, split):
    train, valid, _ = split
    found = {}
    for model in (
        registry.get("popularity")(train.spec),
        registry.get(name)(train.spec, share_negatives=64, learning_rate=0.005),
    ):
        model.compile()
        model.fit(train.batches(model, 1024), epochs=8, verbose=0)
        result = Evaluator(valid, FullRanking(20)).evaluate(model)
        found[type(model).__name__] = result["recall@20"]
    popularity = found.pop("Popularity")
    assert popularity > 0.05
    assert min(found.values()) > 1.15 * popularity
