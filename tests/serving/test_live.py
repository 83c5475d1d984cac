"""A live session: each item a step from the state that the last answer gave."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import serving
from tfrec.models.sequential.gru4rec import GRU4Rec
from tfrec.models.sequential.recurrent_recommender_network import (
    RecurrentRecommenderNetwork,
)
from tfrec.serving.live import fingerprint


@pytest.fixture(scope="module")
def model(data):
    model = GRU4Rec(data.spec.select("history"), layers=(12, 8), negatives=16)
    model.compile()
    events = data.with_spec(model.spec)
    model.fit(events.batches(model, 20), epochs=4, verbose=0)
    return model


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "gru4rec"
    model.export(path)
    return serving.load(path)


def step(served, items, state, version="", k=5, exclude=None):
    n = len(items)
    return served.signatures["advance"](
        movie_id=tf.constant(items),
        session_state=tf.constant(state, tf.float32),
        session_version=tf.constant(version),
        k=tf.constant(k),
        exclude=tf.constant(exclude or [[""]] * n),
    )


def run(served, sessions, **options):
    state, version = np.zeros((len(sessions), 0)), ""
    for items in zip(*sessions, strict=True):
        answer = step(served, list(items), state, version, **options)
        state, version = answer["session_state"], answer["session_version"].numpy()
    return answer


def ids(answer):
    return [[i.decode() for i in row] for row in answer["item_id"].numpy()]


SESSIONS = [["m3", "m5", "m9", "m1"], ["m20", "m7", "m7", "m28"]]


def test_steps_answer_as_the_whole_session_does(served):
    whole = served.recommend({"history": SESSIONS}, k=5)
    answer = run(served, SESSIONS)
    assert ids(answer) == whole.item_id.tolist()
    np.testing.assert_allclose(answer["score"], whole.score, rtol=1e-4)
    assert not answer["cold"].numpy().any()


def test_the_order_of_a_session_is_respected(served):
    backwards = [session[::-1] for session in SESSIONS]
    there, back = (run(served, s)["score"].numpy() for s in (SESSIONS, backwards))
    assert np.abs(there - back).max() > 1e-3


def test_an_item_unseen_at_training_changes_nothing(served):
    strange = [[*s[:2], "never seen", *s[2:]] for s in SESSIONS]
    answer, plain = run(served, strange), run(served, SESSIONS)
    np.testing.assert_array_equal(answer["session_state"], plain["session_state"])
    whole = served.recommend({"history": strange}, k=5)
    assert whole.item_id.tolist() == ids(plain)


def test_a_session_of_no_known_item_is_answered_by_popularity(served, data):
    answer = run(served, [["what", "is"], ["m3", "m4"]], k=3)
    assert answer["cold"].numpy().tolist() == [True, False]
    column = data.spec.item_column
    best = np.argsort(-data.item_counts[column.first :], kind="stable")[:3]
    assert ids(answer)[0] == [column.vocabulary[n] for n in best]


def test_what_is_excluded_does_not_come_back(served):
    free = ids(run(served, SESSIONS))
    exclude = [row[:2] for row in free]
    left = ids(run(served, SESSIONS, k=3, exclude=exclude))
    assert left == [row[2:] for row in free]


def test_a_state_of_another_model_is_refused(served, model, data, tmp_path):
    other = GRU4Rec(model.spec, model.config, seed=1)
    other.adapt(data.with_spec(model.spec))
    other.export(tmp_path / "other")
    theirs = run(serving.load(tmp_path / "other"), SESSIONS)
    ours = run(served, SESSIONS)
    assert theirs["session_state"].shape == ours["session_state"].shape
    assert theirs["session_version"] != ours["session_version"]
    state, version = theirs["session_state"], theirs["session_version"].numpy()
    with pytest.raises(tf.errors.InvalidArgumentError, match="is of another model"):
        step(served, ["m1", "m2"], state, version)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is of another model"):
        step(served, ["m1", "m2"], state, "")


def test_a_model_that_trains_on_has_another_version(model):
    version, weights = fingerprint(model), model.get_weights()
    model.set_weights([values + 0.001 for values in weights])
    assert fingerprint(model) != version
    model.set_weights(weights)
    assert fingerprint(model) == version


def test_the_same_model_exported_again_takes_over_its_states(served, model, tmp_path):
    model.export(tmp_path / "again")
    begun = run(served, [s[:2] for s in SESSIONS])
    version = begun["session_version"].numpy()
    again = serving.load(tmp_path / "again")
    rest = [s[2] for s in SESSIONS]
    one = step(again, rest, begun["session_state"], version)
    other = step(served, rest, begun["session_state"], version)
    np.testing.assert_array_equal(one["score"], other["score"])


@pytest.mark.parametrize(
    ("state", "k", "message"),
    [
        (np.zeros((2, 7)), 5, "session_state is not 20 wide"),
        (np.zeros((3, 0)), 5, "need one row for each item"),
        (np.zeros((2, 0)), 0, "k is not between 1 and the 30 items"),
    ],
)
def test_what_does_not_fit_is_refused(served, state, k, message):
    version = run(served, SESSIONS)["session_version"].numpy()
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        step(served, ["m1", "m2"], state, version, k)


@pytest.fixture(scope="module")
def observer(data, tmp_path_factory):
    model = RecurrentRecommenderNetwork(data.spec, units=4)
    model.adapt(data)
    path = tmp_path_factory.mktemp("live") / "rrn"
    model.export(path)
    return serving.load(path).signatures["observe"]


def rated(observer, data, users, items, k, exclude):
    ratings = np.where(np.array(items) == "", 0, 5).astype(np.float32)
    return observer(
        user_id=tf.constant(users),
        movie_id=tf.constant(items),
        ratings=tf.constant(ratings),
        seconds=tf.constant([data.seconds.max()] * len(users), tf.int64),
        k=tf.constant(k),
        exclude=tf.constant(exclude),
    )


def test_a_stranger_of_one_rating_is_cold_no_more(observer, data):
    items = [["m3", ""], ["", ""], ["never seen", ""]]
    users, nothing = ["nobody", "no one", "none"], [[""]] * 3
    answer = rated(observer, data, users, items, 3, nothing)
    assert answer["cold"].numpy().tolist() == [False, True, True]


def test_what_is_excluded_does_not_come_back_after_ratings(observer, data):
    users, items = ["u1", "nobody"], [["m3"], [""]]
    free = ids(rated(observer, data, users, items, 5, [[""]] * 2))
    exclude = [row[:2] for row in free]
    assert ids(rated(observer, data, users, items, 3, exclude)) == [r[2:] for r in free]
