"""Full ranking: by hand, against brute force, and in blocks of any size."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfrec import metrics
from tfrec.evaluation import Evaluator, FullRanking, Report
from tfrec.evaluation.ranking import WORKERS, ItemsOfUsers, Ranker, block_rows, hits
from tfrec.models import registry


def test_by_hand(tiny, tiny_model):
    # ann has seen a, so her list is b c d: both relevant items stand on ranks 1 and 2.
    # bob has seen a and b, so his is c d e, and f is not on it.
    result = Evaluator(tiny, FullRanking(k=(1, 3))).evaluate(tiny_model)
    per_user = {name: list(values) for name, values in result.per_user.items()}
    first = tiny.spec.user_column.first
    assert list(result.user) == [first, first + 1]
    assert per_user["recall@1"] == [1 / 2, 0]
    assert per_user["recall@3"] == [1, 0]
    assert per_user["precision@3"] == [2 / 3, 0]
    assert per_user["ndcg@3"] == [1, 0]
    assert per_user["mrr@3"] == [1, 0]
    assert per_user["map@3"] == [1, 0]
    assert result["recall@3"] == 1 / 2
    # Two users at 1 and 0: variance 1/2, divided by two users
    assert result.standard_error["recall@3"] == pytest.approx(math.sqrt(1 / 2 / 2))
    assert result["coverage@3"] == 4 / 6
    # b and c have one training event each, a two, d to f none
    assert result["popularity@3"] == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_everyone_who_is_left_out_is_counted(tiny, tiny_model):
    result = Evaluator(tiny, FullRanking(k=3)).evaluate(tiny_model, "falling")
    assert (result.model, result.data, result.users) == ("falling", "tiny", 2)
    assert result.events == 3  # b and c of ann, f of bob
    assert result.cold_users == 2  # cat has no past, eve is unknown
    assert result.left_out == {
        "item outside the vocabulary": 1,
        "user cold": 2,
        "repeated": 1,
        "item seen before": 1,
    }
    assert result.seconds > 0


def test_cold_users_can_be_included_but_not_unknown_ones(tiny, tiny_model):
    result = Evaluator(tiny, FullRanking(k=3, users="all")).evaluate(tiny_model)
    assert result.users == 3
    assert result.cold_users == 1
    assert list(result.per_user["recall@3"]) == [1, 0, 1]  # a is first for cat
    assert "cold users included" in result.protocol


def test_seen_items_can_be_ranked_too(tiny, tiny_model):
    result = Evaluator(tiny, FullRanking(k=3, exclude_seen=False)).evaluate(tiny_model)
    assert list(result.per_user["recall@3"]) == [1, 0]  # a b c of ann
    assert result.events == 4
    assert "item seen before" not in result.left_out


def test_low_labels_are_not_relevant(tiny, tiny_model):
    result = Evaluator(tiny, FullRanking(k=1, min_label=3)).evaluate(tiny_model)
    assert list(result.per_user["recall@1"]) == [1, 0]  # c of ann has label 2
    assert result.left_out["label too low"] == 2


def test_some_items_alone_can_be_ranked(tiny, tiny_model):
    # Of a c e f, ann has seen a and bob too: her list is c e f, his c e f as well.
    first = tiny.spec.item_column.first
    among = tuple(first + column for column in (0, 2, 4, 5))
    result = Evaluator(tiny, FullRanking(k=(1, 3), among=among)).evaluate(tiny_model)
    per_user = {name: list(values) for name, values in result.per_user.items()}
    assert per_user["recall@1"] == [1, 0]  # c of ann; b is not ranked
    assert per_user["recall@3"] == [1, 1]
    assert per_user["mrr@3"] == [1, 1 / 3]
    assert result.left_out["item not ranked"] == 3
    # Three of the four that can be recommended are, each once for either user.
    assert result["coverage@3"] == 3 / 4
    assert result["gini@3"] == pytest.approx(metrics.gini([[1, 2, 3]] * 2, 4))
    assert "full ranking of 4 items of the catalogue" in result.protocol
    with pytest.raises(ValueError, match="k=5 is more than the 4 items to rank among"):
        FullRanking(k=5, among=among)


@pytest.fixture(scope="module")
def tied_model(tiny, from_scores):
    """Keeps its graph, whatever scores it is given."""
    return from_scores(tiny, np.zeros((4, 6)))


def brute_force(data, matrix, k):
    """Recall and NDCG with loops and a sort: means over the ranks of tied items."""
    first_user, first_item = data.spec.user_column.first, data.spec.item_column.first
    recalls, ndcgs, lists = [], [], []
    for user in np.unique(data.user):
        seen = set(data.past.item[data.past.user == user])
        relevant = set(data.item[data.user == user]) - seen
        if not seen or not relevant:
            continue
        order = np.argsort(-matrix[user - first_user], kind="stable") + first_item
        ranked = [item for item in order if item not in seen][:k]
        found, gain = 0.0, 0.0
        for item in relevant:
            scores = matrix[user - first_user]
            others = [scores[i - first_item] for i in order if i not in seen]
            own = scores[item - first_item]
            above, n = sum(s > own for s in others), sum(s == own for s in others)
            ranks = [rank for rank in range(above + 1, above + n + 1) if rank <= k]
            found += len(ranks) / n
            gain += sum(1 / math.log2(rank + 1) for rank in ranks) / n
        ideal = range(1, min(k, len(relevant)) + 1)
        recalls.append(found / len(relevant))
        ndcgs.append(gain / sum(1 / math.log2(r + 1) for r in ideal))
        lists.append(ranked)
    return np.array(recalls), np.array(ndcgs), lists


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [1, 7, 50])
def test_brute_force(world, from_scores, ties, k):
    rng = np.random.default_rng(k)
    matrix = rng.integers(0, 3, (60, 50)) if ties else rng.normal(size=(60, 50))
    result = Evaluator(world, FullRanking(k=k)).evaluate(from_scores(world, matrix))
    recalls, ndcgs, lists = brute_force(world, matrix, k)
    assert result.users == len(recalls) < 60
    assert result.cold_users == 12
    np.testing.assert_allclose(result.per_user[f"recall@{k}"], recalls)
    np.testing.assert_allclose(result.per_user[f"ndcg@{k}"], ndcgs)
    assert result[f"coverage@{k}"] == len({i for row in lists for i in row}) / 50


# Scores of bob (row 1) in the tiny world, whose past holds two of the six items.
@given(
    scores=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    asked=st.sets(st.sampled_from("cdef"), min_size=1),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.parametrize("k", [1, 3, 6])
def test_ties_have_the_mean_of_all_their_orders(tiny, tied_model, k, scores, asked):
    """A model of equal weights is measured with every order of equal scores."""
    model = tied_model.give(np.tile(scores, (4, 1)))
    item = tiny.spec.encode("item_id", np.array(sorted(asked), object))
    test = tiny.take(np.full(len(item), 3))
    test.columns["item_id"][:] = item
    result = Evaluator(test, FullRanking(k)).evaluate(model)
    relevant = set(item - tiny.spec.item_column.first)
    orders = [
        order
        for order in itertools.permutations([2, 3, 4, 5])  # a and b were taken
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    found = np.array([[column in relevant for column in order] for order in orders])
    found = np.pad(found, [(0, 0), (0, 2)])[:, :k]
    count = np.full(len(orders), len(relevant))
    for name, metric in metrics.RANKING.items():
        expected = metric(found, count, k).mean()
        assert result[f"{name}@{k}"] == pytest.approx(expected, abs=1e-7), name
    tied = [scores[2:].count(s) > 1 for s in sorted(scores[2:], reverse=True)][:k]
    assert result.tied == pytest.approx(np.mean(tied))


def test_a_model_that_knows_nothing_finds_what_chance_finds(world, from_scores):
    """Whatever the order of the vocabulary, which is that of popularity in files."""
    result = Evaluator(world, FullRanking(k=5)).evaluate(
        from_scores(world, np.zeros((60, 50)))
    )
    taken = [len(set(world.past.item[world.past.user == u])) for u in result.user]
    expected = 5 / (50 - np.array(taken))
    np.testing.assert_allclose(result.per_user["recall@5"], expected)
    assert result.tied == 1
    assert "FromScores 100.0%" in Report((replace(result, model="FromScores"),)).caption


def test_block_size_changes_nothing(world, from_scores):
    matrix = np.random.default_rng(0).normal(size=(60, 50))
    matrix[::2] = matrix[::2].round()
    model = from_scores(world, matrix)
    row = 4 * 50 * WORKERS  # bytes of the scores of one user in every worker
    all_at_once = Evaluator(world, FullRanking(k=5)).evaluate(model)
    for memory in (1, row, 7 * row, 60 * row):
        some = Evaluator(world, FullRanking(k=5), memory=memory).evaluate(model)
        assert some.metrics == all_at_once.metrics


def test_blocks_keep_to_the_memory():
    assert block_rows(40_981, 128 * 2**20) == 409
    assert WORKERS * 409 * 40_981 * 4 <= 128 * 2**20 < WORKERS * 410 * 40_981 * 4
    assert block_rows(10**9, 1) == 1


def ranker(matrix, k, memory=2**20):
    widths = []

    def score(features, state):
        tf.py_function(lambda n: widths.append(int(n)), [tf.size(features["row"])], [])
        return tf.gather(state["matrix"], features["row"])

    return Ranker(score, matrix.shape[1], k, memory), widths


def test_no_block_is_larger_than_stated():
    matrix = np.random.default_rng(0).normal(size=(100, 40)).astype(np.float32)
    rank, widths = ranker(matrix, 3, memory=WORKERS * 40 * 4 * 9)
    found = rank(np.arange(100), lambda u: {"row": u}, {"matrix": matrix})
    assert max(widths) == 9
    assert sum(widths) == 100
    np.testing.assert_array_equal(found.columns, np.argsort(-matrix, 1)[:, :3])
    np.testing.assert_allclose(found.scores, -np.sort(-matrix, 1)[:, :3])


def test_seen_items_are_never_ranked():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(30, 200)).astype(np.float32)
    lengths = rng.integers(0, 200, 30)
    lengths[3] = 200  # nothing is left for this user
    seen = ItemsOfUsers(
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([rng.choice(200, n, False) for n in lengths]).astype(np.int32),
    )
    rank, _ = ranker(matrix, 20)
    users = rng.permutation(30)
    found = rank(users, lambda u: {"row": u}, {"matrix": matrix}, seen)
    for user, columns in zip(users, found.columns, strict=True):
        taken = seen.columns[seen.start[user] : seen.start[user + 1]]
        listed = columns[columns >= 0]
        assert not set(listed) & set(taken)
        assert len(listed) == min(20, 200 - len(taken))


def test_seen_items_are_those_of_any_users_in_any_order():
    seen = ItemsOfUsers(
        np.array([0, 2, 2, 5, 6]), np.array([4, 1, 0, 3, 2, 9], np.int32)
    )
    rows, columns = seen.pairs(np.array([3, 0, 1, 2])).T.tolist()
    assert (rows, columns) == ([0, 1, 1, 3, 3, 3], [9, 4, 1, 0, 3, 2])
    rows, columns = seen.pairs(np.array([0, 2])).T.tolist()
    assert (rows, columns) == ([0, 0, 1, 1, 1], [4, 1, 0, 3, 2])


def test_an_empty_place_is_no_hit():
    # User 2 has item 4 of five: one below the key of user 3 and the first item.
    relevant = np.array([2 * 5 + 4, 3 * 5 + 1])
    lists = np.array([[4, 0, -1], [0, 1, -1]])
    found = hits(lists, np.array([2, 3]), relevant, 5)
    assert found.tolist() == [[True, False, False], [False, True, False]]


def test_seen_is_the_past(tiny):
    seen = ItemsOfUsers.of(tiny.past)
    users = tiny.spec.encode("user_id", np.array(["bob", "cat", "ann"], object))
    pairs = [(0, 0), (0, 1), (2, 0)]  # a and b of bob, nothing of cat, a of ann
    np.testing.assert_array_equal(seen.pairs(users), pairs)


def test_the_graph_is_traced_once(tiny, tiny_model):
    traces = []
    state = tiny_model.catalogue_state()

    def score(features, state):
        traces.append(1)
        return tiny_model.catalogue_scores(features, state)

    rank = Ranker(score, 6, 2, memory=1)
    for users in (np.array([2, 3]), np.array([4]), np.array([2, 3, 4, 5])):
        rank(users, lambda u: {"user_id/index": u.astype(np.int32)}, state)
    assert len(traces) == 1


@pytest.mark.parametrize("how", ["product", "gather"])
def test_scores_read_item_vectors_as_the_state_has_them(how):
    rng = np.random.default_rng(0)
    query, item = rng.normal(size=(9, 4)), rng.normal(size=(70, 4))

    def score(features, state):
        if how == "product":
            return tf.matmul(features["q"], state["item"], transpose_b=True)
        rows = [tf.gather(state["item"], n) for n in range(70)]
        return tf.matmul(features["q"], tf.stack(rows, axis=1))

    rank = Ranker(score, 70, 5)
    found = rank(np.arange(9), lambda u: {"q": query[u]}, {"item": tf.constant(item)})
    order = np.argsort(-query @ item.T, axis=1)
    np.testing.assert_array_equal(found.columns, order[:, :5])


@pytest.mark.parametrize("name", ["gmf", "neumf"])
def test_lists_are_those_that_users_are_recommended(data, name):
    train, valid, _ = data.split("random", seed=3)
    model = registry.get(name)(train.spec)
    model.adapt(train)
    users = np.unique(valid.user)
    rank = Ranker(model.catalogue_scores, 30, 10, memory=30 * 4 * 16)
    found = rank(
        users,
        lambda u: valid.queries(u, model.query_columns),
        model.catalogue_state(),
        ItemsOfUsers.of(valid.past),
    )
    raw = train.spec.decode("user_id", users)
    expected = model.recommend({"user_id": raw}, k=10)
    first = train.spec.item_column.first
    items = train.spec.encode("movie_id", expected.item_id.reshape(-1)).reshape(-1, 10)
    np.testing.assert_array_equal(found.columns, items - first)


def test_an_error_in_a_block_is_not_swallowed(tiny_model):
    def queries(users):
        if 3 in users:
            raise KeyError("no features of user 3")
        return {"user_id/index": users.astype(np.int32)}

    rank = Ranker(tiny_model.catalogue_scores, 6, 2, memory=1)
    with pytest.raises(KeyError, match="user 3"):
        rank(np.array([2, 3, 4]), queries, tiny_model.catalogue_state())


def test_nobody_to_rank_for(tiny_model):
    rank = Ranker(tiny_model.catalogue_scores, 6, 2)
    found = rank(np.empty(0, int), lambda u: {}, {})
    assert found.columns.shape == found.scores.shape == (0, 2)


def test_k_beyond_the_catalogue(tiny, tiny_model):
    with pytest.raises(ValueError, match=r"k=7 is not between 1 and .* 6 items"):
        Evaluator(tiny, FullRanking(k=(1, 7))).evaluate(tiny_model)


def test_data_without_a_past(tiny, tiny_model):
    with pytest.raises(ValueError, match="has no past"):
        Evaluator(tiny.past, FullRanking(k=1)).evaluate(tiny_model)


def test_nothing_to_measure(tiny, tiny_model):
    cold = tiny.take(tiny.user == tiny.user[4])
    with pytest.raises(ValueError, match=r"none of the 1 .*\(user cold: 1\)"):
        Evaluator(cold, FullRanking(k=1)).evaluate(tiny_model)


def test_a_diverged_model_is_refused(tiny, from_scores):
    matrix = np.ones((4, 6))
    matrix[0] = np.nan
    with pytest.raises(
        ValueError, match="items of 1 of 2 users: has training diverged"
    ):
        Evaluator(tiny, FullRanking(k=3)).evaluate(from_scores(tiny, matrix))


def test_a_model_of_other_ids_is_refused(tiny, world, from_scores):
    model = from_scores(world, np.zeros((60, 50)))
    with pytest.raises(ValueError, match="'user_id' of FromScores is not that of tiny"):
        Evaluator(tiny).evaluate(model)


def test_metrics_of_all_names_are_there(tiny, tiny_model):
    result = Evaluator(tiny, FullRanking(k=2)).evaluate(tiny_model)
    names = {*metrics.RANKING, *metrics.LISTS, "coverage", "gini"}
    assert set(result.metrics) == {f"{name}@2" for name in names}
