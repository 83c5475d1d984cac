"""NGCF: Wang et al. 2019, equations 7 to 11."""

import numpy as np
import pytest
import tensorflow as tf
from graphs import ITEM, NEGATIVE, TRIPLES, USER, adjacency
from matrices import (
    FIRST,
    all_scores,
    check_round_trip,
    events_of,
    fitted,
    random_matrix,
)

from tfrec.models.graph.ngcf import NGCF


@pytest.fixture(scope="module")
def matrix():
    return random_matrix()


@pytest.fixture(scope="module")
def events(matrix):
    return events_of(matrix)


def built(events, randomise, **config) -> NGCF:
    config = {"message_dropout": 0.0, "layers": (4, 2), **config}
    model = NGCF(events.spec, dim=3, **config)
    model.adapt(events)
    randomise(model)
    model.refresh()
    return model


def weights(model: NGCF) -> dict[str, tf.Variable]:
    found = {"nodes": model.nodes.embeddings}
    for place, layer in enumerate(model.interactions):
        found[f"first {place}"] = layer.alone.kernel
        found[f"second {place}"] = layer.together.kernel
    return found


def joined(w: dict[str, np.ndarray], matrix: np.ndarray, normalise: bool) -> np.ndarray:
    """Equations 7 and 9; lengths of 1 are of what is joined, not of what goes on."""
    values = w["nodes"]
    layers, graph = [values], adjacency(matrix)
    for place in range((len(w) - 1) // 2):
        near = graph @ values
        first, second = w[f"first {place}"], w[f"second {place}"]
        values = (near + values) @ first + (near * values) @ second
        values = np.where(values > 0, values, 0.2 * values)
        length = np.linalg.norm(values, axis=1, keepdims=True)
        layers.append(values / np.maximum(length, 1e-6) if normalise else values)
    return np.concatenate(layers, axis=1)


@pytest.mark.parametrize("normalise", [False, True])
def test_scores_are_products_of_joined_layers(matrix, events, randomise, normalise):
    model = built(events, randomise, normalise=normalise)
    values = {n: v.numpy().astype(float) for n, v in weights(model).items()}
    final = joined(values, matrix, normalise)
    users = FIRST + len(matrix)
    expected = final[FIRST:users] @ final[users + FIRST :].T
    np.testing.assert_allclose(all_scores(model), expected, rtol=1e-4, atol=1e-4)
    assert model.propagated.shape[1] == 3 + 4 + 2


@pytest.mark.parametrize("normalise", [False, True])
def test_the_loss_and_its_step(matrix, events, randomise, check_step, normalise):
    model = built(events, randomise, normalise=normalise, l2=0.05)
    users = FIRST + len(matrix)

    def loss(w: dict[str, np.ndarray]) -> float:
        final = joined(w, matrix, normalise)
        query, item = final[USER], final[users + ITEM]
        taken = np.sum(query * item, axis=1, keepdims=True)
        gap = taken - np.einsum("bd,bnd->bn", query, final[users + NEGATIVE])
        bpr = np.mean(-np.log(1 / (1 + np.exp(-gap))))
        rows = w["nodes"][USER], w["nodes"][users + ITEM], w["nodes"][users + NEGATIVE]
        return bpr + 0.05 / 2 * sum(np.sum(r**2) for r in rows) / len(USER)

    check_step(model, (TRIPLES,), weights(model), loss)


def test_dropout_is_of_training_alone(events, randomise):
    model = built(events, randomise, message_dropout=0.5)
    np.testing.assert_array_equal(model.propagate(False), model.propagate(False))
    assert np.any(model.propagate(True) != model.propagate(False))


def test_it_is_saved_and_served(events, tmp_path):
    model, _ = fitted(NGCF, events, epochs=3, dim=4, layers=(4,))
    check_round_trip(model, tmp_path)


@pytest.mark.parametrize(
    "wrong, why",
    [
        ({"layers": (4, 0)}, r"layers=\(4, 0\) must be positive"),
        ({"message_dropout": 1.0}, "message_dropout=1.0 must be 0 or more, and below"),
    ],
)
def test_layers_that_are_none_are_refused(events, wrong, why):
    with pytest.raises(ValueError, match=why):
        NGCF(events.spec, **wrong)
