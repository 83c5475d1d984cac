"""The tensor of users, items and time: Xiong et al. 2010, section 3."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from timed import (
    ITEM,
    RATING,
    USER,
    Weights,
    batch,
    built,
    moments,
    slices,
    squares,
)

from tfrec import models
from tfrec.data.ratings import Ratings
from tfrec.data.timeline import SECOND
from tfrec.models.factorization.temporal_tensor_factorization import (
    TemporalTensorFactorization,
)

SLICES = 4


def weights(model: TemporalTensorFactorization) -> dict[str, tf.Variable]:
    found = {
        "u": model.user_table.embeddings,
        "v": model.item_table.embeddings,
        "t": model.time_factors,
    }
    if model.config.biases:
        found["b_u"] = model.user_bias.embeddings
        found["b_i"] = model.item_bias.embeddings
    return found


def values(model: TemporalTensorFactorization) -> Weights:
    return {name: v.numpy().astype(float) for name, v in weights(model).items()}


def rating(w: Weights, data) -> np.ndarray:
    """``mu + sum_d U_ud V_id T_kd``, with biases where there are some."""
    moment = w["t"][1 + slices(data, moments(data), SLICES)]
    found = data.label.mean() + np.sum(w["u"][USER] * w["v"][ITEM] * moment, axis=1)
    if "b_u" in w:
        found = found + w["b_u"][USER, 0] + w["b_i"][ITEM, 0]
    return found


@pytest.mark.parametrize("biases", [False, True])
def test_prediction(data, randomise, biases):
    model = built(
        TemporalTensorFactorization, data, randomise, slices=SLICES, biases=biases
    )
    assert len(set(slices(data, moments(data), SLICES))) > 2
    found = model(batch(data))
    np.testing.assert_allclose(found, rating(values(model), data), rtol=1e-4)


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize(("l2", "chain", "start"), [(0, 0, 0), (0.05, 70.0, 30.0)])
def test_loss_and_step(data, randomise, check_step, biases, l2, chain, start):
    """The chain of T_0 .. T_4, T_0 around 1, each over the number of events."""
    model = built(
        TemporalTensorFactorization,
        data,
        randomise,
        slices=SLICES,
        biases=biases,
        l2=float(l2),
        chain=float(chain),
        chain_start=float(start),
    )

    def loss(w: Weights) -> float:
        rows = [w["u"][USER], w["v"][ITEM]]
        if biases:
            rows += [w["b_u"][USER], w["b_i"][ITEM]]
        prior = start * np.sum((w["t"][0] - 1) ** 2)
        for k in range(1, SLICES + 1):
            prior += chain * np.sum((w["t"][k] - w["t"][k - 1]) ** 2)
        penalty = l2 * sum(squares(values) for values in rows) + prior / len(data)
        return np.mean((RATING - rating(w, data)) ** 2) + penalty

    check_step(model, (batch(data), tf.constant(RATING)), weights(model), loss)


def test_it_starts_as_matrix_factorisation(data):
    model = TemporalTensorFactorization(data.spec, dim=4)
    model.adapt(data)
    model.ensure_built()
    np.testing.assert_array_equal(model.time_factors, np.ones((31, 4)))
    u, v = (t.embeddings.numpy() for t in (model.user_table, model.item_table))
    expected = data.label.mean() + np.sum(u[USER] * v[ITEM], axis=1)
    np.testing.assert_allclose(model(batch(data)), expected, rtol=1e-5)


@pytest.mark.usefixtures("graphs")
def test_slices_without_events_are_drawn_between_their_neighbours(data):
    """Of six slices only the second and the fifth have events."""
    model = TemporalTensorFactorization(
        data.spec, dim=2, slices=6, chain=50.0, chain_start=50.0, learning_rate=0.05
    )
    model.adapt(data)
    model.compile()
    first, last = int(data.seconds.min()), int(data.seconds.max())
    two = data.take(np.arange(len(data)))
    early = np.arange(len(data)) % 2 == 0
    place = np.where(early, 1.5, 4.5) / 6
    two.columns["timestamp"] = (first + place * (last - first)).astype(
        np.int64
    ) * SECOND
    two.columns["rating"] = np.where(early, 5 - two.label, two.label)
    model.fit(two.batches(model, 600), epochs=600, verbose=0)
    times = model.time_factors.numpy()
    assert np.abs(times[2] - times[5]).max() > 0.5  # what was to be told apart
    for k, (left, right) in {3: (2, 5), 4: (2, 5)}.items():
        share = (k - left) / (right - left)
        expected = (1 - share) * times[left] + share * times[right]
        np.testing.assert_allclose(times[k], expected, atol=0.1)
    np.testing.assert_allclose(times[6], times[5], atol=0.1)


@pytest.mark.parametrize(("time", "k"), [(0, 1), (2**40, SLICES)])
def test_times_outside_training_belong_to_the_nearest_slice(data, randomise, time, k):
    model = built(TemporalTensorFactorization, data, randomise, slices=SLICES)
    ids = {
        "user_id/index": tf.constant([7], tf.int32),
        "movie_id/index": tf.constant([9], tf.int32),
    }
    found = model({**ids, "timestamp": tf.constant([time], tf.int64)})
    w = values(model)
    expected = data.label.mean() + w["b_u"][7] + w["b_i"][9]
    expected += np.sum(w["u"][7] * w["v"][9] * w["t"][k])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if time > 0:
        np.testing.assert_allclose(model(ids), expected, rtol=1e-5)


def test_view_and_round_trip(data, randomise, tmp_path):
    model = built(TemporalTensorFactorization, data, randomise)
    assert model.view() == Ratings(timed=True)
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(batch(data)), model(batch(data)), rtol=1e-6)


def test_refusals(data):
    with pytest.raises(ValueError, match="learns from event times"):
        TemporalTensorFactorization(dataclasses.replace(data.spec, timestamp=None))
    with pytest.raises(ValueError, match="slices=0 must be 1 or more"):
        TemporalTensorFactorization(data.spec, slices=0)
    for name in ("chain", "chain_start"):
        with pytest.raises(ValueError, match=rf"{name}=-1\.0 must not be negative"):
            TemporalTensorFactorization(data.spec, **{name: -1.0})
    with pytest.raises(ValueError, match=r"outside rating_range \[2, 4\], such as 5"):
        TemporalTensorFactorization(data.spec, rating_range=(2, 4)).adapt(data)
