"""Deep Interest Evolution Network: Zhou et al. 2019."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.views import Pairs
from tfrec.layers.attention import BilinearAttention
from tfrec.layers.recurrent import AUGRU, auxiliary_loss
from tfrec.models.ranking.dien import DIEN

ROWS, SEED = 9, 6
rng = np.random.default_rng(12)
Weights = dict[str, np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def augru(w: Weights, x: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Equations 2-4 and 14-16 over ``(batch, length, any)``; the last state."""
    size = w["U"].shape[0]
    (wu, wr, wc), (uu, ur, uc), (bu, br, bc) = (
        np.split(w[name], 3, axis=-1) for name in ("W", "U", "b")
    )
    h = np.zeros((len(x), size))
    for t in range(x.shape[1]):
        u = sigmoid(x[:, t] @ wu + h @ uu + bu)
        r = sigmoid(x[:, t] @ wr + h @ ur + br)
        c = np.tanh(x[:, t] @ wc + r * (h @ uc) + bc)
        scaled = a[:, t : t + 1] * u
        h = (1 - scaled) * h + scaled * c
    return h


def gru(w: Weights, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Equations 2-5, Keras's z being ``1 - u``; all states, padding repeating them."""
    size = w["gU"].shape[0]
    (wz, wr, wc), (uz, ur, uc) = (np.split(w[n], 3, axis=-1) for n in ("gW", "gU"))
    (bz, br, bc), (dz, dr, dc) = (np.split(row, 3) for row in w["gb"])
    h, states = np.zeros((len(x), size)), []
    for t in range(x.shape[1]):
        u = 1 - sigmoid(x[:, t] @ wz + bz + h @ uz + dz)
        r = sigmoid(x[:, t] @ wr + br + h @ ur + dr)
        c = np.tanh(x[:, t] @ wc + bc + r * (h @ uc + dc))
        h = np.where(mask[:, t : t + 1], (1 - u) * h + u * c, h)
        states.append(h)
    return np.stack(states, axis=1)


def attention(kernel: np.ndarray, h: np.ndarray, e: np.ndarray, mask: np.ndarray):
    """Equation 13; 0 for padding, and everywhere in an empty history."""
    powers = np.exp(np.einsum("bth,hd,bd->bt", h, kernel, e)) * mask
    return powers / np.maximum(powers.sum(1, keepdims=True), 1e-30)


def auxiliary(h, following, drawn, mask) -> float:
    """Equation 10, the mean over real steps."""
    real = -np.log(sigmoid((h * following).sum(-1)))
    other = -np.log(1 - sigmoid((h * drawn).sum(-1)))
    return np.sum((real + other) * mask) / mask.sum()


def mean_of(vectors: np.ndarray, indices: np.ndarray) -> np.ndarray:
    mask = (indices > 0)[..., None]
    return (vectors * mask).sum(-2) / np.maximum(mask.sum(-2), 1)


@pytest.fixture(scope="module")
def batch(data):
    """Events with histories, the last with none, and a history of one."""
    features, target = next(iter(data.batches(Pairs(0), 600, shuffle=False)))
    length = np.count_nonzero(features["history/index"], axis=1)
    rows = [*range(300, 300 + ROWS - 2), np.flatnonzero(length == 1)[0], 0]
    chosen = {name: tf.gather(values, rows) for name, values in features.items()}
    return chosen, tf.cast(tf.gather(target, rows) > 3, tf.float32)


def built(data, randomise, **config) -> DIEN:
    spec = data.spec.select("history", "genres", "device")
    given = {"dim": 2, "layers": (4,), "units": 3, "seed": SEED, **config}
    model = DIEN(spec, **given)
    model.adapt(data.with_spec(spec))
    model.ensure_built()
    randomise(model)
    return model


def weights(model: DIEN) -> dict[str, tf.Variable]:
    first, turn, last = model.mlp.layers
    cell, evolution = model.extractors[0].gru.cell, model.evolutions[0]
    return {
        "table": model.fields.tables["2"],
        "gW": cell.kernel,
        "gU": cell.recurrent_kernel,
        "gb": cell.bias,
        "A": model.attentions[0].kernel,
        "W": evolution.kernel,
        "U": evolution.recurrent,
        "b": evolution.bias,
        "W1": first.kernel,
        "b1": first.bias,
        "alpha": turn.alpha,
        "W2": last.kernel,
        "b2": last.bias,
    }


def parts(w: Weights, model: DIEN, features: dict, data, training: bool):
    """The logits, and what the auxiliary loss is of."""
    b = {name: tensor.numpy() for name, tensor in features.items()}

    def rows(name: str, indices: np.ndarray) -> np.ndarray:
        return w["table"][indices + model.fields.offsets[name]]

    def item(ids: np.ndarray) -> np.ndarray:
        genres = data.items["genres"][ids]
        return np.concatenate(
            [rows("movie_id", ids), mean_of(rows("genres", genres), genres)], axis=-1
        )

    mask = b["history/index"] > 0
    history, candidate = item(b["history/index"]), item(b["movie_id/index"])
    states = gru(w, history, mask)
    shares = attention(w["A"], states, candidate, mask)
    interest = augru(w, states, shares)
    fields = {"movie_id": candidate[:, :2], "genres": candidate[:, 2:]}
    for name in ("user_id", "device"):
        fields[name] = rows(name, b[f"{name}/index"])
    joined = [*(fields[n] for n in model.id_columns), interest]
    s = np.concatenate(joined, axis=1) @ w["W1"] + w["b1"]
    turn = model.mlp.layers[1]
    mean, variance = turn.moving_mean.numpy(), turn.moving_variance.numpy()
    if training:
        mean, variance = s.mean(0), s.var(0)
    p = sigmoid((s - mean) / np.sqrt(variance + 1e-8))
    logits = ((p + (1 - p) * w["alpha"]) * s) @ w["W2"] + w["b2"]
    return logits[:, 0], shares, states, history, mask, item


def test_a_step_of_augru():
    layer = AUGRU(3, seed=1)
    x, a, h = rng.normal(size=(4, 5)), rng.uniform(size=(4, 1)), np.zeros((4, 3))
    inputs, share = tf.constant(x, tf.float32), tf.constant(a, tf.float32)
    layer(inputs[:, None], share)
    layer.bias.assign(rng.normal(size=9))
    w = dict(zip(("W", "U", "b"), (v.numpy() for v in layer.weights), strict=True))
    found = layer.step(layer.project(inputs), share, tf.constant(h, tf.float32))
    np.testing.assert_allclose(found, augru(w, x[:, None], a), rtol=1e-4, atol=1e-6)


def test_the_scan_of_augru():
    layer = AUGRU(3, seed=1)
    x, a = rng.normal(size=(4, 6, 5)), rng.uniform(size=(4, 6))
    found = layer(tf.constant(x, tf.float32), tf.constant(a, tf.float32))
    w = dict(zip(("W", "U", "b"), (v.numpy() for v in layer.weights), strict=True))
    np.testing.assert_allclose(found, augru(w, x, a), rtol=1e-4, atol=1e-6)


def test_the_attention():
    layer = BilinearAttention(2, seed=1)
    h, e = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 2))
    mask = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    found = layer(tf.constant(h, tf.float32), tf.constant(e, tf.float32), mask)
    expected = attention(layer.kernel.numpy(), h, e, mask)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_auxiliary_loss():
    h, e, n = (rng.normal(size=(3, 4, 2)) for _ in range(3))
    mask = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    found = auxiliary_loss(*(tf.constant(v, tf.float32) for v in (h, e, n)), mask)
    assert float(found) == pytest.approx(auxiliary(h, e, n, mask), rel=1e-5)


def test_the_logit_and_its_attention(data, batch, randomise):
    model = built(data, randomise)
    values = {name: v.numpy() for name, v in weights(model).items()}
    logits, shares, *_ = parts(values, model, batch[0], data, training=False)
    np.testing.assert_allclose(model(batch[0]), logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.attention(batch[0]), shares, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("aux_weight", [0.0, 0.7])
def test_loss_and_step(data, batch, randomise, check_step, aux_weight):
    model = built(data, randomise, aux_weight=aux_weight)
    features, target = batch
    following = features["history/index"][:, 1:].numpy()
    # Seed of the model, number of the step: the draw of the first step.
    ahead = tf.random.stateless_uniform(following.shape, [SEED, 0], 1, 30, tf.int32)
    drawn = 2 + (following - 2 + ahead.numpy()) % 30
    assert np.all(drawn != following)
    assert drawn.min() >= 2
    assert drawn.max() <= 31

    def loss(w: Weights) -> float:
        logits, _, h, history, mask, item = parts(w, model, features, data, True)
        total = np.mean(np.log1p(np.exp(logits)) - logits * target.numpy())
        real = mask[:, :-1] & mask[:, 1:]
        aux = auxiliary(h[:, :-1], history[:, 1:], item(drawn), real)
        return total + aux_weight * aux

    check_step(model, batch, weights(model), loss)


def test_every_step_draws_anew(data, batch, randomise):
    model = built(data, randomise)
    model.compile(run_eagerly=True)
    inputs = model.lookup(batch[0])
    draws = []
    for step in (0, 1, 0):
        model.optimizer.iterations.assign(step)
        draws.append(model._negatives(inputs)[0].numpy().tolist())
    assert draws[0] != draws[1]
    assert draws[0] == draws[2]


def test_the_auxiliary_loss_is_of_training_alone(data, batch, randomise):
    model = built(data, randomise)
    model(batch[0], training=True)
    assert len(model.losses) == 1
    model(batch[0])
    assert not model.losses


def test_longer_padding_changes_nothing(data, batch, randomise):
    model = built(data, randomise)
    features = dict(batch[0])
    features["history/index"] = tf.pad(features["history/index"], [[0, 0], [0, 4]])
    np.testing.assert_allclose(model(features), model(batch[0]), rtol=1e-5, atol=1e-6)


def test_without_a_history_it_is_refused(data):
    with pytest.raises(ValueError, match=r"DIEN needs the user's history: declare"):
        DIEN(data.spec.select("age"))
