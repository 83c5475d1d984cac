"""GRU4Rec: five losses, a step of the cells, states by lane, Hidasi et al."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.models.sequential._session_losses import LOSSES
from tfrec.models.sequential.gru4rec import GRU4Rec

BATCH, OTHERS, WEIGHT, NUDGE = 4, 6, 0.7, 1e-4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_loss(name, positive, negative, real):
    """Of one next item; ``negative`` and ``real`` are vectors."""
    r = negative[real]
    if not len(r):
        return 0.0
    s = np.exp(r - r.max()) / np.exp(r - r.max()).sum()
    if name == "cross_entropy":
        return np.log(np.exp(positive) + np.exp(r).sum()) - positive
    if name == "top1":
        return np.mean(sigmoid(r - positive) + sigmoid(r**2))
    if name == "bpr":
        return -np.mean(np.log(sigmoid(positive - r)))
    if name == "top1_max":
        return np.sum(s * (sigmoid(r - positive) + sigmoid(r**2)))
    return -np.log(np.sum(s * sigmoid(positive - r))) + WEIGHT * np.sum(s * r**2)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient(name):
    rng = np.random.default_rng(0)
    positive = rng.normal(0, 1, BATCH)
    negative = rng.normal(0, 1, (BATCH, OTHERS))
    real = rng.random((BATCH, OTHERS)) < 0.7
    real[2] = False
    options = {"weight": WEIGHT} if name == "bpr_max" else {}
    p, n = (tf.Variable(values, dtype=tf.float64) for values in (positive, negative))
    with tf.GradientTape() as tape:
        losses = LOSSES[name](p, n, tf.constant(real), **options)
    rows = zip(positive, negative, real, strict=True)
    expected = [numpy_loss(name, *row) for row in rows]
    np.testing.assert_allclose(losses, expected, rtol=1e-6, atol=1e-9)
    grads = tape.gradient(losses, [p, n])
    for row in range(BATCH):

        def loss(p, n, row=row):
            return numpy_loss(name, p, n, real[row])

        own, others = positive[row], negative[row]
        slope = loss(own + NUDGE, others) - loss(own - NUDGE, others)
        np.testing.assert_allclose(grads[0][row], slope / (2 * NUDGE), atol=1e-6)
        for j, unit in enumerate(np.eye(OTHERS) * NUDGE):
            slope = loss(own, others + unit) - loss(own, others - unit)
            np.testing.assert_allclose(grads[1][row, j], slope / (2 * NUDGE), atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_large_scores_stay_finite(name):
    p, n = tf.Variable([-80.0]), tf.Variable([[90.0, -90.0]])
    with tf.GradientTape() as tape:
        loss = LOSSES[name](p, n, tf.constant([[True, True]]))
    for values in (loss, *tape.gradient(loss, [p, n])):
        assert np.isfinite(values.numpy()).all()


@pytest.fixture
def make(data, randomise):
    """A model with weights at which no part of the score is nearly nothing."""

    def made(**config):
        model = GRU4Rec(data.spec.select("history"), **{"negatives": 5, **config})
        model.adapt(data.with_spec(model.spec))
        model.compile()
        randomise(model)
        return model

    return made


def numpy_gru(cell, x, h):
    """Cho et al. 2014; the order of the gates in the kernel is z, r, candidate."""
    return gru(*(v.numpy().astype(np.float64) for v in cell.weights), x, h)


def gru(kernel, recurrent, bias, x, h):
    u = h.shape[1]
    inputs = x @ kernel + bias
    z = sigmoid(inputs[:, :u] + h @ recurrent[:, :u])
    r = sigmoid(inputs[:, u : 2 * u] + h @ recurrent[:, u : 2 * u])
    proposed = np.tanh(inputs[:, 2 * u :] + (r * h) @ recurrent[:, 2 * u :])
    return z * h + (1 - z) * proposed


def numpy_lstm(cell, x, h, c):
    """Input, forget, candidate and output gates."""
    kernel, recurrent, bias = (v.numpy().astype(np.float64) for v in cell.weights)
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def vectors(layer, items):
    return layer.embeddings.numpy().astype(np.float64)[items]


@pytest.mark.parametrize("tied", [True, False])
def test_a_session_is_read_item_by_item(make, tied):
    model = make(layers=(6, 4), tied=tied, dim=5)
    session = np.array([[4, 9, 2, 0, 0, 0], [7, 1, 3, 0, 0, 0], [0] * 6, [5] * 6])
    states = [np.zeros((4, 6)), np.zeros((4, 4))]
    for step in session.T:
        x = vectors(model.inputs_table, step)
        after = []
        for cell, state in zip(model.cells.cells, states, strict=True):
            x = numpy_gru(cell, x, state)
            after.append(x)
        read = (step >= model.spec.item_column.first)[:, None]  # 1 is unknown
        pairs = zip(after, states, strict=True)
        states = [np.where(read, new, old) for new, old in pairs]
    item = np.array([3, 8, 12, 31])
    w, b = vectors(model.items_table, item), model.bias.numpy()[item]
    expected = np.sum(states[1] * w, axis=1) + b
    features = {
        "history/index": tf.constant(session, tf.int32),
        "movie_id/index": tf.constant(item, tf.int32),
    }
    np.testing.assert_allclose(model(features), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_live_session_scores_as_the_whole_of_it(make, cell):
    model = make(layers=(6, 4), cell=cell)
    sessions = np.array([[4, 9, 1, 2, 17], [7, 3, 5, 5, 1]], np.int32)
    state = tf.zeros([2, model.state_width])
    for step in sessions.T:
        query, state = model.advance(tf.constant(step), state)
    whole = model.query_embedding({"history/index": tf.constant(sessions)})
    np.testing.assert_allclose(query, whole, rtol=1e-5, atol=1e-6)


def batch(model, item, following, fresh):
    return {
        "movie_id/index": tf.constant(item, tf.int32),
        "next/index": tf.constant(following, tf.int32),
        "fresh": tf.constant(fresh),
    }


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("loss", LOSSES)
def test_two_steps_of_a_batch(make, cell, loss):
    """Item 9 follows in two lanes, and a drawn negative may be a next item."""
    options = {"activation": "linear", "score_weight": WEIGHT}
    model = make(layers=(4,), cell=cell, loss=loss, **options)
    h, c = np.zeros((3, 4)), np.zeros((3, 4))
    steps = [([4, 5, 6], [9, 9, 8], [True] * 3), ([9, 9, 7], [3, 5, 9], [0, 1, 0])]
    for item, following, fresh in steps:
        fresh = np.array(fresh, bool)
        h[fresh] = c[fresh] = 0
        x = vectors(model.inputs_table, item)
        if cell == "gru":
            h = numpy_gru(model.cells.cells[0], x, h)
        else:
            h, c = numpy_lstm(model.cells.cells[0], x, h, c)
        drawn = model.draw(5, 0.5)[0].numpy()
        candidates = np.concatenate([following, drawn])
        w, b = vectors(model.items_table, candidates), model.bias.numpy()[candidates]
        r = h @ w.T + b
        expected = np.mean(
            [
                numpy_loss(loss, r[k, k], r[k], candidates != following[k])
                for k in range(3)
            ]
        )
        found = model.batch_loss(batch(model, item, following, fresh), None, True)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("loss", ["cross_entropy", "bpr_max"])
def test_a_step_from_states_of_the_step_before(make, check_step, loss):
    """Every weight moves down the loss; the states before it are constants."""
    options = {"activation": "linear", "score_weight": WEIGHT, "tied": False}
    model = make(layers=(3,), dim=2, loss=loss, **options)
    model.batch_loss(batch(model, [4, 5, 6], [9, 9, 8], [True] * 3), None, True)
    before = model.lanes.variables[0].numpy().astype(np.float64)
    fresh = np.array([False, True, False])
    before[fresh] = 0
    item, following = np.array([9, 9, 7]), np.array([3, 5, 9])
    candidates = np.concatenate([following, model.draw(5, 0.5)[0].numpy()])
    cell = model.cells.cells[0]
    weights = {
        "v": model.inputs_table.embeddings,
        "w": model.items_table.embeddings,
        "b": model.bias,
        **dict(zip(("kernel", "recurrent", "bias"), cell.weights, strict=True)),
    }

    def expected(w):
        h = gru(w["kernel"], w["recurrent"], w["bias"], w["v"][item], before)
        r = h @ w["w"][candidates].T + w["b"][candidates]
        rows = [(r[k, k], r[k], candidates != following[k]) for k in range(3)]
        return np.mean([numpy_loss(loss, *row) for row in rows])

    check_step(model, (batch(model, item, following, fresh),), weights, expected)


def test_no_lane_sees_another(make):
    """Whatever the other lanes have read, lane 1 has the same states."""
    model = make(layers=(4,), cell="lstm")
    kept = []
    for others in ([4, 6], [21, 30]):
        fresh, run = [True, True, True], []
        for own in (7, 8, 9):
            item = [others[0], own, others[1]]
            model.batch_loss(batch(model, item, item[::-1], fresh), None, True)
            run.append([v.numpy() for v in model.lanes.variables])
            fresh = [own == 8, False, False]
        kept.append(run)
    for first, second in zip(*kept, strict=True):
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one[1], other[1])
            assert np.abs(one[[0, 2]] - other[[0, 2]]).min() > 0


def test_a_lane_forgets_with_its_session_and_no_gradient_flows_back(make):
    model = make(layers=(4,))
    model.batch_loss(batch(model, [4, 5], [6, 7], [True, True]), None, True)
    table = model.inputs_table.embeddings
    with tf.GradientTape() as tape:
        tape.watch(table)
        states = tf.concat(model.lanes.take(tf.constant([True, False])), axis=1)
    assert np.all(states[0] == 0) and np.abs(states[1]).max() > 0
    assert tape.gradient(states, table) is None


def test_another_number_of_lanes_starts_anew(make):
    model = make(layers=(4,))
    model.batch_loss(batch(model, [4, 5], [6, 7], [True, True]), None, True)
    states = model.lanes.take(tf.constant([False] * 3))
    np.testing.assert_array_equal(states[0], np.zeros((3, 4)))


def test_dropout_falls_in_training_alone_and_is_kept_in_the_state(make):
    model = make(layers=(50,), hidden_dropout=0.5, embedding_dropout=0.3)
    features = batch(model, [4] * 8, [6] * 8, [True] * 8)
    model.batch_loss(features, None, True)
    trained = model.lanes.variables[0].numpy()
    assert 0.4 < np.mean(trained == 0) < 0.6
    assert len(np.unique(trained, axis=0)) == 8
    model.batch_loss(features, None, False)
    tested = model.lanes.variables[0].numpy()
    assert np.all(tested != 0)
    np.testing.assert_allclose(tested, np.tile(tested[:1], (8, 1)), rtol=1e-5)


def test_negatives_are_drawn_by_popularity(make, data):
    model = make(alpha=0.5, negatives=20_000)
    drawn = model.draw(20_000, 0.5)[0].numpy()
    found = np.bincount(drawn, minlength=32) / 20_000
    expected = data.item_counts**0.5 / np.sum(data.item_counts**0.5)
    np.testing.assert_allclose(found, expected, atol=0.012)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.usefixtures("graphs")
def test_an_order_is_learned(data, loss):
    """Items go round in circles of their own: what comes next is certain."""
    spec = data.spec.select("history")
    first, users = spec.item_column.first, np.repeat(np.arange(40), 15)
    rng = np.random.default_rng(0)
    begin = np.repeat(rng.integers(0, 30, 40), 15)
    item = (begin + 7 * np.tile(np.arange(15), 40)) % 30
    columns = {
        **data.columns,
        "user_id": (users + 2).astype(np.int32),
        "movie_id": (item + first).astype(np.int32),
        "timestamp": np.arange(600),
    }
    events = type(data)(data.spec, columns, data.users, data.items).with_spec(spec)
    model = GRU4Rec(spec, layers=(32,), loss=loss, negatives=32, learning_rate=0.1)
    model.compile()
    model.fit(events.batches(model, 20), epochs=40, verbose=0)
    history = np.zeros((30, 6), np.int32)
    history[:, 0] = np.arange(30) + first
    history[:, 1] = (np.arange(30) + 7) % 30 + first
    features = {"history/index": tf.constant(history)}
    scores = model.catalogue_scores(features, model.catalogue_state()).numpy()
    assert np.mean(scores.argmax(1) == (np.arange(30) + 14) % 30) > 0.9


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layers": ()}, r"layers=\[\] must be one width or more"),
        ({"hidden_dropout": 1.0}, "hidden_dropout=1.0 must be 0 or more, and less"),
        ({"negatives": -1}, "negatives=-1 must be 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(data, config, message):
    with pytest.raises(ValueError, match=message):
        GRU4Rec(data.spec, **config)


def test_a_spec_without_history_is_refused(data):
    with pytest.raises(ValueError, match="GRU4Rec reads the session: declare Seq"):
        GRU4Rec(data.spec.select("age"))
