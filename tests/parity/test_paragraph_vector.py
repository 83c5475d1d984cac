"""ParagraphVector: PV-DM and PV-DBOW, Le & Mikolov 2014, and inferred users."""

import numpy as np
import pytest

from tfrec.models.embeddings._inference import neighbours
from tfrec.models.embeddings.paragraph_vector import ParagraphVector, last

NEGATIVES, WINDOW = 3, 2


def built(data, randomise, **config):
    spec = data.spec.select("user_id", "history")
    model = ParagraphVector(
        spec, dim=4, negatives=NEGATIVES, window=WINDOW, inference_negatives=7, **config
    )
    data = data.with_spec(spec)
    model.adapt(data)
    model.compile()
    kept = {w.ref(): w.numpy() for w in model.non_trainable_weights}
    randomise(model)
    for weight in model.non_trainable_weights:
        if weight.ref() in kept:
            weight.assign(kept[weight.ref()])
    return model, data


def softplus(x):
    return np.log1p(np.exp(x))


def hidden_of(model, user, context):
    """The mean of the user's vector and those around, or the user's alone."""
    if model.inputs_table is None:
        return user
    v = model.inputs_table.embeddings.numpy()
    return np.mean([user, *v[context[context > 0]]], axis=0)


@pytest.mark.parametrize("mode", ["dm", "dbow"])
def test_the_loss(mode, data, randomise):
    model, data = built(data, randomise, mode=mode)
    batch = next(iter(data.batches(model, 8)))
    items = batch["movie_id/index"].numpy()
    drawn = model.draw(NEGATIVES * len(items), 0.75)[0].numpy().reshape(-1, NEGATIVES)
    loss = model.batch_loss(batch, None, True)
    o, u = (t.embeddings.numpy() for t in (model.outputs_table, model.users_table))
    total = 0.0
    users, context = batch["user_id/index"].numpy(), batch["context/index"].numpy()
    for row, item in enumerate(items):
        h = hidden_of(model, u[users[row]], context[row])
        total += softplus(-h @ o[item])
        total += sum(softplus(h @ o[n]) for n in drawn[row] if n != item)
    np.testing.assert_allclose(loss, total / len(items), rtol=1e-5)


@pytest.mark.parametrize("mode", ["dm", "dbow"])
def test_a_step(mode, data, randomise, check_step):
    """Users and items move down the loss above."""
    model, data = built(data, randomise, mode=mode)
    batch = next(iter(data.batches(model, 8)))
    names = ("movie_id", "user_id", "context")
    items, users, around = (batch[f"{name}/index"].numpy() for name in names)
    drawn = model.draw(NEGATIVES * len(items), 0.75)[0].numpy().reshape(-1, NEGATIVES)

    def loss(w: dict[str, np.ndarray]) -> float:
        total = 0.0
        for row, item in enumerate(items):
            hidden = w["u"][users[row]]
            if mode == "dm":
                near = w["v"][around[row][around[row] > 0]]
                hidden = np.mean([hidden, *near], axis=0)
            negatives = drawn[row][drawn[row] != item]
            scores = w["o"] @ hidden
            total += softplus(-scores[item]) + softplus(scores[negatives]).sum()
        return total / len(items)

    tables = {"u": model.users_table, "o": model.outputs_table}
    if mode == "dm":
        tables["v"] = model.inputs_table
    weights = {name: table.embeddings for name, table in tables.items()}
    check_step(model, (batch,), weights, loss)


def inference_loss(model, history, user):
    """The loss of a history given the user's vector, per event."""
    o, rivals = model.outputs_table.embeddings.numpy(), model.rivals.numpy()
    total = 0.0
    for place, item in enumerate(history):
        start = max(0, place - WINDOW)
        around = np.r_[history[start:place], history[place + 1 : place + 1 + WINDOW]]
        h = hidden_of(model, user, around)
        total += softplus(-h @ o[item])
        total += NEGATIVES / len(rivals) * softplus(o[rivals] @ h).sum()
    return total / len(history)


def stranger(history):
    padded = np.zeros((1, 10), np.int32)
    padded[0, : len(history)] = history
    return {"user_id": np.array([1]), "history": padded}


@pytest.mark.parametrize("mode", ["dm", "dbow"])
def test_a_new_user_descends_the_loss_of_the_history(mode, data, randomise):
    rate, step = 0.1, 1e-4
    config = {"mode": mode, "inference_rate": rate}
    history = np.array([3, 9, 4, 9, 12], np.int32)
    model, _ = built(data, randomise, inference_steps=2, **config)
    expected = np.zeros(4)
    for _ in range(2):
        gradient = [
            inference_loss(model, history, expected + step * e)
            - inference_loss(model, history, expected - step * e)
            for e in np.eye(4)
        ]
        expected = expected - rate * np.array(gradient) / (2 * step)
    found = model.user_vectors(stranger(history)).numpy()[0]
    np.testing.assert_allclose(found, expected, atol=2e-4)
    known = {**stranger(history), "user_id": np.array([5])}
    own = model.users_table.embeddings.numpy()[5]
    np.testing.assert_allclose(model.user_vectors(known)[0], own)


def test_users_outside_the_vocabulary_are_new(data, randomise):
    """Others who were unknown, too, have taught the vector at their index."""
    some = data.take(np.arange(len(data)))
    some.columns["user_id"] = np.where(some.user < 9, 1, some.user)
    model, _ = built(some, randomise)
    assert model.met.numpy()[:2].tolist() == [0, 0]
    assert model.met.numpy()[9:].all()


def test_more_steps_come_nearer_to_the_minimum(data, randomise):
    history = np.array([3, 9, 4, 9, 12], np.int32)
    losses = []
    for steps in (0, 5, 50):
        model, _ = built(data, randomise, inference_steps=steps, inference_rate=0.2)
        user = model.user_vectors(stranger(history)).numpy()[0]
        losses.append(inference_loss(model, history, user))
    assert losses[0] > losses[1] > losses[2]


def test_a_user_without_history_is_nothing(data, randomise):
    model, _ = built(data, randomise)
    np.testing.assert_array_equal(model.user_vectors(stranger([]))[0], np.zeros(4))


@pytest.mark.parametrize("mode", ["dm", "dbow"])
def test_the_score(mode, data, randomise):
    model, data = built(data, randomise, mode=mode)
    features = stranger(np.array([3, 9, 4, 9, 12], np.int32))
    user = model.user_vectors(features).numpy()[0]
    hidden = hidden_of(model, user, np.array([9, 12]))
    indices = {f"{name}/index": values for name, values in features.items()}
    scores = model.catalogue_scores(indices, model.catalogue_state())[0]
    first = data.spec.item_column.first
    o = model.outputs_table.embeddings.numpy()[first:]
    expected = o @ hidden + model.log_noise.numpy()[first:]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_windows_of_a_history():
    history = np.array([[1, 2, 3, 0], [4, 0, 0, 0]])
    around = [[0, 0, 2, 3], [0, 1, 3, 0], [1, 2, 0, 0], [2, 3, 0, 0]]
    np.testing.assert_array_equal(neighbours(history, 2)[0], around)
    np.testing.assert_array_equal(last(history, 2), [[2, 3], [0, 4]])
