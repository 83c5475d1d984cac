"""Users who share an index are measured as the people they are."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.persons import Persons
from tfrec.evaluation import BinaryClassification, Evaluator, FullRanking
from tfrec.evaluation.events import event_queries
from tfrec.evaluation.full import truth_of
from tfrec.evaluation.pairs import event_features
from tfrec.evaluation.sampled import untaken
from tfrec.features import Categorical, FeatureSpec, Sequence

ITEMS = tuple("abcdef")
NAMES = {"ann": 0, "eve": 11, "fay": 12, "gil": 13}  # fingerprints of the unknown


def spec_of(user: Categorical, *more) -> FeatureSpec:
    item = Categorical("item_id", "item", vocabulary=ITEMS)
    return FeatureSpec((user, item, *more), item="item_id", label="rating")


def told_apart(spec, rows, past=None) -> Interactions:
    """Events (user, item, rating) whose people are told apart by their names."""
    users, items, ratings = (np.array(values) for values in zip(*rows, strict=True))
    columns = {
        "user_id": spec.encode("user_id", users.astype(object)),
        "item_id": spec.encode("item_id", items.astype(object)),
        "rating": ratings.astype(np.float32),
    }
    ids = np.array([NAMES[user] for user in users])
    persons = Persons.of(spec.user_column, columns["user_id"], ids)
    return Interactions(spec, columns, past=past, train=past, persons=persons)


@pytest.fixture
def unknown():
    """ann is known; eve took a and b, fay c; all are asked for, gil has no past."""
    history = Sequence("history", of="item_id", max_len=3)
    spec = spec_of(Categorical("user_id", "user", vocabulary=("ann",)), history)
    past = [("ann", "f", 5), ("eve", "a", 5), ("fay", "c", 4), ("eve", "b", 2)]
    asked = [("fay", "d", 1), ("eve", "d", 0), ("fay", "e", 0), ("eve", "e", 1)]
    asked += [("gil", "a", 1), ("ann", "a", 1)]
    return told_apart(spec, asked, told_apart(spec, past))


class Reads:
    columns = ("user_id", "item_id", "history")
    query_columns, item_columns = ("user_id", "history"), ("item_id",)
    event_columns = ()


def test_the_history_of_an_event_is_that_of_its_person(unknown):
    rows = np.arange(len(unknown))
    expected = ["c", "ab", "c", "ab", "", "f"]
    for features in (
        event_features(Reads, unknown, rows),
        event_queries(Reads, unknown, rows),
    ):
        assert features["user_id/index"].tolist() == [1, 1, 1, 1, 1, 2]
        raw = unknown.spec.decode("history", features["history/index"])
        assert ["".join(row) for row in raw] == expected


def test_gauc_and_users_are_by_person(unknown, from_scores):
    # a, d, e is the order: right for fay, wrong for eve, and 2/3 for all as one user.
    model = from_scores(unknown, [[6, 5, 4, 3, 2, 1]])
    model.call = lambda features, training=None: (
        -tf.cast(features["item_id/index"], tf.float32)
    )
    result = Evaluator(unknown, BinaryClassification()).evaluate(model)
    assert result["gauc"] == 1 / 2
    assert result.standard_error["gauc"] == pytest.approx(np.sqrt(1 / 8))
    assert result.users == 4
    assert len(np.unique(result.user)) == 4


def test_unknown_people_are_counted_one_by_one(unknown):
    truth = truth_of(unknown, FullRanking(k=1))
    assert truth.users.tolist() == [2]
    assert truth.cold_users == 3
    assert truth.left_out == {"label too low": 2, "user cold": 3}


def test_untaken_items_are_those_of_the_person(unknown):
    # eve took a, b, d, e; fay c, d, e; gil a; ann f and a.
    assert untaken(unknown)[unknown.person].tolist() == [3, 2, 3, 2, 5, 4]


def test_hashed_users_are_ranked_for_and_excluded_from_one_by_one(from_scores):
    """Two people of one bucket: what one has seen is ranked for the other."""
    spec = spec_of(Categorical("user_id", "user", hash_bins=1))
    past = told_apart(spec, [("eve", "a", 1), ("fay", "b", 1)])
    test = told_apart(spec, [("eve", "b", 1), ("fay", "a", 1)], past)
    model = from_scores(test, np.tile(np.arange(6, 0, -1), (2, 1)))
    result = Evaluator(test, FullRanking(k=1)).evaluate(model)
    assert result.users == result.events == 2
    assert result["recall@1"] == 1
