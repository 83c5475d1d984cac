"""Stacked denoising autoencoder, Vincent et al. 2010: layers, then the whole."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from stacks import (
    decode,
    encode,
    kept,
    one_layer,
    others_than,
    sigmoid,
    stack_weights,
)

from tfrec import keras
from tfrec.models import StackedDenoisingAutoencoder

NOISE, DEPTH = 0.4, 2


def built(data, randomise, **config):
    model = StackedDenoisingAutoencoder(data.spec, layers=(5, 3), noise=NOISE, **config)
    model.adapt(data)
    model.compile()
    randomise(model)
    return model


@pytest.fixture
def batch(data):
    """Rows of uneven length."""
    some = data.take(np.arange(300))
    model = StackedDenoisingAutoencoder(data.spec)
    return next(iter(some.batches(model, 6)))


def rows(items, size):
    x = np.zeros((len(items), size))
    for row, own in enumerate(items):
        x[row, own[own > 0]] = 1
    return x


def noisy_rows(model, items, size):
    """The rows of a step's noise, drawn for the entries in row order."""
    left = kept([np.count_nonzero(items)], NOISE, model.step_seed())
    marked = np.zeros_like(items)
    marked[items > 0] = items[items > 0] * left
    return rows(marked, size)


def entropy(logits, x):
    y = sigmoid(logits)
    return -np.sum(x * np.log(y) + (1 - x) * np.log(1 - y), axis=1)


def test_a_new_network_starts_at_the_mean_row(data):
    model = StackedDenoisingAutoencoder(data.spec, layers=(5, 3))
    model.adapt(data)
    users, size = data.spec.user_column.size, data.spec.item_column.size
    taken = np.zeros((users, size))
    np.add.at(taken, (data.user, data.item), 1)
    mean = taken[taken.any(axis=1)].mean(axis=0)
    found = 1 / (1 + np.exp(-model.network.decoders[0].bias.numpy().astype(float)))
    np.testing.assert_allclose(found, np.clip(mean, 1e-4, 1 - 1e-4), rtol=1e-4)


def test_a_step_of_fine_tuning(data, batch, randomise, check_step):
    model = built(data, randomise)
    items, size = batch["items"].numpy(), data.spec.item_column.size
    x, noisy = rows(items, size), noisy_rows(model, items, size)
    assert 0 < noisy.sum() < x.sum()

    def loss(w):
        return entropy(decode(w, encode(w, noisy, DEPTH), DEPTH), x).mean()

    check_step(model, (batch,), stack_weights(model.network), loss)


@pytest.mark.parametrize("number", [0, 1])
def test_a_step_of_one_layer(data, batch, randomise, check_step, number):
    """From the noisy to the clean input of the layer; all others stand still."""
    model = built(data, randomise)
    model.layer = number
    items, size = batch["items"].numpy(), data.spec.item_column.size
    weights = stack_weights(model.network)
    if number:
        w = {name: variable.numpy() for name, variable in weights.items()}
        x = encode(w, rows(items, size), number)
        noisy = x * kept(x.shape, NOISE, model.step_seed())
    else:
        x, noisy = rows(items, size), noisy_rows(model, items, size)

    def loss(w):
        return entropy(one_layer(w, number, noisy), x).mean()

    still = others_than(number, weights)
    assert len(still) == 4
    check_step(model, (batch,), weights, loss, still)


def test_epochs_train_one_layer_after_the_other_and_then_all(data):
    model = StackedDenoisingAutoencoder(data.spec, layers=(5, 3), pretrain_epochs=2)
    model.compile()
    weights = stack_weights(model.network)
    moved = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.before = {n: v.numpy() for n, v in weights.items()}

        def on_epoch_end(self, epoch, logs=None):
            now = {n for n, v in weights.items() if np.any(v.numpy() != self.before[n])}
            moved.append(now)

    batches = data.batches(model, 16)
    said = (
        "the 3 epochs so far have trained layers alone, the whole model learns after 4"
    )
    with pytest.warns(UserWarning, match=said):
        model.fit(batches, epochs=3, callbacks=[Watch()], verbose=0)
    first, second = ({f"{kind}{n}" for kind in "WbDc"} for n in (0, 1))
    assert moved == [first, first, second]
    with warnings.catch_warnings(record=True) as others:
        model.fit(batches, epochs=2, callbacks=[Watch()], verbose=0)  # goes on
    assert not [w for w in others if "trained layers alone" in str(w.message)]
    assert moved[3:] == [second, first | second]
    assert int(model.epochs_done) == 5
    model.evaluate(batches, verbose=0)
    model.train_on_batch(next(iter(batches)))


def test_an_interrupted_fit_leaves_the_whole_to_train(data):
    model = StackedDenoisingAutoencoder(data.spec, layers=(5, 3))
    model.compile()

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(data.batches(model, 16), callbacks=[Stop()], verbose=0)
    assert model.layer is None
    before = {n: v.numpy() for n, v in stack_weights(model.network).items()}
    model.train_on_batch(next(iter(data.batches(model, 16))))
    for name, variable in stack_weights(model.network).items():
        assert np.any(variable.numpy() != before[name]), name


def test_scores_are_logits_of_all_that_the_user_took(data, randomise):
    model = built(data, randomise)
    first, size = data.spec.item_column.first, data.spec.item_column.size
    users = np.array([2, 9, 30, 1], np.int32)  # the last is unknown
    x = np.zeros((4, size))
    for row, user in enumerate(users[:3]):
        x[row, data.item[data.user == user]] = 1
    w = {name: v.numpy() for name, v in stack_weights(model.network).items()}
    expected = decode(w, encode(w, x, DEPTH), DEPTH)
    query = {"user_id/index": tf.constant(users)}
    found = model.catalogue_scores(query, model.catalogue_state())
    np.testing.assert_allclose(found, expected[:, first:], rtol=1e-4, atol=1e-5)
    pairs = model({**query, "movie_id/index": tf.constant([5, 9, 2, 4])})
    np.testing.assert_allclose(
        pairs, expected[np.arange(4), [5, 9, 2, 4]], rtol=1e-4, atol=1e-5
    )


def test_evaluate_lays_no_noise(data, batch, randomise):
    model = built(data.take(np.arange(300)), randomise)
    items, size = batch["items"].numpy(), data.spec.item_column.size
    w = {name: v.numpy() for name, v in stack_weights(model.network).items()}
    x = rows(items, size)
    expected = entropy(decode(w, encode(w, x, DEPTH), DEPTH), x).mean()
    reached = model.test_on_batch(batch, return_dict=True)["loss"]
    assert reached == pytest.approx(expected, rel=1e-4)


def test_what_is_held_out_is_to_be_filled_in_and_not_read(data, randomise):
    train, held_out = data.take(np.arange(300)), data.take(np.arange(300, 600))
    model = built(train, randomise)
    batch = next(iter(held_out.batches(model, 6)))
    users, size = batch["user_id/index"].numpy(), data.spec.item_column.size
    w = {name: v.numpy() for name, v in stack_weights(model.network).items()}
    given = np.zeros((len(users), size))
    for row, user in enumerate(users):
        given[row, train.item[train.user == user]] = 1
    whole = np.maximum(given, rows(batch["items"].numpy(), size))
    assert np.any(whole != given)
    expected = entropy(decode(w, encode(w, given, DEPTH), DEPTH), whole).mean()
    reached = model.test_on_batch(batch, return_dict=True)["loss"]
    assert reached == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layers": ()}, r"layers=\(\) must name at least one width"),
        ({"noise": 1.0}, r"noise=1.0 must be from 0 to below 1"),
        ({"pretrain_epochs": 0}, r"pretrain_epochs=0 must be at least 1"),
    ],
)
def test_bad_hyper_parameters(data, config, message):
    with pytest.raises(ValueError, match=message):
        StackedDenoisingAutoencoder(data.spec, **config)
