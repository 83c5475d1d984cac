"""Ratings and clicks: by hand, and with the context of the event."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.views import Pairs, Positives
from tfrec.evaluation import BinaryClassification, Evaluator, RatingPrediction
from tfrec.evaluation.events import event_queries
from tfrec.evaluation.pairs import Scorer, event_features
from tfrec.evaluation.protocols import FullRanking, natural
from tfrec.features import Numeric


@pytest.fixture
def asked(tiny):
    """ann rates b 5 and c 2, bob rates f 3, cat rates a 5."""
    return tiny.take(np.array([0, 1, 3, 4]))


# The tiny model predicts 5 for b, 4 for c, 1 for f, 6 for a: errors 0, 2, 2, 1.
def test_ratings_by_hand(asked, tiny_model):
    result = Evaluator(asked, RatingPrediction()).evaluate(tiny_model)
    assert result["rmse"] == pytest.approx(math.sqrt(9 / 4))
    assert result["mae"] == pytest.approx(5 / 4)
    assert list(result.per_user["absolute_error"]) == [0, 2, 2, 1]
    assert (result.users, result.events) == (3, 4)
    spread = np.std([0, 2, 2, 1], ddof=1) / 2
    assert result.standard_error["mae"] == pytest.approx(spread)
    squared = np.std([0, 4, 4, 1], ddof=1) / 2
    assert result.standard_error["rmse"] == pytest.approx(squared / (2 * 1.5))


def test_ratings_cut_to_the_scale(asked, tiny_model):
    result = Evaluator(asked, RatingPrediction(clip=(2, 5))).evaluate(tiny_model)
    assert list(result.per_user["absolute_error"]) == [0, 2, 1, 0]
    assert "cut to [2, 5]" in result.protocol


def test_a_perfect_model_has_no_error(asked, from_scores):
    matrix = np.zeros((4, 6))
    matrix[[0, 0, 1, 2], [1, 2, 5, 0]] = asked.label
    result = Evaluator(asked, RatingPrediction()).evaluate(from_scores(asked, matrix))
    assert result.metrics == {"rmse": 0, "mae": 0}
    assert result.standard_error == {"rmse": 0, "mae": 0}


def test_classes_by_hand(asked, tiny_model):
    # Positives b (5) and a (6) of ann and cat, negatives c (4) and f (1): all in order.
    protocol = BinaryClassification(min_label=4)
    result = Evaluator(asked, protocol).evaluate(tiny_model)
    assert result["auc"] == 1
    assert result["gauc"] == 1  # of ann alone
    losses = [math.log1p(math.exp(x)) for x in (-5, 4, 1, -6)]
    assert result["logloss"] == pytest.approx(np.mean(losses))
    assert result.standard_error["logloss"] == pytest.approx(np.std(losses, ddof=1) / 2)
    assert "positive: rating >= 4" in result.protocol


def test_gauc_weighs_users_by_their_impressions(tiny, tiny_model):
    # Of a b c d ann likes b and d: one pair of four is in order. Of e f bob likes e.
    columns = {
        "user_id": np.array([2, 2, 2, 2, 3, 3], np.int32),
        "item_id": np.array([2, 3, 4, 5, 6, 7], np.int32),
        "rating": np.array([3, 4, 3, 4, 4, 3], np.float32),
    }
    asked = dataclasses.replace(tiny, columns=columns, persons=None)
    result = Evaluator(asked, BinaryClassification(min_label=4)).evaluate(tiny_model)
    assert result["gauc"] == pytest.approx((4 * 1 / 4 + 2 * 1) / 6)
    assert result.standard_error["gauc"] == pytest.approx(math.sqrt(1 + 1) / 6)


def test_error_of_gauc(world, from_scores):
    model = from_scores(world, np.random.default_rng(0).normal(size=(60, 50)))
    result = Evaluator(world, BinaryClassification(min_label=3)).evaluate(model)
    assert result["auc"] == pytest.approx(0.5, abs=4 * result.standard_error["auc"])
    assert result["gauc"] == pytest.approx(0.5, abs=4 * result.standard_error["gauc"])
    assert 0.01 < result.standard_error["gauc"] < 0.1


def test_gauc_is_left_out_when_no_user_has_both(asked, tiny_model):
    alone = asked.take(np.array([0, 2]))
    result = Evaluator(alone, BinaryClassification(4)).evaluate(tiny_model)
    assert set(result.metrics) == {"auc", "logloss"}


def test_refusals(asked, tiny_model, from_scores):
    with pytest.raises(ValueError, match="labels from 2 to 5: set min_label"):
        Evaluator(asked, BinaryClassification()).evaluate(tiny_model)
    with pytest.raises(ValueError, match="both classes"):
        Evaluator(asked, BinaryClassification(1)).evaluate(tiny_model)
    with pytest.raises(ValueError, match="no events to measure"):
        none = asked.take(np.array([], int))
        Evaluator(none, RatingPrediction()).evaluate(tiny_model)
    with pytest.raises(ValueError, match="prediction of row 0 is nan"):
        diverged = from_scores(asked, np.full((4, 6), np.nan))
        Evaluator(asked, RatingPrediction()).evaluate(diverged)


class Reads:
    """The part of a model that says what it reads."""

    query_columns = ("user_id", "age", "history", "device")
    item_columns = ("movie_id", "genres", "title", "year")
    columns = query_columns + item_columns
    event_columns = ()


def test_features_of_events(data):
    _, _, test = data.split("random", seed=1)
    rows = np.array([3, 0, 7])
    features = event_features(Reads, test, rows)
    users, items = test.user[rows], test.item[rows]
    expected = {
        "user_id/index": users,
        "movie_id/index": items,
        "age/index": data.users["age"][users],
        "genres/index": data.items["genres"][items],
        "title/index": data.items["title"][items],
        "year": data.items["year"][items],
        # Context of the event itself; history as of the start of the test events.
        "device/index": test.columns["device"][rows],
        "history/index": test.train.timeline.latest(users, 6),
    }
    assert set(features) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(features[name], values)


def test_an_event_is_asked_for_in_its_own_context(data):
    _, _, test = data.split("random", seed=1)
    rows = np.arange(len(test))
    device = event_queries(Reads, test, rows)["device/index"]
    np.testing.assert_array_equal(device, test.columns["device"])
    before = test.queries(test.user, ("device",))["device/index"]
    assert (device != before).any()


def test_an_item_column_without_a_table_is_refused(tiny):
    class Other(Reads):
        query_columns, item_columns = ("user_id",), ("item_id", "price")
        columns = query_columns + item_columns
        event_columns = ()

    priced = tiny.spec.replace(Numeric("price", "item"))
    data = dataclasses.replace(tiny, spec=priced)
    with pytest.raises(ValueError, match="no item table with column 'price'"):
        event_features(Other, data, np.array([0]))


def test_batches_change_nothing(tiny_model, monkeypatch):
    users = np.tile(np.arange(2, 6, dtype=np.int32), 6)
    items = np.repeat(np.arange(2, 8, dtype=np.int32), 4)

    def features(rows):
        return {"user_id/index": users[rows], "item_id/index": items[rows]}

    at_once = Scorer(tiny_model)(24, features)
    for batch in (1, 5, 24):
        monkeypatch.setattr("tfrec.evaluation.pairs.BATCH", batch)
        np.testing.assert_array_equal(Scorer(tiny_model)(24, features), at_once)
    np.testing.assert_array_equal(at_once, tf.repeat(tf.range(6.0, 0, -1), 4))


def test_the_natural_protocol(tiny, tiny_model):
    class Ranks(type(tiny_model)):
        def view(self):
            return Positives()

    assert isinstance(tiny_model.view(), Pairs)
    assert natural(tiny_model, tiny) == RatingPrediction()
    binary = {**tiny.columns, "rating": (tiny.label > 3).astype(np.float32)}
    clicks = dataclasses.replace(tiny, columns=binary)
    assert natural(tiny_model, clicks) == BinaryClassification()
    signed = {**tiny.columns, "rating": np.where(tiny.label > 3, 1, -1)}
    opinions = dataclasses.replace(tiny, columns=signed)
    assert natural(tiny_model, opinions) == BinaryClassification()
    assert natural(Ranks(tiny.spec), tiny) == FullRanking()
