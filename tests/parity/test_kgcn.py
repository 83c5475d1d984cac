"""KGCN: Wang et al. 2019, equations 1 to 6 and 10; KGNN-LS, equations 6 to 9."""

import numpy as np
import pytest
import tensorflow as tf
from knowledge import BATCH, ITEM, LABEL, USER, log_loss, softmax, with_graph

from tfrec.data.views import Pairs
from tfrec.models.graph.kgcn import KGCN

Weights = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def known(data):
    return with_graph(data)


def built(known, randomise, **config) -> KGCN:
    config = {"dim": 3, "neighbours": 2, "l2": 0.0, **config}
    model = KGCN(known.spec, **config)
    model.adapt(known)
    randomise(model)
    return model


def weights(model: KGCN) -> dict[str, tf.Variable]:
    found = {
        "u": model.user_table.embeddings,
        "e": model.node_table.embeddings,
        "r": model.relation_table.embeddings,
    }
    for hop, dense in enumerate(model.aggregators):
        found[f"w{hop}"], found[f"b{hop}"] = dense.kernel, dense.bias
    return found


def attention(w: Weights, model: KGCN, user: int, node: int) -> np.ndarray:
    kinds, tails = model.kinds.numpy()[node], model.tails.numpy()[node]
    return softmax(w["r"][kinds] @ w["u"][user], tails > 0)


def vector(w: Weights, model: KGCN, user: int, node: int, depth: int) -> np.ndarray:
    """The entity after ``depth`` rounds, by recursion on equations 1 to 6."""
    if depth == 0:
        return w["e"][node]
    own = vector(w, model, user, node, depth - 1)
    tails = model.tails.numpy()[node]
    around = [vector(w, model, user, tail, depth - 1) for tail in tails]
    near = attention(w, model, user, node) @ np.array(around)
    joined = {"sum": own + near, "concat": np.append(own, near), "neighbour": near}
    value = joined[model.config.aggregator] @ w[f"w{depth - 1}"] + w[f"b{depth - 1}"]
    last = depth == model.config.hops
    return np.tanh(value) if last else np.maximum(value, 0)


def logits(w: Weights, model: KGCN) -> np.ndarray:
    hops = model.config.hops
    pairs = zip(USER, ITEM, strict=True)
    return np.array([w["u"][u] @ vector(w, model, u, i, hops) for u, i in pairs])


def values(model: KGCN) -> Weights:
    return {name: v.numpy().astype(float) for name, v in weights(model).items()}


@pytest.mark.parametrize(
    "hops, aggregator", [(1, "sum"), (2, "sum"), (2, "concat"), (2, "neighbour")]
)
def test_equations_1_to_6(known, randomise, hops, aggregator):
    model = built(known, randomise, hops=hops, aggregator=aggregator)
    expected = logits(values(model), model)
    np.testing.assert_allclose(model(BATCH), expected, rtol=1e-4, atol=1e-5)


def test_log_loss_and_its_step(known, randomise, check_step):
    model = built(known, randomise, hops=2, negatives=0, l2=0.05)
    tails = model.tails.numpy()

    def loss(w: Weights) -> float:
        level, rows = ITEM[:, None], [w["u"][USER], w["e"][ITEM]]
        for _ in range(2):
            rows.append(w["r"][model.kinds.numpy()[level]])
            level = tails[level].reshape(len(ITEM), -1)
            rows.append(w["e"][level])
        squares = sum(np.sum(r**2) for r in rows) / len(ITEM)
        return log_loss(logits(w, model), LABEL) + 0.05 / 2 * squares

    check_step(model, (BATCH, tf.constant(LABEL)), weights(model), loss)


def test_labels_spread_to_the_item(known, randomise, check_step):
    """From items at what the user took, entities at the rim at a half."""
    model = built(known, randomise, hops=2, label_smoothness=0.7)
    taken = set(zip(known.user.tolist(), known.item.tolist(), strict=True))
    size, first = known.spec.item_column.size, known.spec.item_column.first

    def label(w: Weights, user: int, node: int, item: int, depth: int) -> float:
        if first <= node < size and node != item:
            return float((user, node) in taken)
        if depth == 0:
            return 0.5
        tails = model.tails.numpy()[node]
        around = [label(w, user, tail, item, depth - 1) for tail in tails]
        return attention(w, model, user, node) @ np.array(around)

    def loss(w: Weights) -> float:
        smooth = 0.0
        for user, item in zip(USER, ITEM, strict=True):
            if model.tails.numpy()[item].any():
                found = np.clip(label(w, user, item, item, 2), 1e-7, 1 - 1e-7)
                own = (user, item) in taken
                smooth -= np.log(found if own else 1 - found)
        return log_loss(logits(w, model), LABEL) + 0.7 * smooth / len(ITEM)

    check_step(model, (BATCH, tf.constant(LABEL)), weights(model), loss)


def test_an_item_without_triples_hears_nothing(known, randomise):
    model = built(known, randomise)
    assert not model.tails.numpy()[31].any()
    w, pair = values(model), {k: v[-1:] for k, v in BATCH.items()}
    alone = np.tanh(w["e"][31] @ w["w0"] + w["b0"])
    np.testing.assert_allclose(model(pair), [w["u"][17] @ alone], rtol=1e-4)


@pytest.mark.parametrize("relations", [10, 10_000])
def test_few_relations_and_many(data, relations):
    known = with_graph(data, relations)
    model = KGCN(known.spec)
    model.compile(run_eagerly=True)
    history = model.fit(known.batches(model, 4096), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model.relation_table.input_dim == relations


def test_the_view_is_labels_or_drawn_negatives(data):
    assert KGCN(data.spec).view() == Pairs(4, binary=True)
    assert KGCN(data.spec, negatives=0).view() == Pairs(0, binary=True)


@pytest.mark.parametrize(
    "wrong, why",
    [
        ({"hops": 0}, "hops=0 must be 1 or more"),
        ({"neighbours": 0}, "neighbours=0 must be 1 or more"),
        (
            {"label_smoothness": 1.0, "negatives": 0},
            "label_smoothness=1.0 takes events",
        ),
    ],
)
def test_what_makes_no_model_is_refused(data, wrong, why):
    with pytest.raises(ValueError, match=why):
        KGCN(data.spec, **wrong)
