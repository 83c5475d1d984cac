"""ItemKNN against NumPy: similarity, neighbours, scores."""

import numpy as np
import pytest
from matrices import (
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

from tfrec.models import ItemKNN

MATRIX = random_matrix()


@pytest.fixture(scope="module")
def events():
    return events_of(MATRIX)


def neighbourhoods(matrix, neighbours, shrink):
    """``(items, items)``: row i holds sim(i, j) of its neighbours j, 0 elsewhere."""
    x = matrix.astype(float)
    together = x.T @ x
    norm = np.sqrt(np.diag(together))
    similarity = together / np.maximum(np.outer(norm, norm) + shrink, 1e-12)
    np.fill_diagonal(similarity, 0)
    kept = np.zeros_like(similarity)
    for row, values in enumerate(similarity):
        best = np.argsort(-values, kind="stable")[:neighbours]
        kept[row, best] = values[best]
    return kept


def expected_scores(matrix, neighbours, shrink, average=False):
    x, near = matrix.astype(float), neighbourhoods(matrix, neighbours, shrink)
    if not average:
        return x @ near.T
    total = near.sum(axis=1, keepdims=True)
    near = np.divide(near, total, out=np.zeros_like(near), where=total > 0)
    mean = x.sum(axis=0) / np.any(matrix, axis=1).sum()
    return mean + (x - mean) @ near.T


@pytest.mark.parametrize("score", ["sum", "average"])
@pytest.mark.parametrize(("neighbours", "shrink"), [(3, 0.0), (5, 10.0), (100, 2.5)])
@pytest.mark.parametrize("batch_size", [1, 7, 4096])
def test_scores(events, neighbours, shrink, score, batch_size):
    """Each event once, unknown ids never, all of the history; pairs score alike."""
    assert MATRIX.sum(axis=1).max() > 2 * events.spec.history.max_len
    model, _ = fitted(
        ItemKNN,
        events,
        1,
        batch_size,
        neighbours=neighbours,
        shrink=shrink,
        score=score,
    )
    expected = expected_scores(MATRIX, neighbours, shrink, score == "average")
    np.testing.assert_allclose(all_scores(model), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pair_scores(model), expected, rtol=1e-5, atol=1e-6)
    assert float(model(raw_pairs(["u0"], ["unknown"]))[0]) == 0


def test_of_equally_similar_items_the_first_are_neighbours():
    """Items 1 to 4 have the same takers as item 0, so all similarities are 1."""
    matrix = np.zeros((3, 6), bool)
    matrix[:2, :5] = True
    matrix[2, 5] = True
    model, _ = fitted(ItemKNN, events_of(matrix, strangers=False), neighbours=2)
    np.testing.assert_array_equal(model.neighbours[:5], [[1, 2], [0, 2], *[[0, 1]] * 3])
    assert np.ptp(model.similarities[:5]) == 0
    np.testing.assert_array_equal(model.similarities[5], [0, 0])


def test_loss_is_the_mean_distance_to_neighbours(events):
    model, history = fitted(ItemKNN, events, epochs=2, neighbours=3, shrink=1.0)
    near = neighbourhoods(MATRIX, 3, 1.0)
    expected = 1 - near.sum() / (3 * ITEMS)
    np.testing.assert_allclose(history["loss"], [expected] * 2, rtol=1e-5)
    matrix = random_matrix(1)
    other = neighbourhoods(matrix, ITEMS, 1.0)
    reached = model.evaluate(events_of(matrix).batches(model, 8), verbose=0)
    places = np.take_along_axis(other, model.neighbours.numpy(), axis=1)
    assert reached == pytest.approx(1 - places.mean(), rel=1e-5)


def test_neighbours_stay_sparse(events):
    model, _ = fitted(ItemKNN, events, neighbours=3)
    weights = model.non_trainable_weights
    assert max(int(np.prod(v.shape)) for v in weights) == ITEMS * 3
    alone, _ = fitted(ItemKNN, events_of(MATRIX[:, :1]), neighbours=3)
    np.testing.assert_array_equal(all_scores(alone), np.zeros((30, 1)))


def test_similar_items_are_the_neighbours(events):
    model, _ = fitted(ItemKNN, events, neighbours=4)
    near = neighbourhoods(MATRIX, 4, 10.0)[[6, 2]]
    best = np.argsort(-near, axis=1, kind="stable")[:, :4]
    answer = model.similar_items(["i6", "i2"], k=4)
    np.testing.assert_array_equal(
        answer.item_id, np.array(events.spec["item_id"].raw)[best + 2]
    )
    np.testing.assert_allclose(
        answer.score, np.take_along_axis(near, best, 1), rtol=1e-5
    )


def test_users_move_on_without_learning_anew(events):
    """Graphs traced before ``adapt`` read the new histories, too."""
    model, _ = fitted(ItemKNN, events, neighbours=5, shrink=0.0)
    pair = raw_pairs(["u29"], ["i0"])
    assert model.predict(pair, verbose=0)[0] == 0
    with pytest.warns(UserWarning, match="popularity"):
        assert model.recommend({"user_id": ["u29"]}, k=1).cold[0]
    later = MATRIX.copy()
    later[-1, 1:6] = True
    model.adapt(events_of(later))
    near = neighbourhoods(MATRIX, 5, 0.0)
    np.testing.assert_allclose(
        all_scores(model), later.astype(float) @ near.T, rtol=1e-5, atol=1e-6
    )
    assert model.predict(pair, verbose=0)[0] == pytest.approx(
        near[0, 1:6].sum(), rel=1e-5
    )
    assert not model.recommend({"user_id": ["u29"]}, k=1).cold[0]


def test_round_trip(events, tmp_path):
    model, _ = fitted(ItemKNN, events, neighbours=5, score="average")
    check_round_trip(model, tmp_path)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"neighbours": 0}, "neighbours=0 must be 1 or more"),
        ({"shrink": -1.0}, r"shrink=-1\.0 must not be negative"),
        ({"score": "max"}, "'max' is none of sum, average"),
    ],
)
def test_bad_hyper_parameters(events, wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        ItemKNN(events.spec, **wrong)


@pytest.mark.slow
@pytest.mark.usefixtures("graphs")
def test_published_numbers_on_movielens():
    """Dacrema et al. 2021: .6694, .3979, with similarity and weighting tuned."""
    hit_rate, ndcg = ncf_numbers(ItemKNN, neighbours=50, shrink=0.0)
    assert hit_rate > 0.6694 - 0.005
    assert ndcg > 0.3979 - 0.005
