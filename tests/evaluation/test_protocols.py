"""What protocols refuse and how they describe themselves."""

import dataclasses

import numpy as np
import pytest

from tfrec.evaluation import (
    BinaryClassification,
    Evaluator,
    EventRanking,
    FullRanking,
    Protocol,
    RatingPrediction,
    SampledNegatives,
)


@pytest.mark.parametrize("kind", [FullRanking, EventRanking, SampledNegatives])
@pytest.mark.parametrize("k", [0, -1, (), (5, 0), 2.5, "10"])
def test_cutoffs_are_positive_whole_numbers(kind, k):
    with pytest.raises(ValueError, match="positive whole number"):
        kind(k=k)


def test_cutoffs_are_sorted_and_distinct():
    assert FullRanking(k=(20, 5, 20)).cutoffs == (5, 20)
    assert FullRanking(k=7).cutoffs == (7,)
    assert FullRanking(k=np.int64(7)).cutoffs == (7,)


def test_protocols_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FullRanking().exclude_seen = False


def test_only_sampled_negatives_are_sampled():
    kinds = (FullRanking, EventRanking, RatingPrediction, BinaryClassification)
    assert SampledNegatives().sampled
    assert not any(kind().sampled for kind in kinds)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FullRanking(users="warm"), "users='warm' must be 'known' or 'all'"),
        (lambda: SampledNegatives(negatives=0, k=1), "negatives=0 must be 1 or more"),
        (lambda: SampledNegatives(k=11, negatives=9), "k=11 is more than the 10"),
        (lambda: SampledNegatives(1, np.zeros((2, 3))), "must be .events, negatives."),
        (lambda: SampledNegatives(5, np.zeros((2, 3), int)), "k=5 is more than the 4"),
        (lambda: RatingPrediction(clip=(5, 1)), "must be .lowest, highest."),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_something_that_is_no_protocol(tiny, tiny_model):
    with pytest.raises(ValueError, match="is no protocol"):
        Evaluator(tiny, Protocol()).evaluate(tiny_model)


def test_events_in_full_by_hand(tiny, tiny_model):
    # Scores fall from a to f, nothing is left out: b is 2nd, c 3rd, a 1st, f 6th, ...
    asked = tiny.take(np.array([0, 1, 2, 3, 4]))
    result = Evaluator(asked, EventRanking(k=(1, 2, 6))).evaluate(tiny_model)
    assert list(result.per_user["hit_rate@1"]) == [0, 0, 1, 0, 1]
    assert list(result.per_user["hit_rate@2"]) == [1, 0, 1, 0, 1]
    np.testing.assert_allclose(result.per_user["mrr@6"], [1 / 2, 1 / 3, 1, 1 / 6, 1])
    assert result.events == 5


def test_a_tie_of_an_event_has_the_mean_of_its_ranks(tiny, from_scores):
    asked, model = tiny.take(np.array([0, 3])), from_scores(tiny, np.ones((4, 6)))
    result = Evaluator(asked, EventRanking(k=6)).evaluate(model)
    expected = np.mean(1 / np.arange(1, 7))
    np.testing.assert_allclose(result.per_user["mrr@6"], [expected, expected])
    assert result.tied == 1


def test_events_of_a_diverged_model(tiny, from_scores):
    asked = tiny.take(np.array([0]))
    model = from_scores(tiny, np.full((4, 6), np.nan))
    with pytest.raises(ValueError, match="items of 1 events no finite score"):
        Evaluator(asked, EventRanking(k=1)).evaluate(model)
    with pytest.raises(ValueError, match="none of the 1 events"):
        Evaluator(tiny.take(np.array([5])), EventRanking(k=1)).evaluate(model)


@pytest.mark.parametrize(
    "protocol", [EventRanking(k=2), SampledNegatives(k=2, negatives=2), FullRanking(2)]
)
def test_graph_and_candidates_are_kept(tiny, from_scores, protocol, monkeypatch):
    calls = []
    model = from_scores(tiny, np.ones((4, 6)))
    for name in ("call", "catalogue_scores"):
        original = getattr(model, name)

        def counted(*args, original=original, **kwargs):
            calls.append(1)
            return original(*args, **kwargs)

        monkeypatch.setattr(model, name, counted)
    evaluator = Evaluator(tiny.take(np.arange(4)), protocol)
    first = evaluator.evaluate(model)
    traced = len(calls)
    assert evaluator.evaluate(model).metrics == first.metrics
    assert len(calls) == traced > 0
    # Another model gets a graph of its own.
    other = evaluator.evaluate(from_scores(tiny, np.tile(np.arange(6), (4, 1))))
    assert other.metrics != first.metrics
