"""SkipGram and CBOW: negative sampling, Mikolov et al. 2013b, eq. 4."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.models import registry
from tfrec.models.embeddings.cbow import CBOW
from tfrec.models.embeddings.skip_gram import SkipGram

NEGATIVES = 3


def built(cls, data, randomise, **config):
    spec = data.spec.select("history")
    model = cls(spec, dim=4, negatives=NEGATIVES, window=2, seed=2, **config)
    data = data.with_spec(spec)
    model.adapt(data)
    model.compile()
    randomise(model)
    batch = next(iter(data.batches(model, 8)))
    return model, batch


def logistic_loss(score, hit):
    """``- log sigmoid(score)`` of a hit, ``- log sigmoid(-score)`` of a miss."""
    return np.log1p(np.exp(-score if hit else score))


def pairs(name, model, batch):
    """Row, predicting vector and item it should predict, in the model's order."""
    v = model.inputs_table.embeddings.numpy()
    items = batch["movie_id/index"].numpy()
    found = []
    for row, (item, near) in enumerate(
        zip(items, batch["context/index"].numpy(), strict=True)
    ):
        near = near[near > 0]
        if name is SkipGram:
            found += [(row, v[item], j) for j in near]
        elif len(near):
            found.append((row, v[near].mean(0), item))
    return found


@pytest.mark.parametrize("shared", [0, 5])
@pytest.mark.parametrize("cls", [SkipGram, CBOW])
def test_the_loss(cls, shared, data, randomise):
    model, batch = built(cls, data, randomise, share_negatives=shared)
    examples = pairs(cls, model, batch)
    assert len(examples) > 4
    # Of 8 rows the first 5 share 5 negatives, and the others the next 5.
    drawn, _ = model.draw(10 if shared else NEGATIVES * len(examples), 0.75)
    drawn = drawn.numpy().reshape(-1, shared or NEGATIVES)
    o, total = model.outputs_table.embeddings.numpy(), 0.0
    for number, (row, hidden, target) in enumerate(examples):
        total += logistic_loss(hidden @ o[target], True)
        for negative in drawn[row // shared if shared else number]:
            if negative != target:
                each = NEGATIVES / shared if shared else 1.0
                total += each * logistic_loss(hidden @ o[negative], False)
    count = len(batch["movie_id/index"]) if cls is SkipGram else len(examples)
    loss = model.batch_loss(batch, None, True)
    np.testing.assert_allclose(loss, total / count, rtol=1e-5)


@pytest.mark.parametrize("shared", [0, 5])
@pytest.mark.parametrize("cls", [SkipGram, CBOW])
def test_a_step(cls, shared, data, randomise, check_step):
    """Both tables move down the loss above."""
    model, batch = built(cls, data, randomise, share_negatives=shared)
    items, around = (batch[f"{n}/index"].numpy() for n in ("movie_id", "context"))
    examples = []  # row, items whose vectors predict, and the item that they predict
    for row, (item, near) in enumerate(zip(items, around, strict=True)):
        near = near[near > 0]
        if cls is SkipGram:
            examples += [(row, [item], other) for other in near]
        elif len(near):
            examples.append((row, near, item))
    count = 10 if shared else NEGATIVES * len(examples)
    drawn = model.draw(count, 0.75)[0].numpy().reshape(-1, shared or NEGATIVES)
    each = NEGATIVES / shared if shared else 1.0

    def loss(w: dict[str, np.ndarray]) -> float:
        total = 0.0
        for number, (row, inputs, target) in enumerate(examples):
            scores = w["o"] @ w["v"][inputs].mean(axis=0)
            negatives = drawn[row // shared if shared else number]
            negatives = negatives[negatives != target]
            total += logistic_loss(scores[target], True)
            total += each * logistic_loss(scores[negatives], False).sum()
        return total / (len(items) if cls is SkipGram else len(examples))

    tables = {
        "v": model.inputs_table.embeddings,
        "o": model.outputs_table.embeddings,
    }
    check_step(model, (batch,), tables, loss)


def test_the_gradient_of_an_input_vector(data, randomise):
    model, batch = built(SkipGram, data, randomise, share_negatives=6)
    with tf.GradientTape() as tape:
        loss = model.batch_loss(batch, None, True)
    table = model.inputs_table.embeddings
    gradient = tf.convert_to_tensor(tape.gradient(loss, table)).numpy()
    blocks = model.draw(12, 0.75)[0].numpy().reshape(2, 6)
    o = model.outputs_table.embeddings.numpy()
    items, expected = batch["movie_id/index"].numpy(), np.zeros_like(gradient)
    for row, (item, near) in enumerate(
        zip(items, batch["context/index"].numpy(), strict=True)
    ):
        v, drawn = table.numpy()[item], blocks[row // 6]
        for target in near[near > 0]:
            expected[item] -= o[target] / (1 + np.exp(v @ o[target]))
            for n in drawn[drawn != target]:
                expected[item] += NEGATIVES / 6 * o[n] / (1 + np.exp(-v @ o[n]))
    np.testing.assert_allclose(gradient, expected / len(items), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("score", ["probability", "lift", "cosine"])
def test_the_score_is_that_of_the_mean_of_the_history(score, data, randomise):
    model, _ = built(SkipGram, data, randomise, score=score)
    model.adapt(data.with_spec(model.spec))
    history = np.array([[5, 7, 7, 0, 0, 0], [0] * 6], np.int32)
    item = np.array([6, 6], np.int32)
    v = model.inputs_table.embeddings.numpy()
    o = model.outputs_table.embeddings.numpy()
    if score == "cosine":
        v = o = v / np.linalg.norm(v, axis=1, keepdims=True)
    mean = v[[5, 7, 7]].mean(0)
    if score == "cosine":
        mean /= np.linalg.norm(mean)
    noise = np.maximum(data.item_counts, 1) ** 0.75
    log_q = np.log(noise[6] / noise.sum()) if score == "probability" else 0.0
    found = model({"history/index": history, "movie_id/index": item})
    np.testing.assert_allclose(found, [mean @ o[6] + log_q, log_q], rtol=1e-4)


def test_a_spec_without_a_history_is_refused(data):
    with pytest.raises(ValueError, match="recommends from the user's history"):
        SkipGram(data.spec.select("user_id"))


@pytest.mark.parametrize("name", ["skip_gram", "cbow", "paragraph_vector"])
@pytest.mark.parametrize("shared", [0, 5])
def test_users_with_one_event_are_learned_from_as_far_as_they_go(name, shared, data):
    """They have no neighbours: the loss is finite, and there is an answer for them."""
    spec = data.spec.select("user_id", "history")
    _, first = np.unique(data.user, return_index=True)
    lonely = data.with_spec(spec).take(first)
    model = registry.get(name)(spec, dim=4, share_negatives=shared)
    model.compile(run_eagerly=True)
    history = model.fit(lonely.batches(model, 16), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for weight in model.trainable_variables:
        assert np.isfinite(weight.numpy()).all()
    assert model.recommend({"user_id": ["u0"]}, k=3).item_id.shape == (1, 3)


@pytest.mark.parametrize(
    "name", ["skip_gram", "cbow", "paragraph_vector", "meta_prod2vec"]
)
@pytest.mark.parametrize("shared", [0, 5])
def test_an_epoch_whose_every_event_is_dropped_changes_nothing(name, shared, data):
    model = registry.get(name)(
        data.spec, dim=4, subsample=1e-20, share_negatives=shared
    )
    model.adapt(data)
    model.compile(run_eagerly=True)
    before = [weight.numpy() for weight in model.trainable_variables]
    assert model.fit(data.batches(model, 600), verbose=0).history["loss"] == [0.0]
    for was, weight in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(was, weight.numpy())
