"""Content2Vec: the loss over pairs and the four units, Nedelec et al. 2016."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from media import ITEMS, media_data

from tfrec.models.embeddings.content2vec import Content2Vec

NEGATIVES, SHARED = 3, 6
UNITS = ("linear", "crossfeat", "res", "embedpairs")
pytestmark = pytest.mark.filterwarnings("ignore:column 'p:UserWarning")


def built(data, randomise=None, **config):
    spec = data.spec.select("history", *(n for n in ("title",) if n in data.spec))
    small = {"dim": 4, "hidden": 3, "text_filters": 3, "text_windows": (2,)}
    sizes = {"negatives": NEGATIVES, "share_negatives": SHARED, "window": 2}
    model = Content2Vec(spec, **{**small, **sizes, **config})
    data = data.with_spec(spec)
    model.adapt(data)
    model.compile()
    if randomise is not None:
        randomise(model)
    return model, data


def logit(model, a, b):
    """y of two items of ``(modules, dim)`` vectors."""
    unit, s = model.pair_unit, np.sum(a * b, axis=1)
    y = s @ unit.weight.numpy() + unit.bias.numpy()
    if unit.unit == "res":
        w1, b1, w0 = (w.numpy() for w in unit.residual.weights)

        def f(x):
            return np.maximum(x.ravel() @ w1 + b1, 0) @ w0

        y += unit.scale.numpy() * f(a) @ f(b)
    elif unit.unit == "crossfeat":
        bins = np.clip(((s + 1) / 2 * unit.bins).astype(int), 0, unit.bins - 1)
        y += unit.crosses.numpy().reshape([unit.bins] * len(s), order="F")[tuple(bins)]
    elif unit.unit == "embedpairs":
        w, d, v = (x.numpy() for x in unit.hidden.weights)
        y += (np.maximum(s @ w + d, 0) @ v)[0]
    return y


@pytest.mark.parametrize("unit", UNITS)
def test_the_loss(unit, data, randomise):
    model, data = built(data, randomise, unit=unit)
    batch = next(iter(data.batches(model, 8)))
    x = np.zeros((data.spec.item_column.size, 2, 4))
    x[2:] = model.catalogue_state()["item"]
    drawn = model.draw(SHARED, 0.75)[0].numpy()
    total = 0.0
    items, around = batch["movie_id/index"].numpy(), batch["context/index"].numpy()
    for item, context in zip(items, around, strict=True):
        near = context[context > 0]
        for other in near:
            total += np.log1p(np.exp(-logit(model, x[item], x[other])))
            for n in drawn[~np.isin(drawn, near)]:
                y = logit(model, x[item], x[n])
                total += NEGATIVES / SHARED * np.log1p(np.exp(y))
    loss = model.batch_loss(batch, None, True)
    np.testing.assert_allclose(loss, total / len(items), rtol=1e-4)


@pytest.mark.parametrize("unit", UNITS)
def test_the_score_is_the_mean_over_the_history(unit, data, randomise):
    model, data = built(data, randomise, unit=unit)
    x = np.zeros((data.spec.item_column.size, 2, 4))
    x[2:] = state = model.catalogue_state()["item"].numpy()
    history = np.array([[5, 9, 9, 0, 0, 0], [0] * 6], np.int32)
    found = model.catalogue_scores({"history/index": history}, {"item": state})
    for item in (3, 12):
        expected = np.mean([logit(model, x[h], x[item]) for h in (5, 9, 9)])
        assert float(found[0, item - 2]) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert not np.any(found[1])
    near = model.item_similarity(tf.constant([5]))[0]
    assert float(near[7]) == pytest.approx(logit(model, x[5], x[9]), rel=1e-4, abs=1e-5)


def test_vectors_are_of_what_the_item_has(data, randomise):
    spec = data.spec.select("history", "title")
    cold = data.spec.item_column.size - 1
    train = data.with_spec(spec)
    model, _ = built(train.take(train.item != cold), randomise)
    assert model.modules == ("cf", "title")
    vectors = model.catalogue_state()["item"].numpy()
    own = model.own.embeddings.numpy()[data.spec.item_column.first :]
    np.testing.assert_allclose(vectors[:-1, 0], own[:-1], rtol=1e-6)
    assert not vectors[-1, 0].any() and own[-1].any()
    length = np.linalg.norm(vectors[:, 1], axis=1)
    np.testing.assert_allclose(length, 1, rtol=1e-3)
    assert built(data, cf=False)[0].modules == ("title",)
    assert built(data, text=False)[0].modules == ("cf",)
    with pytest.raises(ValueError, match="no module left"):
        built(data, cf=False, text=False)


def test_images_tell_items_that_nobody_took():
    """Kinds of items differ by the colour of their picture alone."""
    events = media_data()
    spec = events.spec.select("history", "poster")
    events = events.with_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Content2Vec(
            spec, dim=4, image_filters=(4, 8), learning_rate=0.01, share_negatives=30
        )
        model.compile(steps_per_execution=1)
        model.fit(events.batches(model, 60), epochs=25, verbose=0)
    assert model.modules == ("cf", "poster")
    near = model.item_similarity(tf.constant([2 + ITEMS - 1, 2 + ITEMS - 2])).numpy()
    kinds = np.arange(2, ITEMS - 6) % 2
    for row, kind in zip(near[:, 2 : ITEMS - 6], (1, 0), strict=True):
        assert row[kinds == kind].mean() > row[kinds != kind].mean() + 0.2
