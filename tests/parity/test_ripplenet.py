"""RippleNet: Wang et al. 2018, equations 2 to 7 and 13."""

import numpy as np
import pytest
import tensorflow as tf
from knowledge import (
    BATCH,
    ITEM,
    LABEL,
    USER,
    joined,
    log_loss,
    softmax,
    with_graph,
)

from tfrec.data.knowledge import KnowledgeGraph
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
            assert leads  # of hops that nothing leads to, see the tests below
            assert {h for h, _, _ in found} <= seeds
            assert len(found) >= min(16, len(leads)) // (1 if hop == 0 else 4)
            seeds = set(tails[user, hop])
    assert not heads[:2].any()


# Items lead to entities, and few of those lead on: nothing leads away from e0, e1 and
# e3, while e4 leads to itself.
E = 32  # the first entity, after the 30 items
TRIPLES = [
    *[(2, 0, E), (2, 1, E + 1)],
    *[(3, 0, E + 2), (E + 2, 1, E + 3)],
    *[(4, 1, E + 4), (E + 4, 0, E + 4)],
]
TAKEN = {2: {2}, 3: {3}, 4: {2, 3}, 5: {4}, 6: {9}}


@pytest.fixture(scope="module")
def ending(data):
    """Users of one or two items, with the triples above."""
    pairs = [(user, item) for user, items in TAKEN.items() for item in items]
    few = data.take(np.arange(len(pairs)))
    few.columns["user_id"], few.columns["movie_id"] = np.array(pairs, np.int32).T
    head, kind, tail = np.array(TRIPLES, np.int32).T
    entities = tuple(f"e{number}" for number in range(5))
    return joined(few, KnowledgeGraph(head, kind, tail, entities, ("r0", "r1")))


def ripples(user: int, hops: int) -> list[list[tuple[int, int, int]]]:
    """Triples of each hop; a hop that nothing leads to repeats the one before."""
    reached, found = TAKEN[user], []
    for _ in range(hops):
        leads = [triple for triple in TRIPLES if triple[0] in reached]
        found.append(leads or found[-1])
        reached = {tail for _, _, tail in found[-1]}
    return found


def answer(w: Weights, user: int, item: int, hops: int) -> float:
    """Equations 4 to 7 over the triples themselves, not over what is drawn of them.

    Six memories hold one, two or three triples equally often, and so a softmax over
    them gives each triple the share that a softmax over the triples gives it.
    """
    own, total = w["e"][item], np.zeros(3)
    for triples in ripples(user, hops):
        powers = [
            np.exp(own @ w["r"][kind].reshape(3, 3) @ w["e"][head])
            for head, kind, _ in triples
        ]
        tails = np.array([w["e"][tail] for _, _, tail in triples])
        own = np.array(powers) @ tails / np.sum(powers)
        total = total + own
    return total @ w["e"][item]


@pytest.mark.parametrize("hops", [2, 3])
def test_a_hop_that_nothing_leads_to_repeats_the_one_before(ending, randomise, hops):
    model = built(ending, randomise, hops=hops, memories=6)
    assert ripples(2, 2)[1] == ripples(2, 2)[0]  # from the first hop on
    assert ripples(3, 2)[1] != ripples(3, 2)[0]
    assert ripples(3, 3)[2] == ripples(3, 3)[1]  # from the second hop on
    w = values(model)
    for user in (2, 3, 4, 5):
        pairs = {
            "user_id/index": tf.fill([30], user),
            "movie_id/index": tf.range(2, 32),
        }
        expected = [answer(w, user, item, hops) for item in range(2, 32)]
        np.testing.assert_allclose(model(pairs), expected, rtol=1e-4, atol=1e-5)
    stranger = {"user_id/index": tf.constant([6]), "movie_id/index": tf.constant([9])}
    assert float(model(stranger)[0]) == 0.0


def test_the_step_of_a_hop_that_is_repeated(ending, randomise, check_step):
    """A repeated hop has its share in the penalty of the triples, too."""
    model = built(ending, randomise, hops=2, memories=6, kge_weight=0.3, negatives=0)
    user, item = np.array([2, 3, 4, 5, 2]), np.array([3, 3, 30, 9, 31])
    batch = {
        "user_id/index": tf.constant(user, tf.int32),
        "movie_id/index": tf.constant(item, tf.int32),
    }

    def plausible(w: Weights, triple: tuple[int, int, int]) -> float:
        head, kind, tail = triple
        x = w["e"][head] @ w["r"][kind].reshape(3, 3) @ w["e"][tail]
        return 1 / (1 + np.exp(-x))

    def loss(w: Weights) -> float:
        pairs = zip(user, item, strict=True)
        logit = np.array([answer(w, u, i, hops=2) for u, i in pairs])
        kge = sum(
            np.mean([plausible(w, triple) for triple in triples])
            for u in user
            for triples in ripples(u, 2)
        )
        return log_loss(logit, LABEL) - 0.3 * kge / len(user)

    check_step(model, (batch, tf.constant(LABEL)), weights(model), loss)


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
