"""MetaProd2Vec: the four losses with metadata, Vasile et al. 2016, eq. 4."""

import numpy as np
import pytest

from tfrec.models.embeddings.meta_prod2vec import MetaProd2Vec

NEGATIVES, SHARED, WEIGHT = 3, 5, 0.7


@pytest.fixture
def built(data, randomise):
    model = MetaProd2Vec(
        data.spec.select("history", "genres"),
        dim=4,
        negatives=NEGATIVES,
        share_negatives=SHARED,
        metadata_weight=WEIGHT,
        window=2,
    )
    data = data.with_spec(model.spec)
    model.adapt(data)
    model.compile()
    randomise(model)
    return model, data


def logistic_loss(score, hit):
    return np.log1p(np.exp(-score if hit else score))


def test_loss_and_step(built, check_step):
    model, data = built
    batch = next(iter(data.batches(model, 8)))
    # The rows that predict: 8 of items, then 8 of their metadata; 5 share 5 negatives.
    drawn = model.draw(20, 0.75)[0].numpy().reshape(-1, SHARED)
    drawn_meta = []

    def take_note(hidden, targets, negatives, outputs):
        if outputs is model.outputs_meta:
            drawn_meta.extend(negatives.numpy())
        return against(hidden, targets, negatives, outputs)

    against, model.against = model.against, take_note
    items, context = batch["movie_id/index"].numpy(), batch["context/index"].numpy()
    own = model._one_token(items, model.step_seed() + 1).numpy()
    other = model._one_token(context, model.step_seed() + 2).numpy()
    model.batch_loss(batch, None, True)
    model.against = against
    drawn_meta = np.reshape(drawn_meta, (4, SHARED))

    def term(row, hidden, target, outputs, negatives):
        scores, others = outputs @ hidden, negatives[row // SHARED]
        missed = logistic_loss(scores[others[others != target]], False)
        return logistic_loss(scores[target], True) + NEGATIVES / SHARED * missed.sum()

    def loss(w):
        v, o, vm, om = w["v"], w["o"], w["vm"], w["om"]
        total = 0.0
        for c, place in zip(*np.nonzero(context), strict=True):
            i, j, mi, mj = items[c], context[c, place], own[c], other[c, place]
            total += term(c, v[i], j, o, drawn)
            if mj:
                total += WEIGHT * term(c, v[i], mj, om, drawn_meta)
            if mi:
                total += WEIGHT * term(8 + c, vm[mi], j, o, drawn)
            if mi and mj:
                total += WEIGHT * term(8 + c, vm[mi], mj, om, drawn_meta)
        for c, (i, mi) in enumerate(zip(items, own, strict=True)):
            if mi:
                total += WEIGHT * term(8 + c, vm[mi], i, o, drawn)
        return total / len(items)

    tables = {
        "v": model.inputs_table,
        "o": model.outputs_table,
        "vm": model.inputs_meta,
        "om": model.outputs_meta,
    }
    weights = {name: table.embeddings for name, table in tables.items()}
    check_step(model, (batch,), weights, loss)


def test_a_drawn_piece_of_metadata_is_any_one_of_the_item_s(built):
    model, data = built
    items = np.repeat(np.arange(data.spec.item_column.size), 200)
    tokens = model._one_token(items, [1, 2]).numpy()
    genres = data.items["genres"]
    for item in np.unique(items):
        own = genres[item][genres[item] > 0]
        drawn = tokens[items == item]
        assert set(drawn) == (set(own) or {0})
        if len(own):
            share = [np.mean(drawn == token) for token in own]
            np.testing.assert_allclose(share, 1 / len(own), atol=0.15)


@pytest.mark.parametrize("score", ["probability", "lift", "cosine"])
def test_an_item_never_met_is_the_mean_of_its_metadata(data, randomise, score):
    spec = data.spec.select("history", "genres")
    cold = data.spec.item_column.size - 1
    train = data.with_spec(spec)
    train = train.take(train.item != cold)
    model = MetaProd2Vec(spec, dim=4, score=score)
    model.adapt(train)
    randomise(model)
    model.met.assign(np.minimum(train.item_counts, 1))
    genres = data.items["genres"][cold]
    table = model.inputs_meta if score == "cosine" else model.outputs_meta
    expected = table.embeddings.numpy()[genres[genres > 0]].mean(0)
    if score == "cosine":
        expected /= np.linalg.norm(expected)
    features = {"movie_id/index": np.array([cold]), "genres/index": genres[None]}
    found = model.item_embedding(features).numpy()[0]
    np.testing.assert_allclose(found[:4], expected, rtol=1e-5)
    inputs = model.inputs_meta.embeddings.numpy()[genres[genres > 0]].mean(0)
    history = model.input_vectors(np.array([[cold]])).numpy()[0, 0]
    np.testing.assert_allclose(history, inputs, rtol=1e-5)


def test_metadata_are_needed(data):
    with pytest.raises(ValueError, match="needs metadata"):
        MetaProd2Vec(data.spec.select("history"))
