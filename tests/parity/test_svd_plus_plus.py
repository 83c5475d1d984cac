"""SVD++: Koren 2008, equations 15 and 16."""

import numpy as np
import pytest
import tensorflow as tf
from matrices import check_round_trip, events_of, fitted, pair_scores, random_matrix

from tfrec.data.ratings import Ratings
from tfrec.models.factorization.svd_plus_plus import SVDPlusPlus

USER, ITEM = np.array([2, 5, 2, 9, 1]), np.array([3, 3, 30, 1, 8])
RATING = np.array([4.0, 1, 5, 3, 2], np.float32)
BATCH = {
    "user_id/index": tf.constant(USER, tf.int32),
    "movie_id/index": tf.constant(ITEM, tf.int32),
}
Weights = dict[str, np.ndarray]


def taken_by(data, user: int) -> np.ndarray:
    """N(u), counted from 0; nothing of a user whom no vocabulary knows."""
    first = data.spec.item_column.first
    items = np.unique(data.item[(data.user == user) & (data.item >= first)])
    return items - first if user >= data.spec.user_column.first else items[:0]


def implicit(w: Weights, data) -> np.ndarray:
    """``|N(u)|^-1/2 sum y_j`` of every row of the batch."""
    rows = []
    for user in USER:
        taken = taken_by(data, user)
        rows.append(w["y"][taken].sum(0) / np.sqrt(max(len(taken), 1)))
    return np.array(rows)


def rating(w: Weights, data) -> np.ndarray:
    """``mu + b_u + b_i + q_i . (p_u + |N(u)|^-1/2 sum y_j)``."""
    user = w["p"][USER] + implicit(w, data)
    dot = np.sum(user * w["q"][ITEM], axis=1)
    return data.label.mean() + w["b_u"][USER, 0] + w["b_i"][ITEM, 0] + dot


def built(data, randomise, **config) -> SVDPlusPlus:
    model = SVDPlusPlus(data.spec, dim=3, **config)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: SVDPlusPlus) -> dict[str, tf.Variable]:
    return {
        "p": model.user_table.embeddings,
        "q": model.item_table.embeddings,
        "b_u": model.user_bias.embeddings,
        "b_i": model.item_bias.embeddings,
        "y": model.implicit,
    }


def values(model: SVDPlusPlus) -> Weights:
    return {name: variable.numpy() for name, variable in weights(model).items()}


@pytest.mark.parametrize("min_label", [None, 4, 9])
def test_equation_15(data, randomise, min_label):
    model = built(data.with_min_label(min_label), randomise)
    np.testing.assert_allclose(model(BATCH), rating(values(model), data), rtol=1e-4)


@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_equation_16_and_its_step(data, randomise, check_step, l2):
    model = built(data, randomise, l2=l2)

    def loss(w: Weights) -> float:
        squares = sum(
            np.sum(rows**2)
            for rows in (w["p"][USER], w["q"][ITEM], w["b_u"][USER], w["b_i"][ITEM])
        )
        squares += sum(np.sum(w["y"][taken_by(data, user)] ** 2) for user in USER)
        error = np.mean((RATING - rating(w, data)) ** 2)
        return error + l2 * squares / len(USER)

    check_step(model, (BATCH, tf.constant(RATING)), weights(model), loss)


def test_evaluation_is_the_squared_error_alone(data, randomise):
    model = built(data, randomise, l2=0.5)
    model.compile(run_eagerly=True)
    found = model.test_on_batch(BATCH, tf.constant(RATING))
    error = RATING - rating(values(model), data)
    assert found == pytest.approx(np.mean(error**2), rel=1e-5)


def test_it_learns_from_labels(data):
    model = SVDPlusPlus(data.spec)
    assert model.view() == Ratings(by_user=True)
    _, target = next(iter(data.batches(model, 600, shuffle=False)))
    np.testing.assert_array_equal(target, data.label)


def test_newer_events_move_users_on_without_learning(randomise):
    old = events_of(random_matrix(0))
    new = events_of(random_matrix(1), np.full((30, 20), 9.0))
    model, _ = fitted(SVDPlusPlus, old, dim=3)
    randomise(model)
    before, mean = pair_scores(model), float(model.mean)
    model.adapt(new)
    assert float(model.mean) == mean  # what was learned is relative to it
    after, first = pair_scores(model), 2
    for user in (0, 3, 29):
        items = np.flatnonzero(random_matrix(1)[user])
        own = model.implicit.numpy()[items].sum(0) / np.sqrt(max(len(items), 1))
        own = own + model.user_table.embeddings.numpy()[user + first]
        dots = model.item_table.embeddings.numpy()[first:] @ own
        bias = model.user_bias.embeddings.numpy()[user + first, 0]
        expected = mean + bias + model.item_bias.embeddings.numpy()[first:, 0] + dots
        np.testing.assert_allclose(after[user], expected, rtol=1e-4, atol=1e-5)
    assert np.abs(after - before)[:29].max() > 0.1


def test_round_trip(tmp_path):
    matrix = random_matrix()
    ratings = np.random.default_rng(0).integers(1, 6, matrix.shape)
    check_round_trip(fitted(SVDPlusPlus, events_of(matrix, ratings))[0], tmp_path)


# Bad input


@pytest.fixture
def rated():
    matrix = random_matrix()
    ratings = np.random.default_rng(0).integers(1, 6, matrix.shape)
    return events_of(matrix, ratings, strangers=False)


def test_ratings_outside_the_declared_range_are_refused(rated):
    model = SVDPlusPlus(rated.spec, rating_range=(1, 4))
    outside = int(np.sum(rated.label > 4))
    with pytest.raises(
        ValueError,
        match=rf"{outside} of {len(rated)} ratings of .* \[1, 4\], such as 5: correct",
    ):
        rated.batches(model, 8)
    assert not model.adapted


def test_ratings_that_are_no_numbers_are_refused(rated):
    rated.columns["rating"][3] = np.nan
    with pytest.raises(ValueError, match=r"1 of .* outside what can be learned"):
        SVDPlusPlus(rated.spec).adapt(rated)


@pytest.mark.parametrize("limits", [(5, 1), (1,), (1, 1), (1, 2, 3)])
def test_a_range_has_two_ends(rated, limits):
    with pytest.raises(ValueError, match=r"must be \(lowest, highest\)"):
        SVDPlusPlus(rated.spec, rating_range=limits)


@pytest.mark.usefixtures("graphs")
def test_an_item_nobody_rated_and_a_user_of_one_rating(rated):
    """The item has the user's mean, but for factors that never moved from near 0."""
    first = rated.spec.user_column.first
    single = rated.take(
        (rated.user != first)
        | (np.arange(len(rated)) == np.argmax(rated.user == first))
    )
    assert np.sum(single.user == first) == 1
    model, history = fitted(SVDPlusPlus, single, epochs=30, batch_size=64)
    assert np.isfinite(history["loss"]).all()
    scores = pair_scores(model)
    assert np.isfinite(scores).all()
    bias = model.user_bias.embeddings.numpy()[first:, 0]
    np.testing.assert_allclose(scores[:, -1], float(model.mean) + bias, atol=0.1)
    assert np.all(model.item_bias.embeddings.numpy()[-1] == 0)
