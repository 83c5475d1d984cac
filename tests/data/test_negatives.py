"""Drawn negatives: what they never are, how often they are what, and their seeds."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.negatives import NegativeSampler, sampler_of

FIRST, SIZE = 2, 12  # ten items


def keys(taken: dict[int, list[int]]) -> np.ndarray:
    return np.unique([u * SIZE + i for u, items in taken.items() for i in items])


def draws(sampler: NegativeSampler, user: int, n: int = 20_000, seed=(1, 2)):
    return sampler.draw(tf.fill([n], user), tf.constant(seed)).numpy()


def check_frequencies(found: np.ndarray, expected: np.ndarray) -> None:
    """Chi-square of counts against probabilities, within its .999 quantile."""
    counts = np.bincount(found, minlength=len(expected))
    some = expected > 0
    assert counts[~some].sum() == 0
    wanted = expected[some] * len(found)
    statistic = np.sum((counts[some] - wanted) ** 2 / wanted)
    quantile = {9: 27.9, 6: 22.5, 5: 20.5, 4: 18.5}[some.sum() - 1]
    assert statistic < quantile, (counts, wanted)


def test_a_known_positive_is_never_drawn_and_the_rest_alike():
    sampler = NegativeSampler(FIRST, SIZE, known=keys({3: [2, 5, 11], 4: [6]}))
    found = draws(sampler, 3)
    assert found.dtype == np.int32
    assert not {2, 5, 11} & set(found)
    share = np.zeros(SIZE)
    share[[3, 4, 6, 7, 8, 9, 10]] = 1 / 7
    check_frequencies(found, share)


def test_only_the_user_s_own_positives_are_avoided():
    sampler = NegativeSampler(FIRST, SIZE, known=keys({3: [2, 5], 4: [6]}))
    assert set(draws(sampler, 4)) == set(range(FIRST, SIZE)) - {6}
    assert set(draws(sampler, 9)) == set(range(FIRST, SIZE))


def test_without_positives_to_avoid_the_draw_is_uniform():
    share = np.where(np.arange(SIZE) >= FIRST, 0.1, 0.0)
    check_frequencies(draws(NegativeSampler(FIRST, SIZE), 3), share)


@pytest.mark.parametrize("alpha", [1.0, 0.75, 0.0])
def test_popularity_has_its_exponent(alpha):
    counts = np.array([0, 7, 100, 50, 0, 30, 20, 10, 0, 5, 0, 0])
    sampler = NegativeSampler(FIRST, SIZE, counts, alpha)
    share = np.zeros(SIZE)
    items = np.flatnonzero(counts[FIRST:]) + FIRST
    share[items] = counts[items] ** alpha
    share /= share.sum()
    check_frequencies(draws(sampler, 3), share)
    stated = sampler.probability(tf.range(FIRST, SIZE)).numpy()
    np.testing.assert_allclose(stated, share[FIRST:], atol=1e-7)


def test_the_uniform_probability_is_one_in_the_catalogue():
    stated = NegativeSampler(FIRST, SIZE).probability(tf.constant([2, 11]))
    np.testing.assert_allclose(stated, [0.1, 0.1], rtol=1e-6)


def test_popularity_avoids_known_positives_too():
    counts = np.full(SIZE, 10)
    sampler = NegativeSampler(FIRST, SIZE, counts, 1.0, keys({3: [2, 3, 4, 5]}))
    share = np.zeros(SIZE)
    share[6:] = 1 / 6
    check_frequencies(draws(sampler, 3), share)


def test_who_has_taken_all_that_popularity_draws_gets_what_is_left():
    counts = np.zeros(SIZE, int)
    counts[[4, 6]] = 10
    sampler = NegativeSampler(FIRST, SIZE, counts, 1.0, keys({3: [4, 6, 7]}))
    assert set(draws(sampler, 3, n=50)) == {5, 8}  # the next item that is none


def test_the_same_seed_draws_the_same_and_another_does_not():
    sampler = NegativeSampler(FIRST, SIZE, known=keys({3: [2, 5]}))
    once, again = draws(sampler, 3, 100), draws(sampler, 3, 100)
    np.testing.assert_array_equal(once, again)
    assert np.any(once != draws(sampler, 3, 100, seed=(1, 3)))
    assert np.any(once != draws(sampler, 3, 100, seed=(2, 2)))


def test_it_draws_in_a_graph_of_unknown_batch_size():
    sampler = NegativeSampler(FIRST, SIZE, known=keys({3: [2, 5], 4: [3]}))
    signature = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([2], tf.int32)]
    function = tf.function(sampler.draw, input_signature=signature)
    users = tf.constant([3, 4] * 50)
    found = function(users, tf.constant([0, 0])).numpy()
    np.testing.assert_array_equal(found, sampler.draw(users, tf.constant([0, 0])))
    assert function(tf.constant([], tf.int32), tf.constant([0, 0])).shape == (0,)


def test_known_is_known():
    taken = {3: [2, 5], 4: [11], 7: [2]}
    sampler = NegativeSampler(FIRST, SIZE, known=keys(taken))
    users, items = np.meshgrid(np.arange(9), np.arange(SIZE), indexing="ij")
    found = sampler.is_known(
        tf.constant(users.ravel(), tf.int32), tf.constant(items.ravel(), tf.int32)
    )
    expected = [i in taken.get(u, []) for u in range(9) for i in range(SIZE)]
    assert found.numpy().tolist() == expected


def test_who_has_taken_everything_is_refused():
    everything = keys({3: [2], 4: list(range(FIRST, SIZE))})
    with pytest.raises(ValueError, match="has taken all 10 items"):
        NegativeSampler(FIRST, SIZE, known=everything)


def test_unknown_items_do_not_count_as_taken():
    """Nine of ten items and the unknown one: the tenth is left."""
    sampler = NegativeSampler(FIRST, SIZE, known=keys({3: list(range(1, 11))}))
    assert set(draws(sampler, 3, n=100)) == {11}


def test_there_must_be_something_to_draw_from():
    with pytest.raises(ValueError, match="negatives need an item vocabulary"):
        NegativeSampler(12, 12)
    with pytest.raises(ValueError, match="needs the items' counts"):
        NegativeSampler(FIRST, SIZE, alpha=0.5)
    with pytest.raises(ValueError, match="no item of the vocabulary"):
        NegativeSampler(FIRST, SIZE, np.zeros(SIZE, int), alpha=0.5)


def test_the_sampler_of_events_knows_their_positives_and_counts(data):
    sampler = sampler_of(data, alpha=1.0)
    column = data.spec.item_column
    assert (sampler.first, sampler.size) == (column.first, column.size)
    np.testing.assert_allclose(
        sampler.probability(tf.constant(data.item)),
        data.item_counts[data.item] / len(data),
        rtol=1e-5,
    )
    found = sampler.draw(tf.constant(data.user), tf.constant([0, 0]))
    assert not sampler.is_known(tf.constant(data.user), found).numpy().any()
    assert (
        sampler.is_known(tf.constant(data.user), tf.constant(data.item)).numpy().all()
    )
    assert sampler_of(data, avoid_known=False).known is None


@pytest.mark.parametrize("part", [1, 2])
def test_held_out_events_draw_as_training_does(data, part):
    """No item that the user took before, and by the popularity in training."""
    held_out = data.split()[part]
    sampler = sampler_of(held_out, alpha=1.0)
    users = tf.repeat(tf.constant(held_out.user), 20)
    drawn = sampler.draw(users, tf.constant([0, 0])).numpy()
    keys = users.numpy().astype(np.int64) * data.spec.item_column.size + drawn
    assert not np.isin(keys, held_out.train.known).any()
    assert not np.isin(keys, held_out.past.known).any()
    assert not np.isin(keys, held_out.known).any()
    np.testing.assert_allclose(
        sampler.probability(tf.constant(data.item)),
        held_out.train.item_counts[data.item] / len(held_out.train),
        rtol=1e-5,
    )


def test_unknown_users_who_have_together_taken_everything_are_no_obstacle(data):
    """They share one index, of which positives say nothing."""
    everything = np.arange(data.spec.item_column.first, data.spec.item_column.size)
    strangers = data.take(np.zeros(len(everything), int))
    strangers.columns["user_id"][:] = 1
    strangers.columns["movie_id"][:] = everything
    sampler = sampler_of(data.concat(strangers))
    known = tf.constant(data.user)
    found = sampler.draw(known, tf.constant([0, 0]))
    assert not sampler.is_known(known, found).numpy().any()
    assert len(set(draws(sampler, 1, n=1000))) == len(everything)
