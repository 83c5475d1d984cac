"""Full ranking of a model that searches: by its search, or exactly."""

import numpy as np
import pytest

from tfrec.evaluation import Evaluator, FullRanking, RankingCallback, searching
from tfrec.evaluation.full import search_recall
from tfrec.evaluation.ranking import ItemsOfUsers
from tfrec.models.retrieval.tree_deep_match import TreeDeepMatch


@pytest.fixture(scope="module")
def test(data):
    return data.split("leave_last_out")[2]


def model_of(data, beam: int) -> TreeDeepMatch:
    model = TreeDeepMatch(data.spec, beam=beam, seed=2)
    model.adapt(data)
    model.ensure_built()
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 0.5, variable.shape))
    return model


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_search_of_the_whole_tree_measures_what_all_scores_measure(
    data, test, exclude_seen
):
    model = model_of(data, beam=32)
    searched, exact = (
        Evaluator(test, FullRanking((5, 10), exclude_seen, exact=exact)).evaluate(model)
        for exact in (False, True)
    )
    assert searched.metrics == pytest.approx(exact.metrics)
    assert searched["recall@10"] > 0
    assert "every item scored" in exact.protocol
    assert "every item scored" not in searched.protocol


def test_a_narrow_search_is_what_is_measured(data, test, monkeypatch):
    model = model_of(data, beam=1)
    narrow = Evaluator(test, FullRanking(1)).evaluate(model)
    exact = Evaluator(test, FullRanking(1, exact=True)).evaluate(model)
    assert narrow.metrics != exact.metrics
    monkeypatch.setattr(searching, "ROWS", 7)  # the last block of 40 users is shorter
    blocks = Evaluator(test, FullRanking(1)).evaluate(model)
    assert blocks.metrics == pytest.approx(narrow.metrics)


def test_seen_items_are_never_found(data, test):
    """With all items asked for, those left are found and nothing else."""
    model = model_of(data, beam=1)
    seen = ItemsOfUsers.of(test.past)
    users = np.unique(test.user)
    ranked = searching.Searcher(model, 30)(
        users,
        lambda some: test.queries(some, model.query_columns),
        model.catalogue_state(),
        seen,
    )
    for row, user in enumerate(users):
        taken = set(seen.columns[seen.start[user] : seen.start[user + 1]])
        found = ranked.columns[row]
        assert set(found) - {-1} == set(range(30)) - taken
        assert np.all(found[30 - len(taken) :] == -1)
        np.testing.assert_array_equal(np.isneginf(ranked.scores[row]), found == -1)


def test_recall_of_a_search_is_the_share_of_the_exact_answer_it_finds(data, test):
    wide, narrow = (model_of(data, beam) for beam in (32, 1))
    protocol = FullRanking((1, 3))
    assert search_recall(wide, test, protocol) == {1: 1, 3: 1}
    users = np.unique(test.user)
    queries = test.queries(users, narrow.query_columns)
    scores = narrow.catalogue_scores(queries, narrow.catalogue_state()).numpy()
    none = np.zeros((len(users), 0), np.int32)
    seen = ItemsOfUsers.of(test.past)
    shares: dict[int, list[float]] = {1: [], 3: []}
    for row, user in enumerate(users):
        taken = seen.columns[seen.start[user] : seen.start[user + 1]]
        scores[row, taken] = -np.inf
        one = {name: values[row : row + 1] for name, values in queries.items()}
        found, _ = narrow.search(
            one, 3, (taken + 2)[None], none[row : row + 1], narrow.catalogue_state()
        )
        best = np.argsort(-scores[row])[:3] + 2
        for k, of_users in shares.items():
            of_users.append(np.isin(best[:k], found[0, :k]).mean())
    expected = {k: np.mean(of_users) for k, of_users in shares.items()}
    assert 0 < expected[3] < 1
    assert search_recall(narrow, test, protocol) == pytest.approx(expected)


def test_it_searches_anew_after_every_epoch(data, test):
    model = TreeDeepMatch(data.spec, learn_tree=1, negatives=20, beam=4)
    model.compile()
    callback = RankingCallback(test)
    model.fit(data.batches(model, 200), epochs=3, callbacks=[callback], verbose=0)
    assert len({result["ndcg@10"] for _, result in callback.results}) > 1


def test_a_cutoff_stays_within_the_catalogue(data, test):
    with pytest.raises(ValueError, match=r"k=31 is not between 1 and .* 30 items"):
        Evaluator(test, FullRanking(31)).evaluate(model_of(data, beam=2))
