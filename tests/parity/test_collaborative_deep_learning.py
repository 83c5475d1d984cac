"""Collaborative deep learning, Wang et al. 2015: closed forms, network, new items."""

import numpy as np
import pytest
import tensorflow as tf
from stacks import (
    decode,
    encode,
    noisy_entries,
    one_layer,
    others_than,
    sigmoid,
    stack_weights,
)
from texts import SETTINGS, a_batch, built, decay, numbers, objective, solved

from tfrec.layers import denoising
from tfrec.layers.denoising import counted
from tfrec.models import CollaborativeDeepLearning
from tfrec.models.autoencoders import _collaborative
from tfrec.models.autoencoders._views import TextsAndTakers

DEPTH, LAMBDA_N, ITEMS = 2, 4.0, 30


@pytest.fixture
def model(data, randomise):
    return built(
        CollaborativeDeepLearning, data, randomise, layers=(5,), lambda_n=LAMBDA_N
    )


@pytest.fixture
def batch(data):
    return a_batch(data)


def bags(tokens, size):
    """Counts divided by the largest of the row."""
    x = np.zeros((len(tokens), size))
    for row, own in enumerate(tokens):
        np.add.at(x[row], own[own > 0], 1)
    return x / np.maximum(x.max(axis=1, keepdims=True), 1)


def weights_of(model):
    return {n: v.numpy().astype(float) for n, v in stack_weights(model.network).items()}


def squares(logits, x):
    return np.sum((sigmoid(logits) - x) ** 2, axis=1)


def test_bags_are_counts():
    tokens = tf.constant([[3, 5, 3, 0], [0, 0, 0, 0], [2, 2, 2, 4]])
    entries = counted(tokens, 6)
    found = np.zeros((3, 6))
    found[entries.row.numpy(), entries.ids.numpy()[entries.place.numpy()]] = (
        entries.value.numpy()
    )
    np.testing.assert_allclose(found, bags(tokens.numpy(), 6))
    np.testing.assert_allclose(found[0], [0, 0, 0, 1, 0, 0.5])


def test_a_new_network_starts_at_the_mean_text(data, monkeypatch):
    monkeypatch.setattr(denoising, "ROWS_AT_ONCE", 7)
    model = CollaborativeDeepLearning(data.spec, layers=(5,))
    model.adapt(data)
    tokens = data.items["title"][2:]
    mean = bags(tokens, model.text.size).mean(axis=0)
    bias = model.network.decoders[0].bias
    found = sigmoid(bias.numpy().astype(float))
    expected = np.clip(mean, 1e-4, 1 - 1e-4)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    bias.assign_add(tf.ones_like(bias))
    model.adapt(data)
    np.testing.assert_allclose(
        bias, np.log(expected / (1 - expected)) + 1, rtol=1e-4, atol=1e-4
    )


def test_users_and_items_are_solved_for(model, batch):
    """U against the old V, then V against the new U and the code of clean texts."""
    b = numbers(batch)
    assert np.any(b["user_id/index"] == 0) or np.any(b["movie_id/index"] == 0)
    x = bags(b["title/index"], model.text.size)
    users, items = solved(model, batch, encode(weights_of(model), x, DEPTH))
    before = model.item_factors.numpy()
    model.train_on_batch(batch)
    np.testing.assert_allclose(model.user_factors, users, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.item_factors, items, rtol=1e-4, atol=1e-5)
    assert np.abs(before - items).max() > 0.1
    met = np.zeros(len(items))
    met[b["movie_id/index"]] = np.any(b["users"] > 0, axis=1)
    np.testing.assert_array_equal(model.met, met)


def test_rows_are_solved_for_in_groups(model, batch, monkeypatch):
    whole = built_twin(model)
    whole.train_on_batch(batch)
    monkeypatch.setattr(_collaborative, "NUMBERS", 100)  # a row or two at a time
    model.train_on_batch(batch)
    for name in ("user_factors", "item_factors"):
        ours, theirs = getattr(model, name), getattr(whole, name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def built_twin(model):
    twin = type(model)(model.spec, model.config)
    twin.compile()
    twin.set_weights(model.get_weights())
    return twin


def test_a_step_of_the_network(model, batch, check_step):
    b, size = numbers(batch), model.text.size
    tokens = b["title/index"]
    real = b["movie_id/index"] > 0
    x = bags(tokens, size)
    entries = counted(tf.constant(tokens[real]), size)
    factors = noisy_entries(entries, SETTINGS["noise"], model.step_seed())
    noisy = np.zeros_like(x)
    noisy[real, : factors.shape[1]] = x[real, : factors.shape[1]] * factors
    assert 0 < np.count_nonzero(noisy) < np.count_nonzero(x)
    users, items = solved(model, batch, encode(weights_of(model), x, DEPTH))

    def loss(w):
        code = encode(w, noisy, DEPTH)
        content = LAMBDA_N / 2 * squares(decode(w, code, DEPTH), x)
        return objective(batch, users, items, code, content) + decay(w, ITEMS)

    check_step(model, (batch,), stack_weights(model.network), loss)


@pytest.mark.parametrize("number", [0, 1])
def test_a_step_of_one_layer(model, batch, check_step, number):
    model.layer = number
    b, size = numbers(batch), model.text.size
    real = b["movie_id/index"] > 0
    x = bags(b["title/index"][real], size)
    codes = encode(weights_of(model), x, DEPTH)
    seed, rate = model.step_seed(), SETTINGS["noise"]
    if number:
        x = encode(weights_of(model), x, number)
        left = tf.random.stateless_uniform(x.shape, seed).numpy() >= rate
    else:
        entries = counted(tf.constant(b["title/index"][real]), size)
        left = np.ones_like(x)
        factors = noisy_entries(entries, rate, seed)
        left[:, : factors.shape[1]] = factors

    def loss(w):
        return LAMBDA_N / 2 * squares(one_layer(w, number, x * left), x).mean()

    users = model.user_factors.numpy()
    weights = stack_weights(model.network)
    check_step(model, (batch,), weights, loss, others_than(number, weights))
    np.testing.assert_array_equal(model.user_factors, users)  # its turn comes later
    started = model.item_factors.numpy()[b["movie_id/index"][real]]
    np.testing.assert_allclose(started, codes, rtol=1e-4)


def test_evaluate_is_the_objective_without_noise(model, batch):
    b = numbers(batch)
    x, w = bags(b["title/index"], model.text.size), weights_of(model)
    code = encode(w, x, DEPTH)
    content = LAMBDA_N / 2 * squares(decode(w, code, DEPTH), x)
    users, items = model.user_factors.numpy(), model.item_factors.numpy()
    expected = objective(batch, users, items, code, content) + decay(w, ITEMS)
    reached = model.test_on_batch(batch, return_dict=True)["loss"]
    assert reached == pytest.approx(expected, rel=1e-4)


def test_the_objective_falls(data):
    model = CollaborativeDeepLearning(data.spec, dim=4, layers=(8,), lambda_n=10.0)
    model.compile()
    history = model.fit(data.batches(model, 16), epochs=12, verbose=0).history["loss"]
    assert history[-1] < history[3] < history[2]


def test_a_new_item_has_the_code_of_its_text(model, batch, data):
    model.train_on_batch(batch)
    w, size = weights_of(model), model.text.size
    texts = tf.constant(["a toy story", "heat heat casino", ""])
    tokens = data.spec.encode("title", texts.numpy())
    code = encode(w, bags(tokens, size), DEPTH)
    users = np.array([4, 9, 6], np.int32)
    pairs = model(
        {
            "user_id/index": tf.constant(users),
            "movie_id": tf.constant(["new"] * 3),
            "title": texts,
        }
    )
    expected = np.sum(model.user_factors.numpy()[users] * code, axis=1)
    np.testing.assert_allclose(pairs, expected, rtol=1e-4, atol=1e-5)


def test_items_nobody_took_are_recommended_by_their_text(data):
    rare = data.spec.item_column.size - 1
    model = CollaborativeDeepLearning(data.spec, dim=4, layers=(8,))
    model.compile()
    some = data.take(data.item != rare)
    model.fit(some.batches(model, 16), epochs=3, verbose=0)
    state = model.catalogue_state()["item"].numpy()
    text = bags(data.items["title"][[rare]], model.text.size)
    np.testing.assert_allclose(
        state[-1], encode(weights_of(model), text, DEPTH)[0], rtol=1e-4
    )
    known = model.item_factors.numpy()[data.spec.item_column.first : -1]
    np.testing.assert_allclose(state[:-1], known, rtol=1e-5)
    found = model.recommend({"user_id": ["u3"]}, k=30, drop_seen=False)
    assert data.spec.item_column.vocabulary[-1] in found.item_id[0]


def test_the_view_brings_everybody_once(data):
    some = data.take(data.user % 3 != 0)
    view = TextsAndTakers("title", rows=7)
    seen = {"movie_id/index": [], "user_id/index": []}
    for batch in some.batches(view, 64):
        b = numbers(batch)
        for key, other in (("movie_id/index", "users"), ("user_id/index", "items")):
            own, others = b[key], b[other]
            assert len(own) <= 7
            seen[key] += own[own > 0].tolist()
            for one, row in zip(own, others, strict=True):
                mine = some.columns[key[:-6]] == one
                column = "user_id" if other == "users" else "movie_id"
                assert sorted(row[row > 0]) == sorted(some.columns[column][mine])
        texts = data.items["title"][b["movie_id/index"]]
        np.testing.assert_array_equal(b["title/index"], texts)
    assert sorted(seen["movie_id/index"]) == list(range(2, 32))
    assert sorted(seen["user_id/index"]) == sorted(set(some.user.tolist()))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"lambda_v": 0.0}, "lambda_v=0.0 must be more than 0"),
        ({"confidence": 0.01}, "confidence=0.01 must be more than unobserved_conf"),
        ({"noise": 1.0}, "noise=1.0 must be from 0 to below 1"),
        ({"layers": (0,)}, r"layers=\(0, 50\) must name at least one width"),
    ],
)
def test_bad_hyper_parameters(data, config, message):
    with pytest.raises(ValueError, match=message):
        CollaborativeDeepLearning(data.spec, **config)


def test_a_spec_without_text_is_refused(data):
    with pytest.raises(ValueError, match=r"reads a text of each item and the spec has"):
        CollaborativeDeepLearning(data.spec.select("user_id", "genres"))
