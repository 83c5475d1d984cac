"""The users for an item, against cosines in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import serving
from tfrec.models.retrieval.two_tower import TwoTower
from tfrec.models.retrieval.youtube_dnn import YouTubeDNN
from tfrec.serving import Request


def trained(cls, data, *columns, **config):
    model = cls(data.spec.select(*columns), dim=4, seed=3, **config)
    model.compile()
    model.fit(data.with_spec(model.spec).batches(model, 64), epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def towers(data):
    return trained(TwoTower, data, "user_id", "age", "history", "movie_id", "genres")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosines(model, data, items):
    """``(items, users)`` of the data's users as the training data shows them."""
    users = np.unique(data.user)
    encoded = data.queries(users, model.query_columns)
    rows = data.spec.encode("movie_id", items)
    columns = {"movie_id/index": rows, "genres/index": data.items["genres"][rows]}
    query = unit(model.query_embedding(encoded).numpy())
    item = unit(model.item_embedding(columns).numpy())
    return data.spec.decode("user_id", users), item @ query.T


def test_the_nearest_users_of_known_items(towers, data):
    items = ["m2", "m17"]
    users, scores = cosines(towers, data, items)
    answer = towers.audience({"movie_id": items}, k=7)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    np.testing.assert_array_equal(answer.user_id, users[order])
    expected = np.take_along_axis(scores, order, axis=1)
    np.testing.assert_allclose(answer.score, expected, rtol=1e-4, atol=1e-6)


def test_an_item_that_is_new_is_told_by_its_columns(towers, data):
    genre = data.spec["genres"].vocabulary[0]
    new = {"movie_id": ["an advertisement"], "genres": [[genre]]}
    users = towers.audience(new, k=40).user_id[0]
    assert sorted(users) == sorted(set(data.raw("user_id")))


def test_the_export_answers_the_same(towers, data, tmp_path, fresh_process):
    towers.export(tmp_path, audience=True)
    rows = data.spec.encode("movie_id", ["m2", "m17"])
    genres = data.spec.decode("genres", data.items["genres"][rows]).tolist()
    asked = {"movie_id": ["m2", "m17"], "genres": genres}
    own = towers.audience({"movie_id": ["m2", "m17"]}, k=5)
    served = serving.load(tmp_path).audience(asked, k=5)
    np.testing.assert_array_equal(served.user_id, own.user_id)
    np.testing.assert_allclose(served.score, own.score, rtol=1e-5)
    (alone,) = fresh_process.answers([Request(tmp_path, {**asked, "k": 5}, "audience")])
    assert alone["user_id"] == own.user_id.tolist()
    with pytest.raises(tf.errors.InvalidArgumentError, match="the 40 users"):
        serving.load(tmp_path).audience(asked, k=41)


def test_who_has_taken_nothing_is_in_no_audience(data):
    spec = data.spec.select("user_id", "movie_id")
    some = data.take(np.flatnonzero(data.raw("user_id") != "u7")).with_spec(spec)
    model = TwoTower(spec, dim=4)
    model.adapt(some)
    answer = model.audience({"movie_id": ["m2"]}, k=39)
    assert "u7" not in answer.user_id
    with pytest.raises(ValueError, match=r"k=2\.5 is no whole number"):
        model.audience({"movie_id": ["m2"]}, k=2.5)
    with pytest.raises(ValueError, match=r"k=2\.5 is no whole number"):
        model.recommend({"user_id": ["u7"]}, k=2.5)
    with pytest.raises(ValueError, match=r"k=40 is not between 1 and the 39 users"):
        model.audience({"movie_id": ["m2"]}, k=40)


def test_audiences_that_cannot_be(towers, two_tower, neumf, data, tmp_path):
    with pytest.raises(ValueError, match=r"which is not given: pass features\['mov"):
        towers.audience({"genres": [["Drama"]]})
    with pytest.raises(ValueError, match=r"reads column 'device', .* pass features"):
        two_tower.model.audience({"movie_id": ["m1"]})
    with pytest.raises(ValueError, match="NeuMF has no vectors of users and items"):
        neumf.model.export(tmp_path, audience=True)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="exported without its users"):
        two_tower.served.audience({"movie_id": ["m1"]})


def test_models_that_read_histories_alone_have_audiences(data):
    model = trained(YouTubeDNN, data, "movie_id", "history", layers=(8,))
    answer = model.audience({"movie_id": ["m2"]}, k=3)
    users = np.unique(data.user)
    query = unit(model.query_embedding(data.queries(users, ("history",))).numpy())
    rows = data.spec.encode("movie_id", ["m2"])
    item = unit(model.item_embedding({"movie_id/index": rows}).numpy())
    order = np.argsort(-(item @ query.T)[0], kind="stable")[:3]
    expected = data.spec.decode("user_id", users[order])
    assert answer.user_id[0].tolist() == expected.tolist()
