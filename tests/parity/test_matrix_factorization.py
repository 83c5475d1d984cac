"""Matrix factorisation: Koren et al. 2009, equations 4 and 5; Rendle et al. 2009."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.views import Pairs, Positives, Triples
from tfrec.models.factorization.matrix_factorization import MatrixFactorization

USER, ITEM = np.array([2, 5, 2, 9, 1]), np.array([3, 3, 30, 1, 8])
RATING = np.array([4.0, 1, 5, 3, 2], np.float32)
NEGATIVE = np.array([[9, 3], [4, 4], [11, 12], [30, 2], [8, 5]])
BATCH = {
    "user_id/index": tf.constant(USER, tf.int32),
    "movie_id/index": tf.constant(ITEM, tf.int32),
}
TRIPLES = {**BATCH, "negative/index": tf.constant(NEGATIVE, tf.int32)}
Weights = dict[str, np.ndarray]


def rating(w: Weights, mean: float) -> np.ndarray:
    """``mu + b_u + b_i + q_i . p_u``."""
    dot = np.sum(w["p"][USER] * w["q"][ITEM], axis=1)
    return mean + w["b_u"][USER, 0] + w["b_i"][ITEM, 0] + dot


def preference(w: Weights, item: np.ndarray) -> np.ndarray:
    """What of the rating does not cancel in a difference of two items."""
    user = USER if item.ndim == 1 else USER[:, None]
    return w["b_i"][item, 0] + np.sum(w["p"][user] * w["q"][item], axis=-1)


def squares(values: np.ndarray) -> float:
    """Squared norm of the rows of a batch, mean over its examples."""
    return np.sum(values**2) / len(USER)


def built(data, randomise, **config) -> MatrixFactorization:
    model = MatrixFactorization(data.spec, dim=3, **config)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: MatrixFactorization) -> dict[str, tf.Variable]:
    found = {
        "p": model.user_table.embeddings,
        "q": model.item_table.embeddings,
        "b_i": model.item_bias.embeddings,
    }
    if model.config.objective == "rating":
        found["b_u"] = model.user_bias.embeddings
    return found


def values(model: MatrixFactorization) -> Weights:
    return {name: variable.numpy() for name, variable in weights(model).items()}


# Ratings


def test_equation_4(data, randomise):
    model = built(data, randomise, objective="rating")
    mean = data.label.mean()
    assert float(model.mean) == pytest.approx(mean)
    np.testing.assert_allclose(model(BATCH), rating(values(model), mean), rtol=1e-5)


@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_equation_5_and_its_step(data, randomise, check_step, l2):
    model = built(data, randomise, objective="rating", l2=l2)
    mean = float(model.mean)

    def loss(w: Weights) -> float:
        rows = w["p"][USER], w["q"][ITEM], w["b_u"][USER], w["b_i"][ITEM]
        penalty = sum(squares(values) for values in rows)
        return np.mean((RATING - rating(w, mean)) ** 2) + l2 * penalty

    check_step(model, (BATCH, tf.constant(RATING)), weights(model), loss)


def test_evaluation_is_the_squared_error_alone(data, randomise):
    model = built(data, randomise, objective="rating", l2=0.5)
    model.compile(run_eagerly=True)
    found = model.test_on_batch(BATCH, tf.constant(RATING))
    error = RATING - rating(values(model), float(model.mean))
    assert found == pytest.approx(np.mean(error**2), rel=1e-5)


def test_ratings_are_learned_from_labels(data):
    model = MatrixFactorization(data.spec, objective="rating")
    assert model.view() == Pairs()
    _, target = next(iter(data.batches(model, 600, shuffle=False)))
    np.testing.assert_array_equal(target, data.label)


# Ranking


def test_a_ranking_score_has_no_user_bias(data, randomise):
    model = built(data, randomise)
    expected = preference(values(model), ITEM)
    np.testing.assert_allclose(model(BATCH), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("l2", [0.0, 0.05])
@pytest.mark.parametrize("shared", [False, True])
def test_bpr_and_its_step(data, randomise, check_step, monkeypatch, l2, shared):
    """``-log sigmoid(x_ui - x_uj)`` and L2, mean over negatives and examples."""
    model = built(data, randomise, l2=l2, share_negatives=shared)
    batch, negatives = TRIPLES, NEGATIVE
    if shared:  # every event is compared with the same three
        batch, drawn = BATCH, tf.constant([9, 30, 4])
        monkeypatch.setattr(model, "draw", lambda n: (drawn, None))
        negatives = np.tile(drawn, [len(USER), 1])

    def loss(w: Weights) -> float:
        difference = preference(w, ITEM)[:, None] - preference(w, negatives)
        bpr = np.mean(-np.log(1 / (1 + np.exp(-difference))))
        rows = w["p"][USER], w["q"][ITEM], w["b_i"][ITEM]
        others = w["q"][negatives], w["b_i"][negatives]
        penalty = sum(squares(values) for values in rows)
        penalty += sum(squares(values) for values in others) / negatives.shape[1]
        return bpr + l2 * penalty

    check_step(model, (batch,), weights(model), loss)


def test_ranking_is_learned_from_triples(data):
    assert MatrixFactorization(data.spec).view() == Triples(negatives=4)
    assert MatrixFactorization(data.spec, negatives=2).view() == Triples(negatives=2)


def test_shared_negatives_are_drawn_anew_from_all_items_in_every_step(data):
    model = MatrixFactorization(data.spec, share_negatives=True)
    assert model.view() == Positives()
    model.adapt(data)
    model.compile()
    column = data.spec.item_column
    draws = []
    for _ in range(2):
        drawn = model.draw(400)[0].numpy()
        assert set(drawn) == set(range(column.first, column.size))
        draws.append(drawn.tolist())
        model.optimizer.iterations.assign_add(1)
    assert draws[0] != draws[1]


def test_an_unknown_objective_is_refused(data):
    with pytest.raises(ValueError, match="objective='ratin' is none of ranking, ratin"):
        MatrixFactorization(data.spec, objective="ratin")


def test_the_mean_is_that_of_the_first_ratings(data):
    """Biases are learned relative to it, so newer ratings do not move it."""
    train, _, newer = data.split()
    model = MatrixFactorization(data.spec, objective="rating")
    model.adapt(train)
    first = train.label.mean()
    assert float(model.mean) == pytest.approx(first, rel=1e-6)
    assert newer.label.mean() != pytest.approx(first, rel=1e-3)
    model.adapt(newer)
    assert float(model.mean) == pytest.approx(first, rel=1e-6)
