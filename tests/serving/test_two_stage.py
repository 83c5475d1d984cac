"""Two models as one: what is shortlisted, how it is ordered, who is answered how."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import serving
from tfrec.models.baselines.popularity import Popularity
from tfrec.models.ranking.deepfm import DeepFM
from tfrec.models.ranking.gmf import GMF
from tfrec.models.retrieval.two_tower import TwoTower
from tfrec.models.retrieval.youtube_dnn import YouTubeDNN
from tfrec.serving import Request, TwoStage

USERS = ["u0", "u9", "u33"]


def trained(cls, data, *columns, **config):
    model = cls(data.spec.select(*columns), dim=4, seed=3, **config)
    model.compile()
    model.fit(data.with_spec(model.spec).batches(model, 64), epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def towers(data):
    return trained(TwoTower, data, "user_id", "movie_id")


@pytest.fixture(scope="module")
def ranker(data):
    columns = ("user_id", "age", "device", "movie_id", "genres", "year")
    return trained(DeepFM, data, *columns)


@pytest.fixture(scope="module")
def pipeline(towers, ranker):
    return TwoStage(towers, ranker, shortlist=8)


def features(users, n=1):
    return {"user_id": users * n, "device": ["phone"] * len(users) * n}


def expected(towers, ranker, data, user, exclude, k=4):
    """The shortlist of the first model, in the order of the second."""
    first = towers.recommend({"user_id": [user]}, 8, [exclude], drop_seen=False)
    shortlist = first.item_id[0].tolist()
    rows = data.spec.encode("movie_id", shortlist)
    number = data.spec.encode("user_id", [user])
    pairs = {
        "user_id": tf.constant([user] * 8),
        "device": tf.constant(["phone"] * 8),
        "age/index": tf.constant(np.repeat(data.users["age"][number], 8)),
        "movie_id": tf.constant(shortlist),
        "genres/index": tf.constant(data.items["genres"][rows]),
        "year": tf.constant(data.items["year"][rows]),
    }
    scores = ranker(pairs).numpy()
    order = np.argsort(-scores, kind="stable")[:k]
    return [shortlist[i] for i in order], scores[order]


def test_the_ranking_model_orders_the_shortlist(pipeline, towers, ranker, data):
    unwanted = ["m0", "m29", "m5"]
    answer = pipeline.recommend(
        features(USERS), 4, exclude=[unwanted] * 3, drop_seen=False
    )
    for row, user in enumerate(USERS):
        items, scores = expected(towers, ranker, data, user, unwanted)
        assert answer.item_id[row].tolist() == items
        np.testing.assert_allclose(answer.score[row], scores, rtol=1e-5)


def test_more_items_than_the_shortlist_holds_make_it_longer(pipeline, towers):
    assert pipeline.config.shortlist == 8
    answer = pipeline.recommend(features(USERS), 12, drop_seen=False)
    first = towers.recommend({"user_id": USERS}, 12, drop_seen=False)
    for own, short in zip(answer.item_id, first.item_id, strict=True):
        assert sorted(own) == sorted(short)
    assert (np.diff(answer.score, axis=1) <= 0).all()


def test_a_shortlist_of_everything_is_the_ranking_model(towers, ranker):
    whole = TwoStage(towers, ranker, shortlist=1000)
    one = whole.recommend(features(USERS), 30, drop_seen=False)
    other = ranker.recommend(features(USERS), 30, drop_seen=False)
    np.testing.assert_array_equal(one.item_id, other.item_id)
    np.testing.assert_allclose(one.score, other.score, rtol=1e-5)


def test_the_export_answers_as_the_model_does(pipeline, tmp_path, data, fresh_process):
    pipeline.export(tmp_path)
    asked = features(USERS, 2)
    known = data.users["age"][data.spec.encode("user_id", asked["user_id"])]
    ages = data.spec.decode("age", known)
    ages[known == 1] = 99
    lists = {"exclude": [["m1"]] * 6, "candidates": [[], ["m3", "m4", "m1"]] * 3}
    served = serving.load(tmp_path)
    answer = served.recommend({**asked, "age": ages}, 5, **lists)
    own = pipeline.recommend(asked, 5, **lists, drop_seen=False)
    np.testing.assert_array_equal(answer.item_id, own.item_id)
    np.testing.assert_allclose(answer.score, own.score, rtol=1e-5)
    assert set(answer.item_id[1]) == {"m3", "m4", ""}
    (alone,) = fresh_process.answers(
        [Request(tmp_path, {**asked, "age": ages.tolist(), "k": 5})]
    )
    everything = served.recommend({**asked, "age": ages}, 5)
    assert alone["item_id"] == everything.item_id.tolist()


def test_who_is_new_to_both_is_answered_by_popularity(towers, data):
    pipeline = TwoStage(towers, trained(GMF, data, "user_id", "movie_id"), shortlist=8)
    with pytest.warns(UserWarning, match="1 of 2 queries"):
        answer = pipeline.recommend({"user_id": ["u1", "nobody"]}, 3)
    assert answer.cold.tolist() == [False, True]
    counts = data.item_counts[data.spec.item_column.first :]
    popular = np.argsort(-counts, kind="stable")[:3]
    assert answer.item_id[1].tolist() == [f"m{i}" for i in popular]


def test_who_is_new_to_the_first_gets_what_is_popular_ranked(pipeline, ranker, data):
    """The age and the device say something of somebody who has taken nothing."""
    asked = {"user_id": ["nobody"], "age": [25], "device": ["phone"]}
    answer = pipeline.recommend(asked, 8)
    assert not answer.cold[0]
    counts = data.item_counts[data.spec.item_column.first :]
    popular = {f"m{i}" for i in np.argsort(-counts, kind="stable")[:8]}
    assert set(answer.item_id[0]) == popular
    order = ranker.recommend(asked, 30).item_id[0].tolist()
    assert answer.item_id[0].tolist() == [item for item in order if item in popular]


def test_histories_go_through_both(data, ranker, tmp_path):
    sequence = trained(YouTubeDNN, data, "user_id", "movie_id", "history", layers=(8,))
    pipeline = TwoStage(sequence, ranker, shortlist=8)
    assert set(pipeline.query_columns) == {"user_id", "age", "device", "history"}
    own = pipeline.recommend(features(USERS), 3, drop_seen=False)
    short = sequence.recommend({"user_id": USERS}, 8, drop_seen=False)
    for row in range(3):
        assert set(own.item_id[row]) < set(short.item_id[row])


def test_models_that_cannot_be_joined(towers, ranker, data):
    fresh = TwoTower(data.spec.select("user_id", "movie_id"), dim=4)
    with pytest.raises(ValueError, match="TwoTower has met no data"):
        TwoStage(fresh, ranker)
    popular = Popularity(data.spec.select("user_id", "movie_id"))
    popular.adapt(data.with_spec(popular.spec))
    with pytest.raises(ValueError, match="Popularity scores no pairs"):
        TwoStage(towers, popular)
    with pytest.raises(ValueError, match="shortlist=0 ranks nothing"):
        TwoStage(towers, ranker, shortlist=0)
    with pytest.raises(ValueError, match=r"join them again with TwoStage"):
        TwoStage(towers, ranker).save("both.keras")


def test_models_of_different_columns_are_refused(towers, small_other, data):
    with pytest.raises(ValueError, match="declare column 'movie_id' differently"):
        TwoStage(towers, small_other)


@pytest.fixture
def small_other(data):
    """A model that was trained on fewer items."""
    item = data.spec.item_column
    fewer = type(item)(item.name, item.side, vocabulary=item.vocabulary[:-1])
    spec = data.spec.select("user_id", "movie_id").replace(fewer)
    model = GMF(spec, dim=4)
    model.catalogue.arrays = {"counts": np.ones(fewer.size, np.float32)}
    return model
