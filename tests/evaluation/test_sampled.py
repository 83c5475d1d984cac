"""Ranking among candidates: by hand, drawn as promised, and labelled as sampled."""

import dataclasses
import math

import numpy as np
import pytest

from tfrec.evaluation import Evaluator, EventRanking, FullRanking, SampledNegatives
from tfrec.evaluation.sampled import draw


def indices(data, letters):
    return np.stack(
        [data.spec.encode("item_id", np.array(list(r), object)) for r in letters]
    )


@pytest.fixture
def asked(tiny):
    """ann is asked for b, ann for c, bob for f, cat (cold) for a."""
    return tiny.take(np.array([0, 1, 3, 4]))


def test_by_hand(asked, tiny_model):
    # Scores fall from a to f: b is 1st of b d e, c is 2nd of c a f, f is last of f c d.
    # ann took a before.
    stored = indices(asked, ["de", "af", "cd", "bc"])
    protocol = SampledNegatives(k=(1, 2, 3), candidates=stored, exclude_seen=False)
    result = Evaluator(asked, protocol).evaluate(tiny_model)
    assert list(result.per_user["hit_rate@1"]) == [1, 0, 0]
    assert list(result.per_user["hit_rate@2"]) == [1, 1, 0]
    assert list(result.per_user["hit_rate@3"]) == [1, 1, 1]
    np.testing.assert_allclose(
        result.per_user["ndcg@3"], [1, 1 / math.log2(3), 1 / math.log2(4)]
    )
    np.testing.assert_allclose(result.per_user["mrr@3"], [1, 1 / 2, 1 / 3])
    assert result["hit_rate@1"] == pytest.approx(1 / 3)
    assert (result.users, result.events, result.cold_users) == (2, 3, 1)
    assert result.left_out == {"user cold": 1}


def test_what_the_user_took_is_not_ranked(asked, tiny_model):
    # ann took a before, and takes b and c; bob took a and b before.
    stored = indices(asked, ["cd", "ab", "ab", "bc"])
    for exclude_seen, ranks in ((True, [1, 1, 1]), (False, [1, 3, 3])):
        protocol = SampledNegatives(3, stored, exclude_seen=exclude_seen)
        result = Evaluator(asked, protocol).evaluate(tiny_model)
        np.testing.assert_allclose(result.per_user["mrr@3"], 1 / np.array(ranks))
    assert "stored, seen ones ranked too" in result.protocol


def test_own_item_among_the_candidates_is_ranked_once(asked, tiny_model):
    # ann is asked for b and the stored candidates hold b: it is still 1st.
    stored = indices(asked, ["be", "af", "cd", "bc"])
    result = Evaluator(asked, SampledNegatives(1, stored)).evaluate(tiny_model)
    assert list(result.per_user["hit_rate@1"]) == [1, 1, 0]  # ann took a


def test_an_event_that_is_left_out_takes_its_candidates_with_it(tiny, tiny_model):
    # cat is cold. ann is asked for b among a c, where it is second, bob for f, last.
    asked = tiny.take(np.array([4, 0, 3]))
    stored = indices(asked, ["de", "ac", "ab"])
    protocol = SampledNegatives(3, stored, exclude_seen=False)
    result = Evaluator(asked, protocol).evaluate(tiny_model)
    np.testing.assert_allclose(result.per_user["mrr@3"], [1 / 2, 1 / 3])


def test_watch_time_is_mispredicted_where_another_item_comes_first(asked, tiny_model):
    # b loses to none of 2, c to one (a), f to both: (0 * 1 + 1 * 4 + 2 * 3) / (2 * 8).
    spec = dataclasses.replace(asked.spec, label="minutes")
    minutes = np.array([1, 4, 3, 9], np.float32)
    timed = dataclasses.replace(
        asked, spec=spec, columns={**asked.columns, "minutes": minutes}
    )
    protocol = SampledNegatives(
        1,
        indices(asked, ["de", "af", "cd", "bc"]),
        watch_time=True,
        exclude_seen=False,
    )
    result = Evaluator(timed, protocol).evaluate(tiny_model)
    assert result["weighted_loss"] == pytest.approx(10 / 16)
    # Without a, which ann took before, c has one other and loses to none.
    fewer = dataclasses.replace(protocol, exclude_seen=True)
    result = Evaluator(timed, fewer).evaluate(tiny_model)
    assert result["weighted_loss"] == pytest.approx(6 / (1 * 2 + 4 * 1 + 3 * 2))
    idle = dataclasses.replace(timed, columns={**timed.columns, "minutes": minutes * 0})
    with pytest.raises(ValueError, match="none of the 4 events of tiny is positive"):
        Evaluator(idle, protocol).evaluate(tiny_model)


def test_results_are_labelled(asked, tiny_model):
    stored = indices(asked, ["de", "af", "cd", "bc"])
    result = Evaluator(asked, SampledNegatives(1, stored)).evaluate(tiny_model)
    assert result.sampled
    assert result.to_dict()["sampled"] is True
    assert result.protocol.startswith("SAMPLED: each item among 2 negatives (stored, ")
    assert "seed 3" in SampledNegatives(1, seed=3).describe()


def test_a_constant_model_finds_what_chance_finds(asked, from_scores):
    model = from_scores(asked, np.zeros((4, 6)))
    for stored in (None, indices(asked, ["de", "ef", "cd", "bc"])):
        protocol = SampledNegatives(k=2, negatives=2, candidates=stored)
        result = Evaluator(asked, protocol).evaluate(model)
        assert result["hit_rate@2"] == pytest.approx(2 / 3)
        assert result["mrr@2"] == pytest.approx((1 + 1 / 2) / 3)
        assert result.tied == 1


def test_a_tie_is_one_half_of_mispredicted_watch_time(asked, from_scores):
    spec = dataclasses.replace(asked.spec, label="minutes")
    minutes = np.array([1, 4, 3, 9], np.float32)
    timed = dataclasses.replace(
        asked, spec=spec, columns={**asked.columns, "minutes": minutes}
    )
    protocol = SampledNegatives(k=1, negatives=2, watch_time=True)
    result = Evaluator(timed, protocol).evaluate(from_scores(timed, np.zeros((4, 6))))
    assert result["weighted_loss"] == pytest.approx(1 / 2)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_protocols_agree_on_ties(world, from_scores, k):
    """Each event alone, in full and among all that the user did not take."""
    model = from_scores(world, np.random.default_rng(k).integers(0, 3, (60, 50)))
    keys = world.user.astype(np.int64) * world.spec.item_column.size + world.item
    new = np.isin(world.user, world.past.user) & ~np.isin(keys, world.past.known)
    events = world.take(np.flatnonzero(new)[:1])
    full = Evaluator(events, FullRanking(k)).evaluate(model)
    first, size = world.spec.item_column.first, world.spec.item_column.size
    others = np.setdiff1d(np.arange(first, size), events.item)[None].astype(np.int32)
    protocol = SampledNegatives(k, others)
    among = Evaluator(events, protocol).evaluate(model)
    unfair = dataclasses.replace(protocol, exclude_seen=False)
    of_all = Evaluator(events, unfair).evaluate(model)
    alone = Evaluator(events, EventRanking(k)).evaluate(model)
    for name in ("hit_rate", "ndcg", "mrr"):
        assert full[f"{name}@{k}"] == pytest.approx(among[f"{name}@{k}"], abs=1e-12)
        assert alone[f"{name}@{k}"] == pytest.approx(of_all[f"{name}@{k}"], abs=1e-12)


def test_draws_keep_their_promises(world):
    rows = np.arange(0, len(world), 2)
    drawn = draw(world, rows, 20, seed=5)
    assert drawn.shape == (200, 20)
    first = world.spec.item_column.first
    assert first <= drawn.min()
    assert drawn.max() < world.spec.item_column.size
    for row, negatives in zip(rows, drawn, strict=True):
        user = world.user[row]
        taken = set(world.item[world.user == user])
        taken |= set(world.past.item[world.past.user == user])
        assert len(set(negatives)) == 20
        assert not set(negatives) & taken


def test_draws_are_uniform_over_what_is_left(world):
    rows = np.zeros(4000, int)
    user = world.user[0]
    taken = set(world.item[world.user == user]) | set(
        world.past.item[world.past.user == user]
    )
    left = 50 - len(taken)
    counts = np.bincount(draw(world, rows, 5, seed=0).reshape(-1), minlength=52)
    share = counts[[i for i in range(2, 52) if i not in taken]] / 4000
    error = math.sqrt(5 / left * (1 - 5 / left) / 4000)
    assert np.abs(share - 5 / left).max() < 5 * error


def test_draws_are_seeded(world):
    rows = np.arange(len(world))
    one, same, other = (draw(world, rows, 10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_same_seed_gives_the_same_metrics(world, from_scores):
    model = from_scores(world, np.random.default_rng(0).normal(size=(60, 50)))
    results = [
        Evaluator(world, SampledNegatives(k=5, negatives=9, seed=seed)).evaluate(model)
        for seed in (1, 1, 2)
    ]
    assert results[0].metrics == results[1].metrics != results[2].metrics
    # A random model finds 5 of 10 in half of the cases.
    assert results[0]["hit_rate@5"] == pytest.approx(0.5, abs=0.1)


def test_all_that_is_left_can_be_drawn(tiny):
    # bob has taken a, b and f: c, d and e are left.
    drawn = draw(tiny, np.array([3]), 3, seed=0)
    np.testing.assert_array_equal(np.sort(drawn), indices(tiny, ["cde"]))
    with pytest.raises(ValueError, match="all but 3 of the items"):
        draw(tiny, np.array([3]), 4, seed=0)


def test_who_has_taken_too_much_is_left_out_alone(asked, tiny_model):
    # bob has taken a, b and f, ann a, b and c of six: three are left for either.
    more = asked.concat(asked.take(np.array([2])))
    more.columns["item_id"][-1] = asked.item[1]  # and c, too
    with pytest.warns(UserWarning, match="user_id 'bob' took so many items that 3 neg"):
        result = Evaluator(more, SampledNegatives(1, negatives=3)).evaluate(tiny_model)
    assert result.events == 2
    assert result.left_out["too few items that the user did not take"] == 2
    with pytest.raises(ValueError, match="'ann', 'bob' took so many items that 4 neg"):
        Evaluator(more, SampledNegatives(1, negatives=4)).evaluate(tiny_model)


def test_refusals_of_stored_candidates(asked, tiny_model):
    stored = indices(asked, ["de", "af", "cd", "bc"])
    with pytest.raises(
        ValueError, match="2 rows of stored candidates for the 4 events"
    ):
        Evaluator(asked, SampledNegatives(1, stored[:2])).evaluate(tiny_model)
    with pytest.raises(ValueError, match="candidates reach from 0 to"):
        raw = stored - stored.min()
        Evaluator(asked, SampledNegatives(1, raw)).evaluate(tiny_model)


def test_a_diverged_model_is_refused(asked, from_scores):
    model = from_scores(asked, np.full((4, 6), np.nan))
    with pytest.raises(ValueError, match="no finite score"):
        Evaluator(asked, SampledNegatives(1, negatives=2)).evaluate(model)


def test_nothing_to_measure(asked, tiny_model):
    cold = asked.take(np.array([3]))
    with pytest.raises(ValueError, match="none of the 1 events"):
        Evaluator(cold, SampledNegatives(1, negatives=2)).evaluate(tiny_model)
