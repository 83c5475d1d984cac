"""A model that answers through an index, in Python and exported."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import serving
from tfrec.evaluation import Evaluator, FullRanking
from tfrec.indexes import Exact, Indexed
from tfrec.models.ranking.deepfm import DeepFM
from tfrec.models.retrieval.two_tower import TwoTower
from tfrec.models.retrieval.youtube_dnn import YouTubeDNN

USERS = ["u0", "u9", "u33"]


@pytest.fixture(scope="module")
def model(data):
    model = TwoTower(data.spec, dim=8, seed=3)
    model.compile()
    model.fit(data.batches(model, 64), epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def indexed(model):
    return Indexed(model, Exact(block=7))


@pytest.fixture(scope="module")
def by_id(data):
    """A model that reads the two ids alone."""
    narrow = data.spec.select("user_id", "movie_id")
    model = TwoTower(narrow, dim=4)
    model.adapt(data.with_spec(narrow))
    return model


def features(users):
    return {"user_id": users, "device": ["phone"] * len(users)}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"exclude": [["m1", "m2"], [], ["m3"]]},
        {"candidates": [["m1", "m2", "m9", "m20"], [], ["m3"]]},
        {"within": [["genres=drama"], [], ["genres=horror", "genres=comedy"]]},
    ],
)
def test_it_answers_as_the_model(model, indexed, asked):
    expected = model.recommend(features(USERS), 5, **asked)
    found = indexed.recommend(features(USERS), 5, **asked)
    assert found.item_id.tolist() == expected.item_id.tolist()
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)


def test_a_stranger_gets_what_is_popular(data, by_id):
    with pytest.warns(UserWarning, match="nothing is known of 1 of 2 queries"):
        users = {"user_id": ["nobody", "u0"]}
        found = Indexed(by_id, Exact(block=4)).recommend(users, 3)
    counts = data.item_counts
    assert found.cold.tolist() == [True, False]
    best = np.sort(counts)[::-1][:3]
    numbers = data.spec.encode("movie_id", found.item_id[0])
    assert counts[numbers].tolist() == best.tolist()


def test_it_is_evaluated_by_its_search(data, model, indexed):
    _, _, test = data.split("leave_last_out")
    found = Evaluator(test, FullRanking(5)).evaluate(indexed)
    assert found.metrics == pytest.approx(
        Evaluator(test, FullRanking(5)).evaluate(model).metrics
    )


def test_the_same_items_are_similar(model, indexed):
    expected = model.similar_items(["m3", "m4"], 4)
    found = indexed.similar_items(["m3", "m4"], 4)
    assert found.item_id.tolist() == expected.item_id.tolist()


def test_the_export_searches_and_writes_its_vectors_once(by_id, tmp_path):
    indexed, users = Indexed(by_id, Exact(block=7)), {"user_id": USERS}
    version = indexed.export(tmp_path / "indexed")
    served = serving.load(version)
    expected = by_id.recommend(users, 6, [["m1"]] * 3, drop_seen=False)
    found = served.recommend(users, 6, [["m1"]] * 3)
    assert found.item_id.tolist() == expected.item_id.tolist()
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)
    pairs = {
        "user_id": tf.constant(["u0", "u9", "u0"]),
        "movie_id": tf.constant(["m1", "m7", "rocket"]),
    }
    scores = served.signatures["score"](**pairs)["score"]
    np.testing.assert_allclose(scores, [*by_id(pairs)[:2], 0.0], rtol=1e-5)
    shape = list(indexed.index.vectors.shape)
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    kept = [k for k, s in reader.get_variable_to_shape_map().items() if s == shape]
    assert len(kept) == 1


def test_recall_of_a_whole_search_is_one(indexed):
    assert indexed.recall(features(USERS), 10) == 1


def test_recall_counts_what_is_missed(model):
    class Half(Exact):
        """Knows every other item only."""

        def fit(self, vectors):
            hidden = np.arange(len(vectors))[:, None] % 2 == 0
            super().fit(tf.where(hidden, -10 * tf.abs(vectors), vectors))

    found = Indexed(model, Half()).recall(features(USERS), 10)
    assert 0 < found < 1


def test_recall_leaves_out_what_popularity_answers(by_id):
    class Blind(Exact):
        """Sees the last items alone, of which nobody asks for the best."""

        def search(self, queries, wanted, first):
            return super().search(-queries, wanted, first)

    blind = Indexed(by_id, Blind())
    known = blind.recall({"user_id": ["u0", "u1"]}, 5)
    assert known < 1
    assert blind.recall({"user_id": ["u0", "nobody", "u1"]}, 5) == known
    with pytest.raises(
        ValueError, match="nothing is known of these 1 queries, so popul"
    ):
        blind.recall({"user_id": ["nobody"]}, 5)


def test_it_has_the_histories_of_its_model(data):
    model = YouTubeDNN(data.spec.select("history"), dim=4, layers=(8,))
    model.adapt(data.with_spec(model.spec))
    users = {"user_id": ["u1", "u7"]}
    expected = model.recommend(users, 4)
    assert Indexed(model).recommend(users, 4).item_id.tolist() == (
        expected.item_id.tolist()
    )


def test_what_makes_no_index_is_refused(data, model, indexed, tmp_path):
    with pytest.raises(ValueError, match="DeepFM has no item vectors to put into an"):
        Indexed(DeepFM(data.spec))
    with pytest.raises(ValueError, match="TwoTower has met no data, so it has no item"):
        Indexed(TwoTower(data.spec))
    with pytest.raises(ValueError, match=r"was not written: save the model itself"):
        indexed.save(tmp_path / "index.keras")
    with pytest.raises(ValueError, match="k=31 is not between 1 and the catalogue's"):
        indexed.recommend(features(USERS), 31)
