"""Deep Interest Network: Zhou et al. 2018."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.views import Pairs
from tfrec.layers.attention import ActivationUnit, Dice
from tfrec.layers.embedding import seed_stream
from tfrec.models.ranking.din import DIN

ROWS = 9
rng = np.random.default_rng(11)
Weights = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def batch(data):
    """Events with histories, the last with none, and a history of one."""
    features, target = next(iter(data.batches(Pairs(0), 600, shuffle=False)))
    length = np.count_nonzero(features["history/index"], axis=1)
    rows = [*range(500, 500 + ROWS - 2), np.flatnonzero(length == 1)[0], 0]
    chosen = {name: tf.gather(values, rows) for name, values in features.items()}
    assert length[rows[-1]] == 0
    return chosen, tf.cast(tf.gather(target, rows) > 3, tf.float32)


def built(data, randomise, **config) -> DIN:
    given = {"dim": 2, "layers": (4,), "attention_layers": (3,), **config}
    model = DIN(data.spec, **given)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: DIN) -> dict[str, tf.Variable]:
    first, turn, last = model.mlp.layers
    found = {
        "table": model.fields.tables["2"],
        "numbers": model.fields.scale,
        "W1": first.kernel,
        "b1": first.bias,
        "alpha": turn.alpha,
        "W2": last.kernel,
        "b2": last.bias,
    }
    if model.units:
        (unit,) = model.units
        found["aW1"], found["ab1"] = unit.kernel, unit.bias
        found["a alpha"] = unit.activations[0].alpha
        found["aW2"], found["ab2"] = unit.dense[0].kernel, unit.dense[0].bias
    return found


def dice(s: np.ndarray, alpha: np.ndarray, mean=None, variance=None) -> np.ndarray:
    """Equation 9, with the moments of ``s`` itself unless given."""
    mean = s.mean(0) if mean is None else mean
    variance = s.var(0) if variance is None else variance
    p = 1 / (1 + np.exp(-(s - mean) / np.sqrt(variance + 1e-8)))
    return p * s + (1 - p) * alpha * s


def mean_of(vectors: np.ndarray, indices: np.ndarray) -> np.ndarray:
    mask = (indices > 0)[..., None]
    return (vectors * mask).sum(-2) / np.maximum(mask.sum(-2), 1)


def logits(w: Weights, model: DIN, features: dict, data, training: bool) -> np.ndarray:
    b = {name: tensor.numpy() for name, tensor in features.items()}

    def rows(name: str, indices: np.ndarray) -> np.ndarray:
        return w["table"][indices + model.fields.offsets[name]]

    def item(ids: np.ndarray) -> np.ndarray:
        """The id joined with the means of its genres and of its title's words."""
        parts = [rows("movie_id", ids)]
        for name in ("genres", "title"):
            indices = data.items[name][ids]
            parts.append(mean_of(rows(name, indices), indices))
        return np.concatenate(parts, axis=-1)

    history, mask = item(b["history/index"]), b["history/index"] > 0
    candidate = item(b["movie_id/index"])
    moments = {}
    if not training:
        layers = {"": model.mlp.layers[1]}
        if model.units:
            layers["a "] = model.units[0].activations[0]
        moments = {
            k: {"mean": v.moving_mean.numpy(), "variance": v.moving_variance.numpy()}
            for k, v in layers.items()
        }
    shares = mask.astype(float)
    if model.units:
        other = np.broadcast_to(candidate[:, None], history.shape)
        joined = [history, other, history - other, history * other]
        s = (np.concatenate(joined, axis=-1) @ w["aW1"] + w["ab1"])[mask]
        s = dice(s, w["a alpha"], **moments.get("a ", {}))
        shares = np.zeros(mask.shape)
        shares[mask] = (s @ w["aW2"] + w["ab2"])[:, 0]
    interest = (shares[..., None] * history).sum(1)
    fields = {
        "movie_id": candidate[:, :2],
        "genres": candidate[:, 2:4],
        "title": candidate[:, 4:],
        **{n: rows(n, b[f"{n}/index"]) for n in ("user_id", "age", "device")},
    }
    year = (b["year"] - 1990) / 8
    parts = [fields[n] for n in model.id_columns]
    parts += [year[:, None] * w["numbers"], interest]
    s = np.concatenate(parts, axis=1) @ w["W1"] + w["b1"]
    return (dice(s, w["alpha"], **moments.get("", {})) @ w["W2"] + w["b2"])[:, 0]


def log_loss(scores: np.ndarray, target: tf.Tensor) -> float:
    return np.mean(np.log1p(np.exp(scores)) - scores * target.numpy())


def test_dice_in_both_modes():
    layer = Dice(momentum=0.9)
    s = rng.normal(2, 3, (8, 3)).astype(np.float32)
    layer(s)
    alpha = np.array([0.2, -0.5, 0.0])
    layer.alpha.assign(alpha)
    np.testing.assert_allclose(
        layer(s), dice(s, alpha, np.zeros(3), np.ones(3)), rtol=1e-4, atol=1e-5
    )
    found = layer(s, training=True)
    np.testing.assert_allclose(found, dice(s, alpha), rtol=1e-4, atol=1e-5)
    mean, variance = 0.1 * s.mean(0), 0.9 + 0.1 * s.var(0)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)
    np.testing.assert_allclose(
        layer(s), dice(s, alpha, mean, variance), rtol=1e-4, atol=1e-5
    )


def test_the_moving_averages_of_dice():
    """``sum over t of (1 - m) m^(T - t) E_t``, and of ``Var_t``, beside the start."""
    layer, batches = Dice(), rng.normal(2, 3, (5, 8, 3)).astype(np.float32)
    for s in batches:
        layer(s, training=True)
    share = 0.1 * 0.9 ** np.arange(4, -1, -1)
    mean = share @ batches.mean(axis=1)
    variance = 0.9**5 + share @ batches.var(axis=1)  # from 1 on
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)


def test_after_a_short_fit_inference_is_the_network_that_was_trained(data, randomise):
    """Forty batches, and Dice turns where its inputs are, not where it began."""
    data = data.with_spec(data.spec.select("history", "device"))
    model = built(data, lambda model: randomise(model, 1))
    model.compile(tf.keras.optimizers.Adam(0.003), run_eagerly=True)
    features, target = next(iter(data.batches(Pairs(0), 600, shuffle=False)))
    clicks = tf.cast(target > 3, tf.float32)
    for _ in range(40):
        model.train_on_batch(features, clicks)
    answered = model(features).numpy()
    trained = model(features, training=True).numpy()
    assert np.abs(answered - trained).mean() < 0.25 * trained.std()
    expected = log_loss(trained, clicks)
    assert log_loss(answered, clicks) == pytest.approx(expected, rel=0.004)


def test_the_activation_unit():
    """``MLP([h; c; h - c; h * c])``, one weight for each entry, no softmax."""
    layer = ActivationUnit((5,), seed_stream(0), activation="tanh")
    h, c = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4))
    mask = np.array([[True, True, False], [False, False, False]])
    history, candidate = tf.constant(h, tf.float32), tf.constant(c, tf.float32)
    found = layer(history, candidate, mask).numpy()
    other = np.broadcast_to(c[:, None], h.shape)
    joined = np.concatenate([h, other, h - other, h * other], axis=-1)
    hidden = np.tanh(joined @ layer.kernel.numpy() + layer.bias.numpy())
    last = layer.dense[0]
    expected = (hidden @ last.kernel.numpy() + last.bias.numpy())[..., 0] * mask
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pooling", ["attention", "sum"])
def test_the_logit(data, batch, randomise, pooling):
    model = built(data, randomise, pooling=pooling)
    values = {name: v.numpy() for name, v in weights(model).items()}
    expected = logits(values, model, batch[0], data, training=False)
    np.testing.assert_allclose(model(batch[0]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "config", [{}, {"pooling": "sum"}, {"l2": 0.3}], ids=["attention", "sum", "l2"]
)
def test_loss_and_step(data, batch, randomise, check_step, config):
    """Log loss and, equation 6, each row of the batch once, by its occurrences."""
    model = built(data, randomise, **config)
    features, target = batch
    used = set()
    for name in model.id_columns:
        used |= {(name, i) for i in features[f"{name}/index"].numpy().ravel()}
    for ids in (features["history/index"].numpy(), features["movie_id/index"].numpy()):
        used |= {("movie_id", i) for i in ids.ravel()}
        for name in ("genres", "title"):
            used |= {(name, i) for i in data.items[name][ids].ravel()}
    rows = np.array(sorted(i + model.fields.offsets[name] for name, i in used))

    def loss(w: Weights) -> float:
        total = log_loss(logits(w, model, features, data, training=True), target)
        if model.config.l2:
            n = model.catalogue.arrays["occurrences"][rows]
            total += 0.3 / 2 * np.sum(np.square(w["table"][rows]).sum(1) / n)
        return total

    check_step(model, (features, target), weights(model), loss)


def test_occurrences_are_those_of_the_training_data(data):
    model = DIN(data.spec, l2=0.1, negatives=2)
    model.adapt(data)
    found = model.catalogue.arrays["occurrences"]
    features, _ = next(iter(data.batches(Pairs(0), 600, shuffle=False)))
    history = features["history/index"].numpy()
    for name, index in (("user_id", 7), ("device", 3), ("age", 2)):
        count = np.sum(features[f"{name}/index"].numpy() == index)
        assert found[index + model.fields.offsets[name]] == max(3 * count, 1)
    place = 5 + model.fields.offsets["movie_id"]
    expected = data.item_counts[5] + 2 * 600 / 30 + 3 * np.sum(history == 5)
    assert found[place] == pytest.approx(expected)
    genre = 2 + model.fields.offsets["genres"]
    has = np.sum(data.items["genres"] == 2, axis=1)
    expected = (has * data.item_counts).sum() + 2 * 600 / 30 * has.sum()
    expected += 3 * has[history[history > 0]].sum()
    assert found[genre] == pytest.approx(expected, rel=1e-6)


def test_regularisation_needs_the_occurrences(data, batch):
    model = DIN(data.spec, l2=0.1)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="met no data: call train"):
        model.train_on_batch(*batch)


def test_a_history_is_pooled_by_its_weights(data, batch, randomise):
    model = built(data, randomise)
    found = model.attention(batch[0]).numpy()
    history = batch[0]["history/index"].numpy()
    assert found.shape == history.shape
    np.testing.assert_array_equal(found != 0, history > 0)
    assert np.ptp(found.sum(1)) > 0.1  # no distribution
    with pytest.raises(ValueError, match=r"'visits' is no history .* one of history"):
        model.attention(batch[0], "visits")


def test_raw_ids_have_their_genres_by_themselves(data, randomise):
    model = built(data, randomise)
    raw = {
        "user_id": ["u1"], "age": [18], "device": ["phone"], "year": [1990.0],
        "movie_id": ["m1"], "genres": [["drama"]], "title": ["heat"],
        "history": [["m3", "m4"]],
    }  # fmt: skip
    features = {n: tf.constant(v) for n, v in raw.items()}
    features["age"] = tf.constant([18], tf.int64)
    before = model(features).numpy()
    movie = data.spec.encode("movie_id", ["m3"])[0]
    genres = model.item_table.tables["genres"]
    changed = genres.numpy()
    changed[movie] = [0, 0, 0]
    genres.assign(changed)
    assert abs(model(features).numpy() - before) > 1e-4


def test_longer_padding_changes_nothing(data, batch, randomise):
    model = built(data, randomise)
    features = dict(batch[0])
    features["history/index"] = tf.pad(features["history/index"], [[0, 0], [0, 4]])
    np.testing.assert_allclose(model(features), model(batch[0]), rtol=1e-5)


def test_a_large_catalogue_is_scored_by_parts(data, batch, randomise, monkeypatch):
    model = built(data, randomise)
    query = {n: v for n, v in batch[0].items() if n.partition("/")[0] != "movie_id"}
    state = model.catalogue_state()
    whole = model.catalogue_scores(query, state)
    monkeypatch.setattr(DIN, "pairs_at_once", 7)
    np.testing.assert_allclose(
        model.catalogue_scores(query, state), whole, rtol=1e-5, atol=1e-6
    )


def test_without_a_history_it_is_refused(data):
    with pytest.raises(ValueError, match=r"declare Sequence\('history', of='movie_id'"):
        DIN(data.spec.select("age"))
