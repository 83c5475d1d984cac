"""Markov, SessionKNN and SessionPopularity against loops over sessions."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.features import Categorical, FeatureSpec, Sequence
from tfrec.models.baselines.markov import Markov
from tfrec.models.baselines.session_knn import SessionKNN
from tfrec.models.baselines.session_popularity import SessionPopularity

ITEMS, FIRST, LENGTH = 12, 2, 5


def sessions(seed: int = 0) -> list[list[int]]:
    """Some of one click, some with repeats; the last item never occurs."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, ITEMS - 1, rng.integers(1, 8)).tolist() for _ in range(30)]


def events(of: list[list[int]]) -> Interactions:
    """Timed clicks in random order of rows, and some of a stranger and of no item."""
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=tuple(map(str, range(len(of))))),
            Categorical("item_id", "item", vocabulary=tuple(map(str, range(ITEMS)))),
            Sequence("history", of="item_id", max_len=LENGTH),
        ),
        timestamp="time",
    )
    rows = [
        (user + FIRST, item + FIRST, 100 * user + place)
        for user, session in enumerate(of)
        for place, item in enumerate(session)
    ]
    rows += [(1, 3, 7), (1, 4, 8), (2, 1, 99)]
    rows = np.random.default_rng(5).permutation(rows)
    columns = {
        "user_id": rows[:, 0].astype(np.int32),
        "item_id": rows[:, 1].astype(np.int32),
        "time": rows[:, 2],
    }
    return Interactions(spec, columns)


QUERIES = [[3], [1, 2, 4], [5, 5, 0, 5], [], [7, -1], [11]]  # -1 is an unknown item


def fitted(model_class, **config):
    data = events(sessions())
    model = model_class(data.spec, **config)
    model.compile()
    history = model.fit(data.batches(model, 7), verbose=0).history["loss"]
    return model, history[0], data


def scores_of(model):
    table = np.zeros((len(QUERIES), LENGTH), np.int32)
    for row, query in enumerate(QUERIES):
        table[row, : len(query)] = [item + FIRST for item in query]
    features = {"history/index": tf.constant(table)}
    scores = model.catalogue_scores(features, model.catalogue_state()).numpy()
    pairs = [
        model({**features, "item_id/index": tf.fill([len(QUERIES)], item + FIRST)})
        for item in range(ITEMS)
    ]
    np.testing.assert_allclose(np.stack(pairs, 1), scores, rtol=1e-5, atol=1e-7)
    return scores


@pytest.mark.parametrize("reach", [1, 3])
def test_markov(reach):
    weight = np.zeros((ITEMS, ITEMS))
    for session in sessions():
        for x, i in enumerate(session):
            for y in range(x + 1, min(x + reach + 1, len(session))):
                weight[i, session[y]] += 1 / (y - x)
    total = weight.sum(1, keepdims=True)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    model, loss, data = fitted(Markov, reach=reach)
    expected = np.zeros((len(QUERIES), ITEMS))
    for row, query in enumerate(QUERIES):
        known = [item for item in query if item >= 0]
        if known:
            expected[row] = share[known[-1]]
    np.testing.assert_allclose(scores_of(model), expected, rtol=1e-5)
    missed = np.sum(weight * (1 - share)) / weight.sum()
    assert loss == pytest.approx(missed, rel=1e-5)
    same = model.evaluate(data.batches(model, 100), verbose=0)
    assert same == pytest.approx(missed, rel=1e-5)
    assert model.item_similarity(tf.constant([FIRST + 3])).numpy() == pytest.approx(
        share[3:4]
    )


def test_markov_keeps_the_heaviest():
    full, _, _ = fitted(Markov)
    cut, _, _ = fitted(Markov, neighbours=2)
    for whole, left in zip(scores_of(full), scores_of(cut), strict=True):
        best = np.argsort(-whole, kind="stable")[:2]
        expected = np.zeros(ITEMS)
        expected[best] = whole[best]
        np.testing.assert_allclose(left, expected, rtol=1e-6)


def test_session_knn():
    sets = [set(session) for session in sessions()]
    model, loss, _ = fitted(SessionKNN, neighbours=100)
    expected = np.zeros((len(QUERIES), ITEMS))
    for row, query in enumerate(QUERIES):
        own = {item for item in query if item >= 0}
        for other in sets:
            if own & other:
                near = len(own & other) / np.sqrt(len(own) * len(other))
                expected[row, list(other)] += near
    np.testing.assert_allclose(scores_of(model), expected, rtol=1e-5)
    assert loss == pytest.approx(np.mean([len(s) ** -0.5 for s in sets]), rel=1e-5)


def test_only_the_nearest_sessions_count():
    sets = [set(session) for session in sessions()]
    model, _, _ = fitted(SessionKNN, neighbours=3)
    found = scores_of(model)
    for row, query in enumerate(QUERIES):
        own = {item for item in query if item >= 0}
        near = np.array(
            [len(own & s) / np.sqrt(max(len(own), 1) * len(s)) for s in sets]
        )
        near = np.sort(near[near > 0])[::-1][:3]
        # Each of the nearest gives its similarity to each of its items.
        assert found[row].max() <= near.sum() + 1e-5
        if len(near) and near[-1] < 1:
            shared = [item for item in own if found[row, item] > 0]
            assert shared


def test_neighbours_are_exactly_the_nearest():
    """Sessions of different similarity, so that no tie leaves a choice."""
    data = events([[0, 1], [0, 2, 3], [0, 4, 5, 6], [0, 7, 8, 9, 10]])
    model = SessionKNN(data.spec, neighbours=2)
    model.compile()
    model.fit(data.batches(model, 64), verbose=0)
    features = {"history": tf.constant([["0", "", ""]])}
    scores = model.catalogue_scores(features, model.catalogue_state())[0].numpy()
    np.testing.assert_allclose(scores[[1, 2, 3]], [2**-0.5, 3**-0.5, 3**-0.5])
    assert scores[0] == pytest.approx(2**-0.5 + 3**-0.5)
    np.testing.assert_array_equal(scores[4:], 0)


def test_session_popularity():
    model, _, data = fitted(SessionPopularity)
    counts = np.bincount(data.item, minlength=ITEMS + FIRST)[FIRST:]
    expected = np.tile(counts / (1 + counts.sum()), (len(QUERIES), 1))
    for row, query in enumerate(QUERIES):
        for item in query:
            if item >= 0:
                expected[row, item] += 1
    np.testing.assert_allclose(scores_of(model), expected, rtol=1e-6)


@pytest.mark.parametrize("model", [Markov, SessionKNN, SessionPopularity])
def test_what_they_cannot_read_is_refused(model):
    spec = events(sessions()).spec
    with pytest.raises(ValueError, match=f"{model.__name__} reads the session: decl"):
        model(spec.select("user_id")).query_columns  # noqa: B018
    hashed = spec.replace(Categorical("item_id", "item", hash_bins=8))
    with pytest.raises(ValueError, match="'item_id' is hashed"):
        model(hashed).query_columns  # noqa: B018


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (Markov, {"reach": 0}),
        (Markov, {"neighbours": 0}),
        (SessionKNN, {"neighbours": 0}),
    ],
)
def test_numbers_below_one_are_refused(model, config):
    with pytest.raises(ValueError, match="=0 must be 1 or more"):
        model(events(sessions()).spec, **config)


def test_markov_needs_an_order():
    data = events(sessions())
    model = Markov(data.spec)
    loose = Interactions(data.spec, data.columns, ordered=False)
    with pytest.raises(ValueError, match="have no order, so nothing follows"):
        loose.batches(model, 8)
