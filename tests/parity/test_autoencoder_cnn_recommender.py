"""AutoencoderCNNRecommender: two codes of one width, one loss for both."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from encoders import text_weights, texts
from towers import mean

from tfrec.models.content.autoencoder_cnn_recommender import AutoencoderCNNRecommender

LAMBDA = 0.7


def built(data, randomise=None, **config):
    small = {"dim": 3, "layers": (5,), "text_filters": 3, "text_windows": (2,)}
    options = {"reconstruction": LAMBDA, "corruption": 0.0}
    model = AutoencoderCNNRecommender(data.spec, **{**small, **options, **config})
    model.adapt(data)
    model.compile()
    if randomise is not None:
        randomise(model)
    return model


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def codes(model, data):
    """Codes of all users, ratings less their mean (NaN for none), codes of items."""
    rows = np.full((42, 32), np.nan)
    rows[data.user, data.item] = data.label
    rows -= np.nanmean(rows)
    users = sigmoid(np.nan_to_num(rows) @ model.encoder.numpy() + model.code_bias)
    items = np.zeros((32, 3))
    inputs = model.item_inputs(tf.range(2, 32))
    features = model.content(inputs)
    joined = np.concatenate([features[n] for n in model.content.names], axis=1)
    w, b, w2, b2 = (x.numpy() for x in model.tower.weights)
    items[2:] = np.maximum(joined @ w + b, 0) @ w2 + b2
    return users, rows, items


def test_the_loss(data, randomise):
    model = built(data, randomise)
    batch = next(iter(data.batches(model, 8)))
    users, rows, items = codes(model, data)
    each = []
    for user in batch["user_id/index"].numpy():
        there = np.flatnonzero(~np.isnan(rows[user]))
        true = rows[user, there]
        a, c = model.scale.numpy(), model.shift.numpy()
        error = (a * items[there] @ users[user] + c - true) ** 2
        rebuilt = model.decoder.numpy()[there] @ users[user]
        rebuilt += model.row_bias.numpy()[there]
        each.append(np.mean(error + LAMBDA * (rebuilt - true) ** 2))
    for training in (True, False):
        loss = model.batch_loss(batch, None, training)
        np.testing.assert_allclose(loss, np.mean(each), rtol=1e-4)


def test_loss_and_step(data, randomise, check_step):
    """Codes of ratings and of texts, from the weights alone; both errors reach both."""
    data = data.with_spec(data.spec.select("genres", "title"))
    small = {"dim": 2, "layers": (3,), "text_filters": 2}
    model = built(data, randomise, **small)
    batch = next(iter(data.batches(model, 4, shuffle=False)))
    users = batch["user_id/index"].numpy()
    rows = np.full((42, 32), np.nan)
    rows[data.user, data.item] = data.label
    rows = (rows - np.nanmean(rows))[users]
    there = ~np.isnan(rows)
    true = np.nan_to_num(rows)
    first, last = model.tower.layers
    weights = {
        "V": model.encoder,
        "d": model.code_bias,
        "W": model.decoder,
        "b": model.row_bias,
        "a": model.scale,
        "c": model.shift,
        "genres": model.content.embeddings.tables["genres"].embeddings,
        **text_weights(model.content.encoders["title"]),
        **{"T1": first.kernel, "t1": first.bias, "T2": last.kernel, "t2": last.bias},
    }

    def loss(w: dict[str, np.ndarray]) -> float:
        u = sigmoid(true @ w["V"] + w["d"])
        genres = mean(w["genres"], data.items["genres"])
        content = np.concatenate([genres, texts(w, data.items["title"])], axis=1)
        v = np.maximum(content @ w["T1"] + w["t1"], 0) @ w["T2"] + w["t2"]
        errors = (w["a"] * u @ v.T + w["c"] - true) ** 2
        errors += LAMBDA * (u @ w["W"].T + w["b"] - true) ** 2
        return np.mean(np.sum(errors * there, axis=1) / there.sum(axis=1))

    check_step(model, (batch,), weights, loss)


def test_the_prediction(data, randomise):
    model = built(data, randomise)
    users, _, items = codes(model, data)
    state = model.catalogue_state()
    chosen = np.array([5, 17, 5], np.int32)
    found = model.catalogue_scores({"user_id/index": chosen}, state)
    expected = model.scale.numpy() * users[chosen] @ items[2:].T + model.shift.numpy()
    np.testing.assert_allclose(found, expected + data.label.mean(), rtol=1e-4)


def test_training_leaves_a_share_of_the_ratings_out_of_the_input(data, randomise):
    model = built(data, randomise, corruption=0.5)
    batch = next(iter(data.batches(model, 40)))
    seen, code = [], model.code
    model.code = lambda entries: seen.append(entries.value.numpy()) or code(entries)
    model.batch_loss(batch, None, True)
    model.batch_loss(batch, None, False)
    trained, validated = (np.mean(values == 0) for values in seen)
    assert trained == pytest.approx(0.5, abs=0.06)
    assert validated == 0


def test_the_error_of_a_rating_reaches_both_codes(data, randomise):
    model = built(data, randomise, reconstruction=0.0)
    batch = next(iter(data.batches(model, 8)))
    with tf.GradientTape() as tape:
        loss = model.batch_loss(batch, None, True)
    variables = [model.encoder, model.tower.weights[0], model.scale, model.shift]
    for gradient in tape.gradient(loss, variables):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 1e-6


@pytest.mark.usefixtures("graphs")
def test_ratings_fall_in_error_and_a_film_nobody_rated_is_predicted(data):
    cold = data.spec.item_column.size - 1
    train = data.take(data.item != cold)
    model = AutoencoderCNNRecommender(data.spec, dim=8, learning_rate=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.compile()
        model.fit(train.batches(model, 8), epochs=40, verbose=0)
    scores = model.catalogue_scores(
        {"user_id/index": train.user}, model.catalogue_state()
    ).numpy()
    predicted = scores[np.arange(len(train)), train.item - 2]
    assert np.sqrt(np.mean((predicted - train.label) ** 2)) < 0.9 * train.label.std()
    assert np.isfinite(scores[:, -1]).all()
    assert scores[:, -1].std() > 0


def test_something_must_tell_the_items(data):
    with pytest.raises(ValueError, match="no item column beside the id"):
        AutoencoderCNNRecommender(data.spec.select("history"))
