"""Content2Vec: the loss over pairs and the four units, Nedelec et al. 2016."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from encoders import text_weights, texts
from media import ITEMS, media_data

from tfrec.models.embeddings.content2vec import Content2Vec

Weights = dict[str, np.ndarray]
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


def weights(model: Content2Vec) -> dict[str, tf.Variable]:
    """Every weight that is learned: of the two modules and of the unit."""
    unit = model.pair_unit
    found = {
        "own": model.own.embeddings,
        **text_weights(model.content.encoders["title"]),
        "w": unit.weight,
        "b": unit.bias,
    }
    if unit.unit == "crossfeat":
        found["c"] = unit.crosses
    elif unit.unit == "res":
        found["W1"], found["b1"], found["W0"] = unit.residual.weights
        found["scale"] = unit.scale
    elif unit.unit == "embedpairs":
        found["W"], found["d"], found["v"] = unit.hidden.weights
    return found


def values(model: Content2Vec) -> Weights:
    return {name: v.numpy().astype(float) for name, v in weights(model).items()}


def vectors(w: Weights, data) -> np.ndarray:
    """``(items, modules, dim)``: Prod2Vec, and the title's vector of length 1.

    Of an item without events there is no Prod2Vec vector.
    """
    title = texts(w, data.items["title"])
    title = title / np.maximum(np.linalg.norm(title, axis=1, keepdims=True), 1e-2)
    met = data.item_counts[:, None] > 0
    return np.stack([w["own"] * met, title], axis=1)


def one_hot(similarity: np.ndarray) -> np.ndarray:
    """``(..., bins)``: which fifth of -1 .. 1; the outer ones hold what lies beyond."""
    edges = np.array([-0.6, -0.2, 0.2, 0.6])
    inside = similarity[..., None] >= np.append(-np.inf, edges)
    return inside & (similarity[..., None] < np.append(edges, np.inf))


def log_odds(w: Weights, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """y of pairs of items ``(..., modules, dim)``, as the section on the joint model.

    All four begin with logistic regression on the modules' similarities. What the unit
    adds to it: a weight for each pair of a bin of one similarity and a bin of the
    other; the similarity of F of the joined vectors; a hidden layer over similarities.
    """
    s_cf, s_title = np.sum(a * b, axis=-1)[..., 0], np.sum(a * b, axis=-1)[..., 1]
    y = w["b"] + w["w"][0] * s_cf + w["w"][1] * s_title
    if "c" in w:
        both = one_hot(s_title)[..., :, None] & one_hot(s_cf)[..., None, :]
        y = y + np.sum(both * w["c"].reshape(5, 5), axis=(-2, -1))
    if "W0" in w:
        x_a, x_b = (np.concatenate([x[..., 0, :], x[..., 1, :]], -1) for x in (a, b))
        f_a, f_b = (np.maximum(x @ w["W1"] + w["b1"], 0) @ w["W0"] for x in (x_a, x_b))
        y = y + w["scale"] * np.sum(f_a * f_b, axis=-1)
    if "v" in w:
        s = np.stack([s_cf, s_title], axis=-1)
        y = y + (np.maximum(s @ w["W"] + w["d"], 0) @ w["v"])[..., 0]
    return y


def log_sigmoid(y: np.ndarray) -> np.ndarray:
    return -np.log(1 + np.exp(-y))


@pytest.mark.parametrize("unit", UNITS)
def test_loss_and_step(unit, data, randomise, check_step):
    """``- log sigmoid(y)`` of pairs taken together, ``- log sigmoid(-y)`` of drawn."""
    model, data = built(data, randomise, unit=unit, dim=2)
    batch = next(iter(data.batches(model, 8)))
    drawn = model.draw(SHARED, 0.75)[0].numpy()
    items, around = batch["movie_id/index"].numpy(), batch["context/index"].numpy()
    pairs, misses = [], []
    for item, context in zip(items, around, strict=True):
        near = context[context > 0]
        pairs += [(item, other) for other in near]
        # One draw for the whole batch stands for a draw for each pair.
        others = drawn[~np.isin(drawn, near)]
        misses += [(item, other, len(near) * NEGATIVES / SHARED) for other in others]
    left, right = np.array(pairs).T
    centre, other, times = np.array(misses).T
    centre, other = centre.astype(int), other.astype(int)

    def loss(w: Weights) -> float:
        x = vectors(w, data)
        total = np.sum(log_sigmoid(log_odds(w, x[left], x[right])))
        total += np.sum(times * log_sigmoid(-log_odds(w, x[centre], x[other])))
        return -total / len(items)

    check_step(model, (batch,), weights(model), loss)


@pytest.mark.parametrize("unit", UNITS)
def test_log_odds_of_all_pairs(unit, data, randomise):
    """Whatever the unit, it does not matter which item of a pair comes first."""
    model, data = built(data, randomise, unit=unit)
    w = values(model)
    x = vectors(w, data)[2:]
    expected = log_odds(w, x[:, None], x[None])
    assert np.std(expected) > 0.1
    found = model.item_similarity(tf.range(2, 32)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found, found.T, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("unit", UNITS)
def test_the_score_is_the_mean_over_the_history(unit, data, randomise):
    model, data = built(data, randomise, unit=unit)
    w = values(model)
    x = vectors(w, data)
    past = [5, 9, 9]
    history = np.array([[*past, 0, 0, 0], [0] * 6], np.int32)
    scores = model.catalogue_scores({"history/index": history}, model.catalogue_state())
    expected = np.mean([log_odds(w, x[h], x[2:]) for h in past], axis=0)
    np.testing.assert_allclose(scores[0], expected, rtol=1e-3, atol=1e-4)
    assert not np.any(scores[1])
    titles = data.items["title"]
    item = np.array([3, 12], np.int32)
    pairs = {
        "history/index": np.tile(history[0], (2, 1)),
        "movie_id/index": item,
        "title/index": titles[item],
    }
    np.testing.assert_allclose(model(pairs), expected[item - 2], rtol=1e-3, atol=1e-4)


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
