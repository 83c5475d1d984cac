"""LSTMs at several rates beside static towers: Song et al. 2016, sections 3.2, 3.3."""

import numpy as np
import pytest
import tensorflow as tf
from towers import in_batch_loss

from tfrec.data.views import Positives
from tfrec.models.retrieval.temporal_dssm import TemporalDSSM

Weights = dict[str, np.ndarray]
NAMES = ("user_id", "movie_id", "history")
DIM = 4


@pytest.fixture(scope="module")
def narrow(data):
    return data.with_spec(data.spec.select(*NAMES))


@pytest.fixture(scope="module")
def batch(narrow):
    """Events with histories of all lengths."""
    return next(iter(narrow.batches(Positives(), 60, shuffle=False)))


def built(narrow, randomise, **config) -> TemporalDSSM:
    model = TemporalDSSM(narrow.spec, **{"dim": DIM, **config})
    model.adapt(narrow)
    model.ensure_built()
    randomise(model)
    return model


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def weights(model: TemporalDSSM) -> dict[str, tf.Variable]:
    (query,), (item,) = model.query_tower.layers, model.item_tower.layers
    found = {
        "users": model.query_features.tables["user_id"].embeddings,
        "items": model.item_features.tables["movie_id"].embeddings,
        "Q": query.kernel,
        "q": query.bias,
        "I": item.kernel,
        "i": item.bias,
        "J": model.join.kernel,
        "j": model.join.bias,
    }
    for rate, scan in zip(model.config.rates, model.scans, strict=True):
        for name, weight in zip("KRB", scan.scan.cell.weights, strict=True):
            found[f"{name}{rate}"] = weight
    return found


def values(model: TemporalDSSM) -> Weights:
    return {name: v.numpy().astype(float) for name, v in weights(model).items()}


def last_state(w: Weights, rate: int, vectors: list[np.ndarray]) -> np.ndarray:
    """An LSTM over the steps, gates i, f, c and o side by side."""
    units = w[f"R{rate}"].shape[0]
    h, c = np.zeros(units), np.zeros(units)
    for x in vectors:
        gates = x @ w[f"K{rate}"] + h @ w[f"R{rate}"] + w[f"B{rate}"]
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def user_vectors(w: Weights, batch: dict, rates: tuple[int, ...]) -> np.ndarray:
    result = []
    for user, history in zip(
        batch["user_id/index"].numpy(), batch["history/index"].numpy(), strict=True
    ):
        past = w["items"][history[history > 0]]
        parts = [w["users"][user] @ w["Q"] + w["q"]]
        for rate in rates:
            steps = [past[s : s + rate].mean(0) for s in range(0, len(past), rate)]
            parts.append(last_state(w, rate, steps))
        u = np.concatenate(parts) @ w["J"] + w["j"]
        result.append(u / np.linalg.norm(u))
    return np.array(result)


def item_vectors(w: Weights, batch: dict) -> np.ndarray:
    v = w["items"][batch["movie_id/index"].numpy()] @ w["I"] + w["i"]
    return v / np.linalg.norm(v, axis=1, keepdims=True)


@pytest.mark.parametrize("rates", [(1,), (3,), (1, 4), (1, 2, 6, 9)], ids=str)
def test_the_user_is_a_static_tower_and_an_lstm_for_each_rate(
    narrow, batch, randomise, rates
):
    model = built(narrow, randomise, rates=rates)
    lengths = np.sum(batch["history/index"] > 0, axis=1)
    assert set(lengths) >= {0, 1, 2, 3}
    found = model.query_embedding(batch)
    expected = user_vectors(values(model), batch, rates)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_score_is_the_cosine_with_the_item(narrow, batch, randomise):
    model = built(narrow, randomise)
    w = values(model)
    u = user_vectors(w, batch, model.config.rates)
    expected = np.sum(u * item_vectors(w, batch), axis=1)
    np.testing.assert_allclose(model(batch), expected, rtol=1e-4, atol=1e-5)


def test_loss_and_step(narrow, randomise, check_step):
    """In-batch softmax of two towers, the user's with LSTMs at rates 1 and 2."""
    rates = (1, 2)
    model = built(narrow, randomise, rates=rates, dim=2, temperature=0.5)
    rows = [0, *range(410, 416)]
    events = next(iter(narrow.batches(Positives(), 600, shuffle=False)))
    batch = {name: tf.gather(values, rows) for name, values in events.items()}
    assert set(np.sum(batch["history/index"] > 0, axis=1)) == {0, 6}
    item = batch["movie_id/index"].numpy()
    share = narrow.item_counts / len(narrow)

    def loss(w: Weights) -> float:
        u, v = user_vectors(w, batch, rates), item_vectors(w, batch)
        return in_batch_loss(u @ v.T / 0.5, item, share, None)

    check_step(model, (batch,), weights(model), loss)


def test_the_gradient_reaches_every_weight_as_differences_say(narrow, batch, randomise):
    model = built(narrow, randomise, log_q=False)
    model.compile("sgd", run_eagerly=True)

    def loss() -> tf.Tensor:
        return model.batch_loss(batch, None, training=True)

    with tf.GradientTape() as tape:
        value = loss()
    slopes = tape.gradient(value, model.trainable_variables)
    for variable, slope in zip(model.trainable_variables, slopes, strict=True):
        slope = tf.convert_to_tensor(slope)
        place = np.unravel_index(np.argmax(np.abs(slope)), slope.shape)
        kept, ends = variable.numpy(), []
        for nudge in (1e-2, -1e-2):
            moved = kept.copy()
            moved[place] += nudge
            variable.assign(moved)
            ends.append(float(loss()))
        variable.assign(kept)
        expected = (ends[0] - ends[1]) / 2e-2
        assert slope.numpy()[place] == pytest.approx(expected, rel=0.02), variable.name


def test_more_padding_changes_nothing(narrow, batch, randomise):
    longer = narrow.spec.history.__class__("history", of="movie_id", max_len=11)
    wide = TemporalDSSM(narrow.spec.replace(longer), dim=DIM, rates=(1, 4))
    wide.ensure_built()
    model = built(narrow, randomise, rates=(1, 4))
    wide.set_weights(model.get_weights())
    history = tf.pad(batch["history/index"], [[0, 0], [0, 5]])
    found = wide.query_embedding({**batch, "history/index": history})
    np.testing.assert_allclose(
        found, model.query_embedding(batch), rtol=1e-5, atol=1e-6
    )


def test_the_rates_share_the_width(narrow):
    one = TemporalDSSM(narrow.spec, dim=8, rates=(1,))
    two = TemporalDSSM(narrow.spec, dim=8, rates=(1, 3))
    assert [scan.scan.cell.units for scan in one.scans] == [8]
    assert [scan.scan.cell.units for scan in two.scans] == [4, 4]


@pytest.mark.parametrize("rates", [(), (0, 1), (1, 2, 3, 4, 5)], ids=str)
def test_rates_that_cannot_be_are_refused(narrow, rates):
    with pytest.raises(
        ValueError, match=r"rates=\(.* must be one or more positive num"
    ):
        TemporalDSSM(narrow.spec, dim=4, rates=rates)


def test_without_a_history_it_is_refused(data):
    with pytest.raises(
        ValueError, match="TemporalDSSM needs the user's history: decla"
    ):
        TemporalDSSM(data.spec.select("user_id", "movie_id"))
