"""Metrics against fractions worked out by hand, scikit-learn, and brute force."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec import metrics

sklearn_metrics = pytest.importorskip("sklearn.metrics")

# Three users, ranks 1 to 4; the second has five relevant items, the third finds none.
HITS = np.array([[0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0]], bool)
RELEVANT = np.array([2, 5, 1])


def log2(x):
    return math.log2(x)


@pytest.mark.parametrize(
    ("name", "k", "expected"),
    [
        ("recall", 1, [0, 1 / 5, 0]),
        ("recall", 4, [2 / 2, 2 / 5, 0]),
        ("precision", 1, [0, 1, 0]),
        ("precision", 4, [2 / 4, 2 / 4, 0]),
        ("hit_rate", 1, [0, 1, 0]),
        ("hit_rate", 2, [1, 1, 0]),
        ("mrr", 1, [0, 1, 0]),
        ("mrr", 4, [1 / 2, 1, 0]),
        # (1/2) / min(2, 2) and (1 + 1) / min(2, 5): the ideal list is cut at k
        ("map", 2, [1 / 4, 1, 0]),
        # (1/2 + 2/4) / 2 and (1/1 + 2/2) / 4
        ("map", 4, [1 / 2, 2 / 4, 0]),
        ("ndcg", 1, [0, 1, 0]),
        ("ndcg", 2, [(1 / log2(3)) / (1 + 1 / log2(3)), 1, 0]),
        (
            "ndcg",
            4,
            [
                (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3)),
                (1 + 1 / log2(3)) / (1 + 1 / log2(3) + 1 / log2(4) + 1 / log2(5)),
                0,
            ],
        ),
    ],
)
def test_ranking_by_hand(name, k, expected):
    np.testing.assert_allclose(
        metrics.RANKING[name](HITS, RELEVANT, k), expected, atol=1e-15
    )


def test_ndcg_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth = (rng.random((50, 30)) < 0.2).astype(float)
    truth[:, 0] = 1
    scores = rng.normal(size=truth.shape)
    order = np.argsort(-scores, axis=1)
    hits = np.take_along_axis(truth, order, axis=1).astype(bool)
    for k in (1, 5, 30):
        ours = metrics.ndcg(hits, truth.sum(1).astype(int), k).mean()
        theirs = sklearn_metrics.ndcg_score(truth, scores, k=k)
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_average_precision_of_a_whole_ranking_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    truth, scores = rng.random(40) < 0.3, rng.normal(size=40)
    hits = truth[np.argsort(-scores)][None]
    ours = metrics.average_precision(hits, np.array([truth.sum()]), 40)[0]
    theirs = sklearn_metrics.average_precision_score(truth, scores)
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_a_perfect_list_scores_one():
    hits = np.ones((1, 3), bool)
    for name in ("precision", "hit_rate", "ndcg", "mrr", "map"):
        assert metrics.RANKING[name](hits, np.array([9]), 3)[0] == 1


@pytest.mark.parametrize("name", sorted(metrics.RANKING))
def test_ranking_refusals(name):
    metric = metrics.RANKING[name]
    with pytest.raises(ValueError, match="k=5 is not between 1 and the 4 ranks"):
        metric(HITS, RELEVANT, 5)
    with pytest.raises(ValueError, match="user 1 has no relevant item"):
        metric(HITS, np.array([1, 0, 1]), 2)
    with pytest.raises(ValueError, match="do not fit"):
        metric(HITS, RELEVANT[:2], 2)


def one_order(relevant, order, k):
    """Metrics of one ranking, in loops."""
    found = [rank for rank, item in enumerate(order[:k], 1) if item in relevant]
    best = range(1, min(k, len(relevant)) + 1)
    return {
        "recall": len(found) / len(relevant),
        "precision": len(found) / k,
        "hit_rate": float(bool(found)),
        "ndcg": sum(1 / log2(r + 1) for r in found)
        / sum(1 / log2(r + 1) for r in best),
        "mrr": 1 / found[0] if found else 0.0,
        "map": sum(n / r for n, r in enumerate(found, 1)) / len(best),
    }


def mean_of_all_orders(scores, relevant, k):
    """The mean of metrics over all orders of the items in which scores fall."""
    orders = [
        order
        for order in itertools.permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    each = [one_order(relevant, order, k) for order in orders]
    return {name: np.mean([values[name] for values in each]) for name in each[0]}


scored = st.lists(st.integers(0, 3), min_size=1, max_size=6)


@given(data=st.data(), scores=scored)
@settings(max_examples=60, deadline=None)
def test_a_tie_has_the_mean_of_all_its_orders(data, scores):
    """Also where the list ends within the tie: k and depth are drawn."""
    items = range(len(scores))
    relevant = data.draw(st.sets(st.sampled_from(items), min_size=1))
    depth = data.draw(st.integers(1, len(scores)))
    k = data.draw(st.integers(1, depth))
    listed = sorted(scores, reverse=True)[:depth]
    tied = np.array([[scores.count(score) for score in listed]])
    hits = np.array([[sum(scores[i] == s for i in relevant) for s in listed]])
    expected = mean_of_all_orders(scores, relevant, k)
    for name, metric in metrics.RANKING.items():
        (found,) = metric(hits, np.array([len(relevant)]), k, tied)
        assert found == pytest.approx(expected[name], abs=1e-12), name


def test_a_tie_by_hand():
    # Three tied items, one of them relevant, of which two ranks are in the list.
    hits, tied, one = np.array([[1, 1]]), np.array([[3, 3]]), np.array([1])
    by_name = {n: f(hits, one, 2, tied)[0] for n, f in metrics.RANKING.items()}
    assert by_name["hit_rate"] == pytest.approx(2 / 3)
    assert by_name["mrr"] == by_name["map"] == pytest.approx((1 + 1 / 2) / 3)
    assert by_name["ndcg"] == pytest.approx((1 + 1 / log2(3)) / 3)
    # Two of three are relevant: the first of them is on rank 1 in two of three orders.
    two = metrics.mrr(2 * hits, np.array([2]), 2, tied)[0]
    assert two == pytest.approx(2 / 3 + 1 / 3 * 1 / 2)


@given(scores=scored.filter(lambda s: len(s) > 1), labels=st.data())
@settings(max_examples=60, deadline=None)
def test_auc_of_ties_has_the_mean_of_all_their_orders(scores, labels):
    flags = st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))
    positive = labels.draw(flags.filter(lambda f: 0 < sum(f) < len(f)))
    orders = [
        [positive[i] for i in order]
        for order in itertools.permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    pairs = sum(positive) * (len(positive) - sum(positive))
    each = [
        sum(p and not q for p, q in itertools.combinations(order, 2)) / pairs
        for order in orders
    ]
    assert metrics.auc(positive, scores) == pytest.approx(np.mean(each), abs=1e-12)
    values, _ = metrics.group_auc(positive, scores, np.zeros(len(scores)))
    assert values[0] == pytest.approx(np.mean(each), abs=1e-12)


def test_more_relevant_items_than_tied_are_refused():
    with pytest.raises(ValueError, match="2 of the 1 items on rank 2 of user 0"):
        metrics.recall([[1, 2]], [2], 1)


def test_auc_by_hand():
    # Positives .8 and .4, negatives .6, .4 and .2: (1+1+1 + 0+1/2+1) / 6
    labels, scores = [1, 0, 1, 0, 0], [0.8, 0.6, 0.4, 0.4, 0.2]
    assert metrics.auc(labels, scores) == pytest.approx(4.5 / 6, abs=1e-15)


@pytest.mark.parametrize("levels", [2, 5, 10**6])
def test_auc_is_that_of_scikit_learn(levels):
    rng = np.random.default_rng(levels)
    labels, scores = rng.random(500) < 0.3, rng.integers(0, levels, 500)
    theirs = sklearn_metrics.roc_auc_score(labels, scores)
    assert metrics.auc(labels, scores) == pytest.approx(theirs, abs=1e-12)


def test_auc_does_not_depend_on_the_scale():
    labels, scores = [0, 1, 0, 1], np.array([-2.0, 0.5, 1e-3, 7])
    assert metrics.auc(labels, scores) == metrics.auc(labels, np.exp(scores) + 9)


def test_error_of_auc_by_hand():
    # Shares below the positives 3/3 and 1.5/3; above the negatives 1/2, 1.5/2, 2/2
    labels, scores = [1, 0, 1, 0, 0], [0.8, 0.6, 0.4, 0.4, 0.2]
    variance = np.var([1, 1 / 2], ddof=1) / 2 + np.var([1 / 2, 3 / 4, 1], ddof=1) / 3
    value, error = metrics.auc_with_error(labels, scores)
    assert value == pytest.approx(0.75)
    assert error == pytest.approx(math.sqrt(variance), abs=1e-12)


def test_error_of_auc_is_the_spread_of_repeated_draws():
    rng = np.random.default_rng(0)

    def draw():
        labels = np.arange(200) < 60
        return metrics.auc_with_error(labels, rng.normal(size=200) + labels)

    values, errors = np.transpose([draw() for _ in range(400)])
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


@pytest.mark.parametrize("label", [0, 1])
def test_auc_of_one_class_is_refused(label):
    with pytest.raises(ValueError, match=f"both classes, and all 3 labels are {label}"):
        metrics.auc([label] * 3, [0.1, 0.2, 0.3])


def test_gauc_by_hand():
    # User a: AUC 1 of 2 impressions; b: 1/2 of 3; c has one class and is left out
    labels = [1, 0, 1, 0, 0, 1, 1]
    scores = [0.9, 0.1, 0.5, 0.4, 0.6, 0.3, 0.2]
    users = ["a", "a", "b", "b", "b", "c", "c"]
    expected = (2 * 1 + 3 * 0.5) / 5
    assert metrics.gauc(labels, scores, users) == pytest.approx(expected, abs=1e-15)


def test_gauc_is_a_loop_over_users():
    rng = np.random.default_rng(5)
    users = rng.integers(0, 40, 600)
    labels, scores = rng.random(600) < 0.2, rng.integers(0, 9, 600)
    total = weight = 0.0
    for user in range(40):
        mine = users == user
        if labels[mine].any() and not labels[mine].all():
            auc = sklearn_metrics.roc_auc_score(labels[mine], scores[mine])
            total, weight = total + auc * mine.sum(), weight + mine.sum()
    assert weight < 600, "some user should have one class"
    assert metrics.gauc(labels, scores, users) == pytest.approx(total / weight)


def test_gauc_without_a_mixed_group_is_refused():
    with pytest.raises(ValueError, match="none of the 2 groups has"):
        metrics.gauc([1, 1, 0], [0.1, 0.2, 0.3], [0, 0, 1])
    with pytest.raises(ValueError, match="one group per row"):
        metrics.gauc([1, 0], [0.1, 0.2], [0])


def test_logloss_by_hand_and_by_scikit_learn():
    assert metrics.logloss([1, 0], [0.5, 0.25]) == pytest.approx(
        (math.log(2) - math.log(0.75)) / 2
    )
    rng = np.random.default_rng(0)
    labels, chances = rng.random(100) < 0.5, rng.random(100)
    theirs = sklearn_metrics.log_loss(labels, chances)
    assert metrics.logloss(labels, chances) == pytest.approx(theirs, abs=1e-12)


def test_logloss_of_logits_is_exact_when_they_are_large():
    assert metrics.logloss([1, 0], [0, 0], from_logits=True) == pytest.approx(
        math.log(2)
    )
    assert metrics.logloss([0], [1000], from_logits=True) == 1000
    assert metrics.logloss([1], [1000], from_logits=True) == 0
    labels, logits = np.array([1, 0, 1]), np.array([-1.5, 0.3, 4])
    chances = 1 / (1 + np.exp(-logits))
    assert metrics.logloss(labels, logits, from_logits=True) == pytest.approx(
        metrics.logloss(labels, chances)
    )


def test_a_certain_and_wrong_probability_costs_36_nats():
    assert metrics.logloss([1], [0.0]) == pytest.approx(36.04, abs=0.01)


def test_rating_errors_by_hand():
    labels, predictions = [5, 3, 1], [4, 3, 3]
    assert metrics.rmse(labels, predictions) == pytest.approx(math.sqrt(5 / 3))
    assert metrics.mae(labels, predictions) == pytest.approx(1)


@pytest.mark.parametrize("metric", [metrics.rmse, metrics.auc, metrics.logloss])
def test_refusals_of_pairs(metric):
    with pytest.raises(ValueError, match="prediction of row 1 is nan"):
        metric([0, 1], [0.5, np.nan])
    with pytest.raises(ValueError, match="do not fit"):
        metric([0, 1], [0.5])
    with pytest.raises(ValueError, match="non-empty"):
        metric([], [])


def test_labels_must_be_binary_and_probabilities_probabilities():
    with pytest.raises(ValueError, match="label of row 1 is 4"):
        metrics.auc([0, 4], [0.1, 0.2])
    with pytest.raises(ValueError, match="from_logits=True"):
        metrics.logloss([0, 1], [-3, 0.2])


# Four items with 8, 4, 4 and 0 training events; the last list is short by one
RANKED = np.array([[0, 1], [0, 2], [3, -1]])
COUNTS = np.array([8, 4, 4, 0])


def test_lists_by_hand():
    assert metrics.coverage(RANKED, 5) == 4 / 5
    np.testing.assert_allclose(metrics.average_popularity(RANKED, COUNTS), [6, 6, 0])
    # 8, 4, 3 and, for the item without events, 1 of 16
    counts = np.array([8, 4, 3, 0])
    np.testing.assert_allclose(
        metrics.novelty(RANKED, counts), [1.5, (1 - math.log2(3 / 16)) / 2, 4]
    )


def test_gini_by_hand():
    assert metrics.gini(np.array([[0, 1, 2]]), 3) == 0
    assert metrics.gini(np.array([[2], [2]]), 5) == 1
    # counts 0, 1, 3: (-2*0 + 0*1 + 2*3) / (2 * 4)
    assert metrics.gini(np.array([[1, 2], [2, 2]]), 3) == 6 / 8


def test_gini_is_half_the_mean_difference():
    shown = np.array([5, 1, 0, 7, 3])
    ranked = np.repeat(np.arange(5), shown)[None]
    differences = np.abs(shown[:, None] - shown[None]).sum()
    expected = differences / (2 * 5 * 4 * shown.mean())
    assert metrics.gini(ranked, 5) == pytest.approx(expected)


def test_an_empty_list_is_left_out():
    ranked = np.array([[-1, -1], [0, 1]])
    np.testing.assert_allclose(metrics.average_popularity(ranked, COUNTS), [6])


def test_refusals_of_lists():
    with pytest.raises(ValueError, match="column 3 is beyond the catalogue of 3"):
        metrics.coverage(RANKED, 3)
    with pytest.raises(ValueError, match="no list holds an item"):
        metrics.gini(np.full((2, 2), -1), 3)


def test_a_catalogue_of_one_item_and_no_events():
    one = np.zeros((1, 1), int)
    assert metrics.gini(one, 1) == 0
    assert metrics.novelty(one, np.zeros(1)) == [0]
