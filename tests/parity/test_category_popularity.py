"""What a user takes of each category, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.models.baselines.category_popularity import CategoryPopularity


@pytest.fixture(scope="module")
def model(data):
    model = CategoryPopularity(data.spec, category="genres", smoothing=2.0)
    model.compile()
    model.fit(data.batches(model, 64), verbose=0)
    return model


def test_rates_and_scores_by_hand(data, model):
    genres, users = data.items["genres"], data.spec.user_column
    size = data.spec["genres"].size
    events = np.zeros((users.size, size))
    for user, item in zip(data.user, data.item, strict=True):
        for genre in set(genres[item]) - {0}:
            events[user, genre] += 1
    items = np.zeros(size)
    for item in np.unique(data.item):
        for genre in set(genres[item]) - {0}:
            items[genre] += 1
    total = events.sum(0)
    rates = (events + 2.0 * total / total.sum()) / np.maximum(items, 1)
    np.testing.assert_allclose(model.rates, rates, rtol=1e-5)
    first = data.spec.item_column.first
    found = model.catalogue_scores(
        {"user_id/index": np.arange(users.first, users.size, dtype=np.int32)},
        model.catalogue_state(),
    )
    expected = [
        [np.mean([rates[u, g] for g in set(row) - {0}]) for row in genres[first:]]
        for u in range(users.first, users.size)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_unknown_users_are_ranked_for_by_what_all_take(data):
    """What one of them took says nothing of another."""
    some = data.take(np.arange(200))
    some.columns["user_id"] = np.where(some.user < 20, 1, some.user)
    model = CategoryPopularity(data.spec, category="genres", smoothing=1.0)
    model.compile()
    model.fit(some.batches(model, 64), verbose=0)
    rates = model.rates.numpy()
    np.testing.assert_allclose(rates[1], rates[0])  # that of no user at all
    assert rates[1].any()
    assert not np.allclose(rates[some.user.max()], rates[1])


def test_more_epochs_count_nothing_twice(data, model):
    again = CategoryPopularity(data.spec, category="genres", smoothing=2.0)
    again.compile()
    again.fit(data.batches(again, 64), epochs=2, verbose=0)
    np.testing.assert_allclose(again.rates, model.rates, rtol=1e-6)


def test_an_untouched_item_ranks_by_its_categories(data, model):
    """Its score is that of any other item of the same categories."""
    genres = tf.constant([["drama", "horror"]])
    found = model.item_embedding({"movie_id": tf.constant(["new"]), "genres": genres})
    expected = np.zeros(data.spec["genres"].size)
    expected[data.spec.encode("genres", genres)[0][:2]] = 0.5
    np.testing.assert_allclose(found[0], expected)


def test_a_column_that_is_none_and_no_smoothing_are_refused(data):
    with pytest.raises(ValueError, match=r"is no item-side .* choose one of genres"):
        CategoryPopularity(data.spec, category="title")
    with pytest.raises(ValueError, match=r"smoothing=0.0 must be more than 0"):
        CategoryPopularity(data.spec, smoothing=0.0)
