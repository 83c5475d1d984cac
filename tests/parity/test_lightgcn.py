"""LightGCN: He et al. 2020, equations 4, 8, 10 and 15."""

import numpy as np
import pytest
import tensorflow as tf
from graphs import BATCH, ITEM, NEGATIVE, TRIPLES, USER, adjacency
from matrices import (
    FIRST,
    all_scores,
    check_round_trip,
    events_of,
    fitted,
    ids,
    pair_scores,
    random_matrix,
)

from tfrec import keras, models, optimizers
from tfrec.data.views import Positives, Triples
from tfrec.models.graph.lightgcn import LightGCN


def mean_of_layers(start: np.ndarray, matrix: np.ndarray, layers: int) -> np.ndarray:
    values, total = start, start
    for _ in range(layers):
        values = adjacency(matrix) @ values
        total = total + values
    return total / (layers + 1)


@pytest.fixture(scope="module")
def matrix():
    return random_matrix()


@pytest.fixture(scope="module")
def events(matrix):
    """With events that come twice and events of unknown users and items."""
    return events_of(matrix)


def built(events, randomise, **config) -> LightGCN:
    model = LightGCN(events.spec, dim=3, **config)
    model.adapt(events)
    randomise(model)
    model.refresh()
    return model


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_scores_are_products_of_the_mean_of_layers(matrix, events, randomise, layers):
    model = built(events, randomise, layers=layers)
    final = mean_of_layers(model.nodes.embeddings.numpy(), matrix, layers)
    users = len(matrix)
    expected = final[FIRST : FIRST + users] @ final[2 * FIRST + users :].T
    np.testing.assert_allclose(all_scores(model), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pair_scores(model), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_equation_15_and_its_step(
    matrix, events, randomise, check_step, monkeypatch, l2, shared
):
    model = built(events, randomise, layers=2, l2=l2, share_negatives=shared)
    batch, negatives = TRIPLES, NEGATIVE
    if shared:  # every event is compared with the same three
        batch, drawn = BATCH, tf.constant([9, 21, 4])
        monkeypatch.setattr(model, "draw", lambda n: (drawn, None))
        negatives = np.tile(drawn, [len(USER), 1])
    users = FIRST + len(matrix)

    def loss(weights: dict[str, np.ndarray]) -> float:
        start = weights["nodes"]
        final = mean_of_layers(start, matrix, 2)
        query, item = final[USER], final[users + ITEM]
        others = final[users + negatives]
        taken = np.sum(query * item, axis=1, keepdims=True)
        gap = taken - np.einsum("bd,bnd->bn", query, others)
        bpr = np.mean(-np.log(1 / (1 + np.exp(-gap))))
        rows = start[USER], start[users + ITEM]
        squares = sum(np.sum(r**2) for r in rows) / len(USER)
        drawn = np.sum(start[users + negatives] ** 2)
        squares += drawn / (negatives.size if shared else len(USER))
        return bpr + l2 / 2 * squares

    check_step(model, (batch,), {"nodes": model.nodes.embeddings}, loss)


def test_it_learns_from_events_with_drawn_negatives(events):
    assert LightGCN(events.spec).view() == Triples(negatives=1)
    assert LightGCN(events.spec, share_negatives=True).view() == Positives()


def test_a_graph_has_every_pair_once_and_no_unknown(matrix, events):
    model = LightGCN(events.spec)
    model.adapt(events)
    assert len(events) > matrix.sum()
    assert model.adjacency.entries == 2 * matrix.sum()


def test_users_and_items_that_nobody_joins(matrix, events, randomise):
    """The last user and the last item: their embedding over four."""
    model = built(events, randomise)
    start, final = model.nodes.embeddings.numpy(), model.propagated.numpy()
    users = FIRST + len(matrix)
    for node in (users - 1, len(start) - 1, users + 1):
        np.testing.assert_allclose(final[node], start[node] / 4, rtol=1e-6)
    with pytest.warns(UserWarning, match="answered by popularity"):
        result = model.recommend({"user_id": ["u29", "u0", "nobody"]}, k=3)
    assert result.cold.tolist() == [True, False, True]
    popular = np.argsort(-events.item_counts[FIRST:], kind="stable")[:3]
    names = np.array(ids("i", matrix.shape[1]))
    np.testing.assert_array_equal(result.item_id[2], names[popular])


def test_answers_follow_the_weights(events):
    """After fit, after a batch, and while metrics are taken between epochs."""
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(np.array(self.model.propagated - self.model.propagate(False)))

    model = LightGCN(events.spec, dim=4, learning_rate=0.05)
    model.compile(optimizers.Adam(0.05, use_ema=True))
    model.fit(events.batches(model, 64), epochs=2, verbose=0, callbacks=[Watch()])
    model.train_on_batch(next(iter(events.batches(model, 64))))
    assert [np.abs(difference).max() for difference in seen] == [0, 0]
    np.testing.assert_array_equal(model.propagated, model.propagate(False))


def test_new_events_change_the_graph_that_is_trained_on(matrix, events, randomise):
    model = built(events, randomise, layers=1)
    model.compile()
    model.fit(events.batches(model, 64), verbose=0)
    fewer = matrix.copy()
    fewer[:, :10] = False
    model.adapt(events_of(fewer))
    assert model.adjacency.entries == 2 * fewer.sum()
    start = model.nodes.embeddings.numpy()
    final = mean_of_layers(start, fewer, 1)
    np.testing.assert_allclose(model.propagated, final, rtol=1e-5, atol=1e-6)
    model.compile(keras.optimizers.SGD(10.0), steps_per_execution=1)
    model.train_on_batch(TRIPLES)
    moved = np.abs(model.nodes.embeddings.numpy() - start).max(axis=1) > 1e-7
    users = FIRST + len(matrix)
    touched = {*USER, *(users + ITEM), *(users + NEGATIVE.ravel())}
    reached = np.flatnonzero(adjacency(fewer)[list(touched)].any(axis=0))
    assert set(np.flatnonzero(moved)) == touched | set(reached)


def test_a_loaded_model_trains_on_along_its_edges(matrix, events, tmp_path):
    model, _ = fitted(LightGCN, events, dim=4)
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    assert loaded.adjacency.entries == 2 * matrix.sum()
    for each in (model, loaded):
        each.compile(keras.optimizers.SGD(1.0))
        each.train_on_batch(TRIPLES)
    np.testing.assert_allclose(loaded.propagated, model.propagated, atol=1e-6)


def test_it_is_saved_and_served(events, tmp_path):
    model, _ = fitted(LightGCN, events, epochs=3, dim=4, learning_rate=0.01)
    check_round_trip(model, tmp_path)
    model.export(tmp_path / "alone")
    served = tf.saved_model.load(str(tmp_path / "alone" / "1"))
    sizes = [v.shape for v in served.weights]
    assert sizes.count(model.propagated.shape) == 1  # E, and not E(0)


def test_fewer_layers_than_none_are_refused(events):
    with pytest.raises(ValueError, match="layers=-1 must be 0 or more"):
        LightGCN(events.spec, layers=-1)


def test_neighbours_of_neighbours_help():
    """Ten circles of users with three of ten items each: layers find the others."""
    rng = np.random.default_rng(0)
    circle = np.kron(np.eye(10), np.ones((10, 10))).astype(bool)
    matrix = np.zeros_like(circle)
    for row in range(100):
        matrix[row, rng.choice(np.flatnonzero(circle[row]), 3, replace=False)] = True
    events, share = events_of(matrix, strangers=False), {}
    for layers in (0, 3):
        config = {"layers": layers, "learning_rate": 0.01}
        model, _ = fitted(LightGCN, events, 5, 64, **config)
        scores = np.where(matrix, -np.inf, all_scores(model, users=100))
        best = np.argsort(-scores, axis=1)[:, :7]
        share[layers] = np.take_along_axis(circle, best, 1).mean()
    assert share[3] > share[0] + 0.2, share
