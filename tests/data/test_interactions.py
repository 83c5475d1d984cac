"""Events with their tables: taking, joining, splitting, and queries as of a time."""

import dataclasses

import numpy as np
import pytest

from tfrec.data.interactions import Interactions, index_key
from tfrec.data.views import Pairs
from tfrec.features import Categorical, FeatureSpec, Numeric, Sequence
from tfrec.models.ranking.gmf import GMF


def test_columns_by_role(data):
    assert len(data) == 600
    assert data.user is data.columns["user_id"]
    assert data.item is data.columns["movie_id"]
    assert data.label is data.columns["rating"]
    assert data.timestamp is data.columns["timestamp"]
    assert repr(data) == "Interactions(small: 600 events, 40 users, 30 items)"


def test_a_short_column_is_named(data):
    columns = {**data.columns, "device": data.columns["device"][:-1]}
    with pytest.raises(ValueError, match="'device' has 599 rows and 'user_id' has 600"):
        dataclasses.replace(data, columns=columns)


def test_labels_that_are_not_there_are_asked_for_by_name(data):
    spec = dataclasses.replace(data.spec, label=None, timestamp=None)
    bare = dataclasses.replace(data, spec=spec)
    with pytest.raises(ValueError, match="label"):
        bare.label  # noqa: B018
    assert bare.timestamp is None


def test_raw_ids_come_back(data):
    vocabulary = data.spec.item_column.vocabulary
    expected = [vocabulary[i - data.spec.item_column.first] for i in data.item]
    assert data.raw("movie_id").tolist() == expected


def test_counts_and_known_pairs(data):
    size = data.spec.item_column.size
    assert data.item_counts.shape == (size,)
    assert data.item_counts.sum() == len(data)
    assert data.item_counts[data.item[0]] == np.sum(data.item == data.item[0])
    pairs = {divmod(int(key), size) for key in data.known}
    assert pairs == set(zip(data.user.tolist(), data.item.tolist(), strict=True))
    assert data.known.dtype == np.int64
    assert np.all(np.diff(data.known) > 0)


def test_known_pairs_of_many_users_and_items_do_not_overflow():
    """Two million users times two million items is beyond 32 bits."""
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", hash_bins=2_000_000),
            Categorical("item_id", "item", hash_bins=2_000_000),
        )
    )
    columns = {
        "user_id": np.array([2_000_000], np.int32),
        "item_id": np.array([1_999_999], np.int32),
    }
    expected = 2_000_000 * 2_000_001 + 1_999_999
    assert Interactions(spec, columns).known.tolist() == [expected]


@pytest.mark.parametrize("rows", [np.array([5, 3, 3]), np.arange(600) % 100 == 7])
def test_take_takes_rows_or_a_mask(data, rows):
    some = data.take(rows, name="some")
    for name, values in data.columns.items():
        np.testing.assert_array_equal(some.columns[name], values[rows])
    assert some.name == "some"
    assert some.items is data.items


def test_concat_is_one_after_the_other(data):
    both = data.take(np.arange(10)).concat(data.take(np.arange(10, 25)))
    for name, values in both.columns.items():
        np.testing.assert_array_equal(values, data.columns[name][:25])


def test_a_narrower_spec_leaves_ids_label_and_time(data):
    narrow = data.with_spec(data.spec.select("genres", "age"))
    assert set(narrow.columns) == {"user_id", "movie_id", "rating", "timestamp"}
    assert set(narrow.items) == {"genres"}
    assert set(narrow.users) == {"age"}


def test_a_split_knows_what_came_before(data):
    train, valid, test = data.split("temporal", valid=0.2, test=0.1)
    assert len(train) + len(valid) + len(test) == len(data)
    assert train.past is None
    assert train.train is None
    assert valid.past is valid.train is test.train is train
    assert len(test.past) == len(train) + len(valid)
    assert test.past.timestamp.max() < test.timestamp.min()
    assert "temporal train" in train.name


def test_an_unknown_split_names_the_near_one(data):
    with pytest.raises(ValueError, match="'temporl' is unknown; did you mean 'temp"):
        data.split("temporl")


# Batches for a model


def test_a_model_meets_the_first_data_it_is_given_batches_of(data):
    train, valid, _ = data.split("temporal")
    model = GMF(data.spec, negatives=2)
    assert not model.adapted
    batches = train.batches(model, 64)
    assert batches.cardinality().numpy() == -(-len(train) * 3 // 64)
    features, _ = next(iter(batches))
    assert set(features) == {"user_id/index", "movie_id/index"}
    counts = model.catalogue.arrays["counts"]
    valid.batches(model, 64)
    assert model.catalogue.arrays["counts"] is counts
    np.testing.assert_array_equal(counts, train.item_counts)


def test_a_view_alone_reads_every_column(data):
    features, target = next(iter(data.batches(Pairs(), 8)))
    assert set(features) == {
        index_key(column.kind, column.name) for column in data.spec.columns
    }
    assert target.shape == (8,)


# Queries


def test_queries_are_as_of_what_is_given(data):
    train, valid, test = data.split("temporal")
    users = np.unique(test.user)
    for part, past in ((test, train), (valid, train), (test.refitted(), test.past)):
        found = part.queries(users, ("user_id", "age", "history", "device"))
        assert set(found) == {
            "user_id/index",
            "age/index",
            "history/index",
            "device/index",
        }
        np.testing.assert_array_equal(found["user_id/index"], users)
        np.testing.assert_array_equal(found["age/index"], data.users["age"][users])
        for user, history, device in zip(
            users, found["history/index"], found["device/index"], strict=True
        ):
            rows = np.flatnonzero(past.user == user)
            rows = sorted(rows, key=lambda r: (past.timestamp[r], r))
            expected = past.item[rows][-6:].tolist()
            assert history.tolist() == expected + [0] * (6 - len(expected))
            last = past.columns["device"][rows[-1]] if rows else 0
            assert device == last


def test_what_is_given_may_be_nothing(data):
    none = data.take(np.arange(0))
    for nothing in ({"past": none}, {"past": data, "given": none}):
        part = dataclasses.replace(data, **nothing)
        assert not part.queries(np.array([3]), ("history",))["history/index"].any()
    with pytest.raises(ValueError, match="small has no past to fit models to again"):
        data.refitted()


def test_queries_without_a_past_are_of_the_events_themselves(data):
    found = data.queries(np.array([3]), ("history",))["history/index"]
    np.testing.assert_array_equal(found, data.timeline.latest(np.array([3]), 6))


def test_queries_of_who_has_done_nothing_are_padding(data):
    none = data.take(data.user != 5)
    found = none.queries(np.array([5, 0]), ("history", "device"))
    assert not found["history/index"].any()
    assert not found["device/index"].any()


@pytest.mark.parametrize(
    "column",
    [
        Categorical("search", "context", vocabulary=("a",)),
        Numeric("income", "user"),
        Sequence("visited", of="device", max_len=3),
    ],
)
def test_queries_for_a_column_without_values_say_so(data, column):
    lacking = dataclasses.replace(data, spec=data.spec.replace(column))
    with pytest.raises(ValueError, match=f"no values for column '{column.name}'"):
        lacking.queries(np.array([3]), (column.name,))
