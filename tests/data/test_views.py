"""What each view hands to a model: counts, order, seeds, nothing of the future."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from pyarrow.csv import write_csv

from tfrec.data import pipeline, tfrecord
from tfrec.data.interactions import Interactions
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.data.rows import Rows
from tfrec.data.views import Pairs, Positives, Triples
from tfrec.data.weighted import WeightedPairs
from tfrec.features import Categorical, FeatureSpec, Sequence
from tfrec.models import registry

DAY = 86_400
VIEWS = [
    Pairs(),
    Pairs(negatives=3),
    Pairs(negatives=2, alpha=0.75, avoid_known=False),
    Triples(negatives=2),
    Positives(),
    Positives(per_user=4),
    Rows(),
    Rows(of="item"),
]
every_view = pytest.mark.parametrize("view", VIEWS, ids=str)


def epoch(batches: tf.data.Dataset) -> dict[str, np.ndarray]:
    """All batches of an epoch, joined; the target under ``target``."""
    found: list[dict[str, np.ndarray]] = []
    for batch in batches.as_numpy_iterator():
        features, *target = batch if isinstance(batch, tuple) else (batch,)
        found.append({**features, **({"target": target[0]} if target else {})})
    return {key: joined([batch[key] for batch in found]) for key in found[0]}


def joined(parts: list[np.ndarray]) -> np.ndarray:
    if parts[0].ndim == 1:
        return np.concatenate(parts)
    widest = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(part, [(0, 0), (0, widest - part.shape[1])]) for part in parts]
    )


def pairs_of(data: Interactions) -> Counter:
    return Counter(zip(data.user.tolist(), data.item.tolist(), strict=True))


def known(data: Interactions) -> set[tuple[int, int]]:
    return set(pairs_of(data))


def done_before(data: Interactions, row: int, longest: int) -> list[int]:
    mine = (data.user == data.user[row]) & (data.timestamp < data.timestamp[row])
    rows = sorted(np.flatnonzero(mine), key=lambda r: (data.timestamp[r], r))
    found = data.item[rows].tolist()[-longest:]
    return found + [0] * (longest - len(found))


@pytest.fixture(params=[pipeline.BLOCK, 64], ids=["one block", "many blocks"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(pipeline, "BLOCK", request.param)


# Every view


@every_view
@pytest.mark.parametrize("batch_size", [32, 77, 100_000])
def test_batches_are_full_but_the_last_and_as_many_as_stated(
    view, data, batch_size, blocks
):
    batches = data.batches(view, batch_size)
    sizes = [len(tf.nest.flatten(batch)[0]) for batch in batches]
    assert batches.cardinality().numpy() == len(sizes) > 0
    assert set(sizes[:-1]) <= {batch_size}
    assert 0 < sizes[-1] <= batch_size


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return all(np.array_equal(left[key], right[key]) for key in left)


@every_view
def test_a_seed_gives_the_same_epochs_each_of_them_new(view, data):
    first, second = (data.batches(view, 64, seed=5) for _ in range(2))
    epochs = [epoch(first), epoch(first), epoch(first)]
    for expected in epochs:
        assert same(expected, epoch(second))
    assert not same(epochs[0], epochs[1])
    assert not same(epochs[1], epochs[2])
    assert not same(epochs[0], epoch(data.batches(view, 64, seed=6)))


@every_view
def test_unshuffled_positives_keep_their_order(view, data):
    found = epoch(data.batches(view, 64, shuffle=False))
    if isinstance(view, Rows):
        own = "user_id" if view.of == "user" else "movie_id"
        expected = np.unique(data.columns[own])
        np.testing.assert_array_equal(found[f"{own}/index"], expected)
    elif getattr(view, "per_user", None) is None:
        positive = slice(None, None, getattr(view, "growth", 1))
        np.testing.assert_array_equal(found["user_id/index"][positive], data.user)
        np.testing.assert_array_equal(found["movie_id/index"][positive], data.item)


@every_view
def test_no_events_are_refused(view, data):
    with pytest.raises(ValueError, match="no events to learn from"):
        data.take(np.zeros(0, int)).batches(view, 8)


@pytest.mark.parametrize("view", [Pairs(), Triples(), Positives()], ids=str)
def test_features_are_those_of_the_event_its_user_and_its_item(view, data):
    found = epoch(data.batches(view, 64, shuffle=False))
    np.testing.assert_array_equal(found["device/index"], data.columns["device"])
    np.testing.assert_array_equal(found["age/index"], data.users["age"][data.user])
    for name in ("genres", "title"):
        expected = data.items[name][data.item]
        np.testing.assert_array_equal(found[f"{name}/index"], expected)
    np.testing.assert_array_equal(found["year"], data.items["year"][data.item])
    assert found["user_id/index"].dtype == found["history/index"].dtype == np.int32
    assert not {"rating", "timestamp"} & set(found)


@pytest.mark.parametrize("view", [Pairs(), Pairs(2), Triples(2), Positives()], ids=str)
def test_only_the_learner_s_columns_are_read(view, data):
    batches = view.batches(data, 64, columns=("user_id", "movie_id", "genres"))
    extra = {"target"} if isinstance(view, Pairs) else set()
    extra |= {"negative/index"} if isinstance(view, Triples) else set()
    ids = {"user_id/index", "movie_id/index", "genres/index"}
    assert set(epoch(batches)) == ids | extra


@pytest.mark.parametrize("view", [Pairs(), Triples(), Positives()], ids=str)
def test_a_history_holds_only_what_came_strictly_before(view, data, blocks):
    assert len(np.unique(data.timestamp)) < len(data)  # there are ties
    found = epoch(data.batches(view, 64, shuffle=False))["history/index"]
    expected = [done_before(data, row, 6) for row in range(len(data))]
    np.testing.assert_array_equal(found, expected)
    assert np.all(found != data.item[:, None])


def test_the_history_of_all_events_at_one_time_is_empty(data):
    together = data.take(np.arange(50))
    together.columns["timestamp"][:] = 7
    found = epoch(together.batches(Positives(), 64))
    assert not found["history/index"].any()


# Pairs


def test_pairs_without_negatives_have_the_label_as_target(data):
    found = epoch(data.batches(Pairs(), 64, shuffle=False))
    np.testing.assert_array_equal(found["target"], data.label)
    assert found["target"].dtype == np.float32
    shuffled = epoch(data.batches(Pairs(), 64))
    rows = zip(shuffled["user_id/index"], shuffled["movie_id/index"], strict=True)
    label = dict(zip(zip(data.user, data.item, strict=True), data.label, strict=True))
    assert [label[row] for row in rows] == shuffled["target"].tolist()


@pytest.mark.parametrize("alpha", [None, 0.75])
def test_every_event_is_once_positive_and_has_its_negatives(data, blocks, alpha):
    batches = data.batches(Pairs(negatives=3, alpha=alpha), 64)
    for _ in range(2):
        found = epoch(batches)
        user, item = found["user_id/index"], found["movie_id/index"]
        positive = found["target"] == 1
        assert set(found["target"]) == {0.0, 1.0}
        rows = zip(user[positive].tolist(), item[positive].tolist(), strict=True)
        assert Counter(rows) == pairs_of(data)
        negatives = list(
            zip(user[~positive].tolist(), item[~positive].tolist(), strict=True)
        )
        assert len(negatives) == 3 * len(data)
        assert not known(data) & set(negatives)
        assert np.all(item >= data.spec.item_column.first)
        counts = Counter(user[~positive].tolist())
        assert counts == Counter({u: 3 * n for u, n in Counter(data.user).items()})


def test_a_negative_shares_the_event_and_has_its_own_item_columns(data):
    found = epoch(data.batches(Pairs(negatives=3), 64))
    item = found["movie_id/index"]
    np.testing.assert_array_equal(found["year"], data.items["year"][item])
    np.testing.assert_array_equal(found["genres/index"], data.items["genres"][item])

    def contexts(rows: np.ndarray) -> Counter:
        parts = (found[k][rows] for k in ("user_id/index", "device/index"))
        history = map(tuple, found["history/index"][rows].tolist())
        return Counter(zip(*(p.tolist() for p in parts), history, strict=True))

    positive = contexts(found["target"] == 1)
    negative = contexts(found["target"] == 0)
    assert negative == Counter({key: 3 * n for key, n in positive.items()})


def test_positives_and_negatives_are_mixed(data):
    found = epoch(data.batches(Pairs(negatives=3), 64))["target"]
    shares = found[: len(found) // 64 * 64].reshape(-1, 64).mean(axis=1)
    assert shares.std() > 0.02  # one in four of a row would be .25 exactly
    assert np.all(shares < 0.6)


def test_a_known_positive_may_be_drawn_when_allowed(data):
    found = epoch(data.batches(Pairs(negatives=3, avoid_known=False), 64))
    rows = np.stack([found["user_id/index"], found["movie_id/index"]], 1)
    negatives = {tuple(row) for row in rows[found["target"] == 0].tolist()}
    assert known(data) & negatives


@pytest.mark.parametrize("unit", [False, True])
def test_an_event_of_no_amount_is_a_negative_of_weight_one(data, unit):
    amounts = np.resize(np.array([0, 30, 2.5], np.float32), len(data))
    watched = dataclasses.replace(data, columns={**data.columns, "rating": amounts})
    parts = list(watched.batches(WeightedPairs(unit=unit), 64, shuffle=False))
    target = np.concatenate([target for _, target, _ in parts])
    weight = np.concatenate([weight for _, _, weight in parts])
    assert target[:4].tolist() == [0, 1, 1, 0]
    assert weight[:4].tolist() == ([1, 1, 1, 1] if unit else [1, 30, 2.5, 1])
    assert len(target) == len(weight) == len(data)


def test_pairs_need_a_label_or_negatives(data):
    unlabelled = dataclasses.replace(
        data, spec=dataclasses.replace(data.spec, label=None)
    )
    assert len(epoch(unlabelled.batches(Pairs(negatives=1), 64))["target"]) == 1200
    with pytest.raises(ValueError, match="no label to learn"):
        unlabelled.batches(Pairs(), 64)


@pytest.mark.parametrize(
    ("view", "least"), [(Pairs, 0), (Triples, 1), (WeightedPairs, 0)]
)
def test_too_few_negatives_are_refused(view, least):
    view(negatives=least)
    message = f"negatives={least - 1} must be {least} or more"
    with pytest.raises(ValueError, match=message):
        view(negatives=least - 1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("matrix_factorization", {}),
        ("matrix_factorization", {"share_negatives": True}),
        ("lightgcn", {"share_negatives": True}),
        ("youtube_dnn", {}),
    ],
)
def test_models_that_need_negatives_say_so(data, name, options):
    model = registry.get(name)(data.spec, negatives=0, **options)
    with pytest.raises(ValueError, match="negatives=0 must be 1 or more"):
        data.batches(model, 64)


def test_who_has_taken_everything_cannot_have_negatives(data):
    column = data.spec.item_column
    rows = data.take(np.zeros(column.size - column.first, int))
    rows.columns["movie_id"][:] = np.arange(column.first, column.size)
    for view in (Pairs(negatives=1), Triples()):
        with pytest.raises(ValueError, match=r"took all 30 items, .* no event"):
            rows.batches(view, 8)


@pytest.mark.parametrize("part", ["in memory", "held out", "on disk"])
def test_who_has_taken_everything_is_left_out_alone(data, part, tmp_path):
    """One account of thirty events, named by its raw id, and forty others."""
    column = data.spec.item_column
    everything = data.take(np.zeros(column.size - column.first, int))
    everything.columns["movie_id"][:] = np.arange(column.first, column.size)
    (raw,) = set(everything.raw("user_id"))
    source = data.concat(everything)
    if part == "held out":  # what was taken in training counts
        source = data.take(np.arange(300), past=source, train=source)
    if part == "on disk":
        path = tmp_path / "events.csv"
        table = {name: source.raw(name) for name in ("user_id", "movie_id")}
        write_csv(pa.table(table), path)
        prepare(path, tmp_path / "out", Mapping("user_id", "movie_id"), "random")
        source = tfrecord.open(tmp_path / "out", "test")
    own = source.spec.encode("user_id", np.array([raw]))
    count = int(np.diff(source.timeline.start)[own].sum())
    assert 0 < count < len(source)
    message = f"user_id '{raw}' took all 30 items.*: {count} events are left out"
    for view, examples in ((Pairs(negatives=2), 3), (Triples(), 1)):
        with pytest.warns(UserWarning, match=message):
            batches = source.batches(view, 64)
        found = epoch(batches)
        assert len(found["user_id/index"]) == examples * (len(source) - count)
        assert not np.isin(found["user_id/index"], own).any()
        assert int(batches.cardinality()) == sum(1 for _ in batches)


# Triples


@pytest.mark.parametrize("alpha", [None, 0.5])
def test_triples_hold_every_event_once_with_its_negatives(data, blocks, alpha):
    batches = data.batches(Triples(negatives=4, alpha=alpha), 64)
    first, second = epoch(batches), epoch(batches)
    for found in (first, second):
        user, item = found["user_id/index"], found["movie_id/index"]
        rows = zip(user.tolist(), item.tolist(), strict=True)
        assert Counter(rows) == pairs_of(data)
        drawn = found["negative/index"]
        assert drawn.shape == (len(data), 4)
        assert drawn.dtype == np.int32
        pairs = zip(np.repeat(user, 4).tolist(), drawn.ravel().tolist(), strict=True)
        assert not known(data) & set(pairs)
    assert np.any(first["negative/index"] != second["negative/index"])


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_block_draws_its_own_negatives(data, monkeypatch, shuffle):
    monkeypatch.setattr(pipeline, "BLOCK", 64)
    view = Triples(negatives=1, avoid_known=False)
    drawn = epoch(data.batches(view, 64, shuffle))["negative/index"][:, 0]
    blocks = {tuple(drawn[begin : begin + 64]) for begin in range(0, 576, 64)}
    assert len(blocks) == 9


# Positives


def test_no_user_has_more_than_so_many_examples(data, blocks):
    few = data.take(np.arange(200))
    cap = 4
    assert Counter(few.user.tolist()).most_common()[-1][1] < cap  # not all reach it
    batches = few.batches(Positives(per_user=cap), 64)
    first, second = epoch(batches), epoch(batches)
    for found in (first, second):
        counts = Counter(found["user_id/index"].tolist())
        assert counts == Counter(
            {u: min(n, cap) for u, n in Counter(few.user.tolist()).items()}
        )
        rows = zip(
            found["user_id/index"].tolist(),
            found["movie_id/index"].tolist(),
            strict=True,
        )
        assert not Counter(rows) - pairs_of(few)  # no event twice
    drawn = [
        {(u, i) for u, i in zip(f["user_id/index"], f["movie_id/index"], strict=True)}
        for f in (first, second)
    ]
    assert drawn[0] != drawn[1]


def test_every_event_of_a_user_is_equally_likely_to_be_among_the_few(data):
    """15 events each, 5 kept: each is kept in a third of 40 epochs."""
    batches = data.batches(Positives(per_user=5), 1024)
    kept: Counter = Counter()
    for _ in range(40):
        found = epoch(batches)
        kept.update(zip(found["user_id/index"], found["movie_id/index"], strict=True))
    share = np.array([kept[pair] for pair in known(data)]) / 40
    assert share.mean() == pytest.approx(1 / 3)
    assert np.abs(share - 1 / 3).max() < 5 * np.sqrt(2 / 9 / 40)


def test_example_age_is_days_before_the_last_event(data):
    found = epoch(data.batches(Positives(example_age=True), 64, shuffle=False))
    expected = (data.seconds.max() - data.seconds) / DAY
    assert found["example_age"].dtype == np.float32
    np.testing.assert_allclose(found["example_age"], expected, rtol=1e-6)
    assert found["example_age"].min() == 0


def test_example_age_needs_a_timestamp(data):
    timeless = dataclasses.replace(
        data, spec=dataclasses.replace(data.spec, timestamp=None)
    )
    with pytest.raises(ValueError, match="example age needs events in memory"):
        timeless.batches(Positives(example_age=True), 64)


# Rows


SIDES = pytest.mark.parametrize(
    ("of", "own", "others"),
    [("user", "user_id", "items"), ("item", "movie_id", "users")],
)


@SIDES
def test_a_row_is_what_happened_in_time_order(data, of, own, others):
    some = data.take(data.user % 3 != 0)
    found = epoch(some.batches(Rows(of), 7))
    index, other = some.columns[own], some.item if of == "user" else some.user
    # Those without events have no row.
    assert sorted(found[f"{own}/index"]) == sorted(set(index.tolist()))
    assert found["ratings"].dtype == np.float32
    for one, row, ratings in zip(
        found[f"{own}/index"], found[others], found["ratings"], strict=True
    ):
        rows = sorted(np.flatnonzero(index == one), key=lambda r: some.timestamp[r])
        rest = [0] * (len(row) - len(rows))
        assert row.tolist() == other[rows].tolist() + rest
        assert ratings.tolist() == some.label[rows].tolist() + rest


@SIDES
def test_a_repeated_pair_has_its_latest_label_and_strangers_have_no_row(
    data, of, own, others
):
    few = data.take(np.arange(60))
    again = few.take(np.array([3, 3, 4, 5, 6]))
    first = few.spec.user_column.first
    again.columns["user_id"][3] = again.columns["movie_id"][4] = first - 1
    again.columns["rating"][:] = [1, 5, 1, 3, 3]
    again.columns["timestamp"][:3] = [2 * 10**15, 2 * 10**15, 0]
    found = epoch(few.concat(again).batches(Rows(of), 8))
    user, item = few.user.astype(int), few.item
    expected = dict(zip(zip(user, item, strict=True), few.label, strict=True))
    expected[user[3], item[3]] = 5
    entries = {}
    for one, row, ratings in zip(
        found[f"{own}/index"], found[others], found["ratings"], strict=True
    ):
        for other, rating in zip(row, ratings, strict=True):
            if other:
                pair = (one, other) if of == "user" else (other, one)
                assert pair not in entries
                entries[pair] = rating
    assert entries == expected


def test_rows_are_as_wide_as_the_longest_of_the_batch(data):
    some = data.take(np.arange(120))
    counts = np.bincount(some.user)
    for batch in some.batches(Rows(), 7).as_numpy_iterator():
        longest = counts[batch["user_id/index"]].max()
        assert batch["items"].shape[1] == batch["ratings"].shape[1] == longest


def test_rows_without_labels_have_no_ratings(data):
    unlabelled = dataclasses.replace(
        data, spec=dataclasses.replace(data.spec, label=None)
    )
    assert set(epoch(unlabelled.batches(Rows(), 8))) == {"user_id/index", "items"}


def test_rows_refuse_labels_that_cannot_be(data):
    few = data.take(np.arange(20))
    few.columns["rating"][7] = 6.0
    with pytest.raises(ValueError, match=r"1 values of 'rating' .* 6, .* 1 and 5,"):
        few.batches(Rows(low=1.0, high=5.0), 8)
    few.columns["rating"][7] = np.nan
    with pytest.raises(ValueError, match=r"1 of 20 values of 'rating' .* not num"):
        few.batches(Rows(), 8)
    few.columns["user_id"][:] = 1
    with pytest.raises(ValueError, match="no event of a known user and a known item"):
        few.batches(Rows(), 8)


# Columns that the events do not have


def test_a_sequence_of_something_else_must_be_in_the_events(data):
    """It is not filled with items, which are other ids."""
    searches = (
        Categorical("search", "context", vocabulary=("a", "b")),
        Sequence("searches", of="search", max_len=3),
    )
    spec = data.spec.replace(searches[0]).replace(searches[1])
    lacking = dataclasses.replace(data, spec=spec)
    with pytest.raises(ValueError, match="no values for column 'search"):
        lacking.batches(Positives(), 64)
    rng = np.random.default_rng(0)
    columns = {
        "search": rng.integers(0, 4, len(data)).astype(np.int32),
        "searches": rng.integers(0, 4, (len(data), 3)).astype(np.int32),
    }
    having = dataclasses.replace(lacking, columns={**data.columns, **columns})
    found = epoch(having.batches(Positives(), 64, shuffle=False))
    for name, values in columns.items():
        np.testing.assert_array_equal(found[f"{name}/index"], values)
    assert found["history/index"].any()


def test_integer_ids_make_the_same_batches():
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", "int64", vocabulary=(70, 10, 30)),
            Categorical("item_id", "item", "int64", vocabulary=tuple(range(100, 110))),
        )
    )
    events = Interactions(
        spec,
        {
            "user_id": spec.encode("user_id", [10, 10, 30, 999]),
            "item_id": spec.encode("item_id", [100, 109, 104, 101]),
        },
    )
    found = epoch(events.batches(Pairs(negatives=2), 5))
    positive = found["target"] == 1
    rows = [found[key][positive] for key in ("user_id/index", "item_id/index")]
    expected = [(1, 3), (3, 2), (3, 11), (4, 6)]
    assert sorted(zip(*rows, strict=True)) == expected
