"""Popularity against counting."""

import dataclasses

import numpy as np
import pytest
from matrices import (
    DAY,
    FIRST,
    ITEMS,
    all_scores,
    check_round_trip,
    events_of,
    fitted,
    ncf_numbers,
    pair_scores,
    random_matrix,
    raw_pairs,
)

from tfrec.models import Popularity


@pytest.fixture(scope="module")
def events():
    return events_of(random_matrix())


@pytest.mark.parametrize(("epochs", "batch_size"), [(1, 7), (3, 7), (1, 4096)])
def test_score_is_the_number_of_events(events, epochs, batch_size):
    """Repeated events count each; epochs and batches change nothing."""
    model, _ = fitted(Popularity, events, epochs, batch_size)
    counts = np.bincount(events.item, minlength=ITEMS + FIRST)[FIRST:]
    np.testing.assert_array_equal(all_scores(model), np.tile(counts, (30, 1)))
    np.testing.assert_array_equal(pair_scores(model), np.tile(counts, (30, 1)))
    assert float(model(raw_pairs(["u0"], ["unknown"]))[0]) == 0


@pytest.mark.parametrize("half_life", [3.0, 40.0])
def test_an_event_counts_half_after_its_half_life(events, half_life):
    model, _ = fitted(Popularity, events, half_life=half_life)
    days = (events.seconds.max() - events.seconds) / DAY
    weight = 0.5 ** (days / half_life)
    expected = np.bincount(events.item, weight, minlength=ITEMS + FIRST)[FIRST:]
    np.testing.assert_allclose(all_scores(model)[0], expected, rtol=1e-5)


def test_loss_is_the_surprise_of_an_event(events):
    """Mean over known events of -log((n_i + 1) / (n + items))."""
    model, history = fitted(Popularity, events, epochs=2)
    counts = np.bincount(events.item, minlength=ITEMS + FIRST)[FIRST:]
    surprise = -np.log((counts + 1) / (counts.sum() + ITEMS))
    expected = np.average(surprise, weights=counts)
    np.testing.assert_allclose(history["loss"], [expected] * 2, rtol=1e-5)
    other = events_of(random_matrix(1))
    seen = np.bincount(other.item, minlength=ITEMS + FIRST)[FIRST:]
    reached = model.evaluate(other.batches(model, 8), verbose=0)
    assert reached == pytest.approx(np.average(surprise, weights=seen), rel=1e-5)


def test_validation_sees_the_counts_of_the_same_epoch(events):
    model = Popularity(events.spec)
    model.compile()
    batches = events.batches(model, 16)
    history = model.fit(batches, validation_data=batches, verbose=0).history
    np.testing.assert_allclose(history["val_loss"], history["loss"], rtol=1e-5)


def test_weights_of_events_multiply(events):
    model = Popularity(events.spec)
    model.compile()
    batches = events.batches(model, 16).map(lambda x: (x, 0.0, 2.0))
    model.fit(batches, verbose=0)
    counts = np.bincount(events.item, minlength=ITEMS + FIRST)[FIRST:]
    np.testing.assert_array_equal(all_scores(model)[0], 2 * counts)


def test_everybody_gets_the_same_list_ties_in_index_order(events):
    model, _ = fitted(Popularity, events)
    counts = np.bincount(events.item, minlength=ITEMS + FIRST)[FIRST:]
    assert len(np.unique(counts)) < ITEMS
    best = np.argsort(-counts, kind="stable")
    query = {"user_id": ["u0", "nobody"]}
    answer = model.recommend(query, k=ITEMS, drop_seen=False)
    np.testing.assert_array_equal(answer.item_id, [[f"i{j}" for j in best]] * 2)
    assert not answer.cold.any()


def test_no_item_is_like_another(events):
    model, _ = fitted(Popularity, events)
    with pytest.raises(ValueError, match="Popularity has no notion of similar items"):
        model.similar_items(["i0"], k=2)


def test_round_trip(events, tmp_path):
    check_round_trip(fitted(Popularity, events, half_life=9.0)[0], tmp_path)


def test_bad_half_life(events):
    with pytest.raises(ValueError, match=r"half_life=0\.0 days must be more than 0"):
        Popularity(events.spec, half_life=0.0)
    timeless = dataclasses.replace(events.spec, timestamp=None)
    with pytest.raises(ValueError, match=r"half_life=3\.0 needs the time of events"):
        Popularity(timeless, half_life=3.0)


@pytest.mark.slow
@pytest.mark.usefixtures("graphs")
def test_published_numbers_on_movielens():
    """Dacrema et al. 2021: .4533, .2542 (ties ranked otherwise)."""
    hit_rate, ndcg = ncf_numbers(Popularity)
    assert hit_rate == pytest.approx(0.4533, abs=0.003)
    assert ndcg == pytest.approx(0.2542, abs=0.003)
