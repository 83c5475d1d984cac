"""RippleNet: Wang et al. 2018, equations 2 to 7 and 13."""

import numpy as np
import pytest
import tensorflow as tf
from knowledge import BATCH, ITEM, LABEL, USER, log_loss, softmax, with_graph

from tfrec.models.graph.ripplenet import RippleNet

Weights = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def known(data):
    return with_graph(data)


def built(known, randomise, **config) -> RippleNet:
    config = {"dim": 3, "memories": 4, "l2": 0.0, "kge_weight": 0.0, **config}
    model = RippleNet(known.spec, **config)
    model.adapt(known)
    randomise(model)
    return model


def weights(model: RippleNet) -> dict[str, tf.Variable]:
    found = {
        "e": model.node_table.embeddings,
        "r": model.relation_table.embeddings,
    }
    if model.transform is not None:
        found["w"] = model.transform.kernel
    return found


def values(model: RippleNet) -> Weights:
    return {name: v.numpy().astype(float) for name, v in weights(model).items()}


def logit(w: Weights, model: RippleNet, user: int, item: int) -> float:
    """Equations 4 to 7 for one pair."""
    heads, kinds, tails = (
        v.numpy()[user] for v in (model.heads, model.kinds, model.tails)
    )
    matrices = w["r"].reshape(-1, 3, 3)
    own, target, answers = w["e"][item], w["e"][item], []
    for hop in range(model.config.hops):
        moved = np.einsum("nij,nj->ni", matrices[kinds[hop]], w["e"][heads[hop]])
        share = softmax(moved @ own, heads[hop] > 0)
        answers.append(share @ w["e"][tails[hop]])
        if "w" in w:
            own = target = (own + answers[-1]) @ w["w"]
        else:
            own = answers[-1]
    return float(sum(answers) @ target)


def logits(w: Weights, model: RippleNet) -> np.ndarray:
    return np.array([logit(w, model, u, i) for u, i in zip(USER, ITEM, strict=True)])


@pytest.mark.parametrize("update", ["replace", "transform"])
@pytest.mark.parametrize("hops", [1, 3])
def test_equations_4_to_7(known, randomise, hops, update):
    model = built(known, randomise, hops=hops, item_update=update)
    expected = logits(values(model), model)
    np.testing.assert_allclose(model(BATCH), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("update", ["replace", "transform"])
def test_the_loss_and_its_step(known, randomise, check_step, update):
    model = built(
        known, randomise, item_update=update, l2=0.02, kge_weight=0.3, negatives=0
    )
    heads, kinds, tails = (
        v.numpy()[USER] for v in (model.heads, model.kinds, model.tails)
    )
    assert (heads > 0).all()

    def loss(w: Weights) -> float:
        matrices = w["r"].reshape(-1, 3, 3)[kinds]
        head, tail = w["e"][heads], w["e"][tails]
        plausible = np.einsum("bhni,bhnij,bhnj->bhn", head, matrices, tail)
        kge = np.sum(np.mean(1 / (1 + np.exp(-plausible)), axis=(0, 2)))
        rows = w["e"][ITEM], head, tail
        squares = sum(np.sum(r**2) for r in rows) / len(ITEM) + np.sum(w["r"] ** 2)
        return log_loss(logits(w, model), LABEL) - 0.3 * kge + 0.02 / 2 * squares

    check_step(model, (BATCH, tf.constant(LABEL)), weights(model), loss)


def test_ripples_start_from_what_the_user_took_and_follow_the_triples(known):
    model = RippleNet(known.spec, hops=3, memories=16)
    model.adapt(known)
    heads, kinds, tails = (v.numpy() for v in (model.heads, model.kinds, model.tails))
    graph = known.graph
    triples = set(zip(graph.head, graph.relation, graph.tail, strict=True))
    for user in range(2, 42):
        seeds = set(known.item[known.user == user])
        for hop in range(3):
            found = set(
                zip(*(p[user, hop] for p in (heads, kinds, tails)), strict=True)
            )
            assert found <= triples
            leads = {t for t in triples if t[0] in seeds}
            if leads:
                assert {h for h, _, _ in found} <= seeds
                assert len(found) >= min(16, len(leads)) // (1 if hop == 0 else 4)
            else:  # the hop before comes again
                np.testing.assert_array_equal(tails[user, hop], tails[user, hop - 1])
            seeds = set(tails[user, hop])
    assert not heads[:2].any()


def test_a_user_of_whom_the_graph_knows_nothing_scores_nothing(known, randomise):
    model = built(known, randomise)
    pair = {"user_id": tf.constant(["nobody"]), "movie_id": tf.constant(["m3"])}
    assert float(model(pair)[0]) == 0.0


def test_ten_thousand_relations(data):
    known = with_graph(data, 10_000)
    model = RippleNet(known.spec, dim=8)
    model.compile(run_eagerly=True)
    history = model.fit(known.batches(model, 4096), verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("field", ["hops", "memories"])
def test_a_size_below_1_is_refused(data, field):
    with pytest.raises(ValueError, match=f"{field}=0 must be 1 or more"):
        RippleNet(data.spec, **{field: 0})
