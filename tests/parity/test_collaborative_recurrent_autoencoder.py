"""Collaborative recurrent autoencoder, Wang et al. 2016, section 3."""

import numpy as np
import pytest
import tensorflow as tf
from texts import SETTINGS, a_batch, built, decay, numbers, objective, solved

from tfrec.columns import Text
from tfrec.layers.pooling import beta_weights
from tfrec.layers.recurrent_autoencoder import wildcards
from tfrec.models import CollaborativeRecurrentAutoencoder

ITEMS, POOLING = 30, (2.0, 3.0)


@pytest.fixture
def model(data, randomise):
    pooling = dict(zip(("pooling_a", "pooling_b"), POOLING, strict=True))
    return built(CollaborativeRecurrentAutoencoder, data, randomise, units=2, **pooling)


@pytest.fixture
def batch(data):
    return a_batch(data, size=4)


def weights_of(model) -> dict[str, tf.Variable]:
    network = model.network
    found = {"E": network.words.embeddings}
    for name, layer in (("R", network.reader), ("D", network.writer)):
        found[f"{name}x"], found[f"{name}h"] = (
            layer.cell.kernel,
            (layer.cell.recurrent_kernel),
        )
        found[f"{name}b"] = layer.cell.bias
    for name, dense in (
        ("1", network.narrow),
        ("2", network.widen),
        ("g", network.output_words),
    ):
        found[f"W{name}"], found[f"b{name}"] = dense.kernel, dense.bias
    return found


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(w, name, inputs, h, s):
    """States ``(h; s)`` after each step."""
    states = []
    for x in inputs:
        gates = x @ w[f"{name}x"] + h @ w[f"{name}h"] + w[f"{name}b"]
        i, f, c, o = np.split(gates, 4)
        s = sigmoid(f) * s + sigmoid(i) * np.tanh(c)
        h = sigmoid(o) * np.tanh(s)
        states.append(np.concatenate([h, s]))
    return states


def autoencoder(w, read, true, end):
    """Code of one text and the negated log likelihood of its words.

    Args:
        w: Weights.
        read: Words as they are read, noisy or not, without padding.
        true: Words as they are.
        end: The end mark.
    """
    read, true = [*read, end], [*true, end]
    units = w["Rh"].shape[0]
    reading = lstm(w, "R", [w["E"][t] for t in read], np.zeros(units), np.zeros(units))
    theta = reading[-1] @ w["W1"] + w["b1"]
    first = np.tanh(theta) @ w["W2"] + w["b2"]
    before = [end, *true[:-1]]
    writing = lstm(w, "D", [w["E"][t] for t in before], first[:units], first[units:])
    steps = 2 * len(true)
    weight = beta_weights(tf.range(1, steps + 1), tf.constant(steps), *POOLING).numpy()
    code = np.tanh(weight @ np.array(reading + writing) @ w["W1"] + w["b1"])
    loss = 0.0
    for state, word in zip(writing, true, strict=True):
        logits = state[:units] @ w["Wg"] + w["bg"]
        loss += np.log(np.exp(logits).sum()) - logits[word]
    return code, loss


def of_all(w, read, true, end):
    """The same of padded texts: ``(n, dim)`` and ``(n,)``."""
    found = [
        autoencoder(w, noisy[words > 0], words[words > 0], end)
        for noisy, words in zip(read, true, strict=True)
    ]
    return np.array([code for code, _ in found]), np.array([loss for _, loss in found])


def values(model):
    return {n: v.numpy().astype(float) for n, v in weights_of(model).items()}


TEXTS = np.array([[5, 3, 5, 4], [3, 0, 0, 0], [0, 0, 0, 0], [6, 7, 0, 0]], np.int32)


def test_codes_and_likelihood_of_texts(model):
    code, *written = model.network(tf.constant(TEXTS))
    expected, losses = of_all(values(model), TEXTS, TEXTS, model.network.end)
    np.testing.assert_allclose(code, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.network.loss(*written), losses, rtol=1e-4)


def test_wildcards_replace_words_in_what_is_read_alone(model):
    network, seed = model.network, tf.constant([1, 2])
    noisy = wildcards(tf.constant(TEXTS), 0.5, network.wildcard, seed).numpy()
    struck = noisy == network.wildcard
    assert 0 < struck.sum() < (TEXTS > 0).sum()
    np.testing.assert_array_equal(noisy[~struck], TEXTS[~struck])
    code, *written = network(tf.constant(TEXTS), 0.5, seed)
    expected, losses = of_all(values(model), noisy, TEXTS, network.end)
    np.testing.assert_allclose(code, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.loss(*written), losses, rtol=1e-4)


def test_wildcards_come_at_their_rate_and_never_for_padding():
    tokens = tf.constant(np.tile([[3] * 50 + [0] * 50], [200, 1]).astype(np.int32))
    noisy = wildcards(tokens, 0.3, 9, tf.constant([0, 1])).numpy()
    assert np.mean(noisy[:, :50] == 9) == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(noisy[:, 50:], 0)


def test_users_and_items_are_solved_for(model, batch):
    texts = numbers(batch)["title/index"]
    code, _ = of_all(values(model), texts, texts, model.network.end)
    users, items = solved(model, batch, code)
    model.train_on_batch(batch)
    np.testing.assert_allclose(model.user_factors, users, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.item_factors, items, rtol=1e-4, atol=1e-5)


def test_a_step_of_the_network(model, batch, check_step):
    b, network = numbers(batch), model.network
    texts, real = b["title/index"], b["movie_id/index"] > 0
    noisy = texts.copy()
    noisy[real] = wildcards(
        tf.constant(texts[real]), SETTINGS["noise"], network.wildcard, model.step_seed()
    ).numpy()
    assert np.any(noisy != texts)
    code, _ = of_all(values(model), texts, texts, network.end)
    users, items = solved(model, batch, code)

    def loss(w):
        code, content = of_all(w, noisy, texts, network.end)
        return objective(batch, users, items, code, content) + decay(w, ITEMS)

    check_step(model, (batch,), weights_of(model), loss)


def test_a_new_item_has_the_code_of_its_text(model, batch, data):
    model.train_on_batch(batch)
    texts = np.array(["a toy story", "heat heat casino"])
    tokens = data.spec.encode("title", texts)
    code, _ = of_all(values(model), tokens, tokens, model.network.end)
    pairs = model(
        {
            "user_id/index": tf.constant([4, 9]),
            "movie_id": tf.constant(["new", "newer"]),
            "title": tf.constant(texts),
        }
    )
    expected = np.sum(model.user_factors.numpy()[[4, 9]] * code, axis=1)
    np.testing.assert_allclose(pairs, expected, rtol=1e-4, atol=1e-5)


def test_order_counts(model):
    one, other = (
        model.read(tf.constant([words])).numpy() for words in ([3, 4, 5], [5, 4, 3])
    )
    assert np.abs(one - other).max() > 1e-3


def test_words_are_those_at_the_start(model, data):
    short = CollaborativeRecurrentAutoencoder(
        data.spec, **{**model.config.to_dict(), "words": 2}
    )
    short.network.set_weights(model.network.get_weights())
    tokens = tf.constant(TEXTS)
    expected = model.read(tf.constant(np.where(np.arange(4) < 2, TEXTS, 0)))
    np.testing.assert_allclose(short.read(tokens), expected, rtol=1e-5)
    code, losses = short.content(tokens, 0.0)
    np.testing.assert_allclose(code, expected, rtol=1e-5)
    assert losses.shape == (len(TEXTS),)
    assert short.numbers == 3 * short.text.size


def test_batches_are_bounded_by_what_the_output_takes(data):
    small = CollaborativeRecurrentAutoencoder(data.spec)
    long = Text("title", hash_bins=10**6, max_len=20)
    large = CollaborativeRecurrentAutoencoder(data.spec.replace(long))
    assert small.view().rows > 1000
    assert large.view().rows == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"pooling_a": 0.0}, "pooling_a=0.0 must be more than 0"),
        ({"words": 0}, "words=0 must be 1 or more, or None"),
        ({"lambda_u": -1.0}, "lambda_u=-1.0 must be more than 0"),
        ({"noise": -0.1}, "noise=-0.1 must be from 0 to below 1"),
    ],
)
def test_bad_hyper_parameters(data, config, message):
    with pytest.raises(ValueError, match=message):
        CollaborativeRecurrentAutoencoder(data.spec, **config)


def test_a_spec_without_text_is_refused(data):
    with pytest.raises(ValueError, match=r"reads a text of each item and the spec has"):
        CollaborativeRecurrentAutoencoder(data.spec.select("user_id", "genres"))
