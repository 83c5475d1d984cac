"""People who share a user index, against plain counts over raw ids."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfrec.data import tfrecord
from tfrec.data.histories import histories
from tfrec.data.interactions import Interactions
from tfrec.data.mapping import Mapping
from tfrec.data.persons import Persons, UnknownUsers, rows_of
from tfrec.data.prepare import prepare
from tfrec.data.recency import COUNT, with_recency
from tfrec.data.session_parallel import flat_sessions
from tfrec.data.sessions import sessions
from tfrec.data.views import Pairs, Positives, Triples
from tfrec.data.windows import Windows
from tfrec.datasets import from_file
from tfrec.features import Categorical, FeatureSpec

BEGIN = 1_000_000_000
REGULAR = [("r", 0, 5), ("r", 1, 15), ("r", 2, 25), ("r", 0, 35)]
# User, item and seconds; "r" is frequent enough for a vocabulary, others may be.
EVENTS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(0, 4), st.integers(0, 40)),
    min_size=1,
    max_size=25,
).map(lambda some: REGULAR + some)
SHARED = {
    "rare": {"min_count": {"u": 4}},
    "hashed": {"columns": {"u": Categorical("u", "user", hash_bins=2)}},
}
QUICK = settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def write(path, events):
    lines = [f"{user},i{item},{BEGIN + time}\n" for user, item, time in events]
    path.write_text("u,i,t\n" + "".join(lines))
    return path


def read(path, events, shared="rare", **more) -> Interactions:
    path = write(path / "a.csv", events)
    return from_file(path, "u", "i", timestamp="t", **SHARED[shared], **more)


def in_order(events, user) -> list[int]:
    """Rows of a user by time, then row."""
    own = [row for row, event in enumerate(events) if event[0] == user]
    return sorted(own, key=lambda row: (events[row][2], row))


def held_out(events) -> dict[int, int]:
    """Side of the rows that are held out when each user's last two are."""
    sides = {}
    for user in {event[0] for event in events}:
        rows = in_order(events, user)
        if len(rows) >= 3:
            sides |= {rows[-1]: 2, rows[-2]: 1}
    return sides


@QUICK
@given(EVENTS, st.sampled_from(list(SHARED)))
def test_everybody_has_her_own_events(tmp_path, events, shared):
    data = read(tmp_path, events, shared)
    number = {event[0]: n for event, n in zip(events, data.person, strict=True)}
    assert [number[event[0]] for event in events] == data.person.tolist()
    assert len(set(number.values())) == len(number)
    assert f" {len(number)} users" in repr(data)
    found = data.spec.decode("i", histories(data)(np.arange(len(data)), 30))
    for row, (user, _, time) in enumerate(events):
        before = [e for e in in_order(events, user) if events[e][2] < time]
        assert [i for i in found[row] if i] == [f"i{events[e][1]}" for e in before]
    counts = Counter(event[0] for event in events)
    assert Positives(per_user=2).examples(data) == sum(
        min(2, count) for count in counts.values()
    )
    assert len(data.known) == len({event[:2] for event in events})
    sides = held_out(events)
    for side, part in enumerate(data.split("leave_last_out")):
        rows = [row for row in range(len(events)) if sides.get(row, 0) == side]
        np.testing.assert_array_equal(part.timestamp, data.timestamp[rows])
        np.testing.assert_array_equal(part.person, data.person[rows])


@settings(QUICK, max_examples=4)
@given(EVENTS, st.sampled_from(list(SHARED)))
def test_people_are_the_same_in_memory_and_prepared(tmp_path, events, shared):
    data = read(tmp_path, events, shared, history=None)
    options = dict(SHARED[shared])
    mapping = Mapping("u", "i", timestamp="t", columns=options.pop("columns", {}))
    out = prepare(
        tmp_path / "a.csv",
        tmp_path / "out",
        mapping,
        "leave_last_out",
        shuffle=False,
        overwrite=True,
        **options,
    ).directory
    train, valid, expected = data.split("leave_last_out")
    records, found = tfrecord.open(out, "test"), tfrecord.load(out, "test")
    for one, other in (
        (found, expected),
        (found.past, train.concat(valid)),
        (found.train, train),
    ):
        np.testing.assert_array_equal(one.person, other.person)
        np.testing.assert_array_equal(one.timestamp, other.timestamp)
    rows = np.arange(len(found))
    np.testing.assert_array_equal(
        histories(found)(rows, 30), histories(expected)(rows, 30)
    )
    for one, other in ((records, expected), (records.past, expected.past)):
        np.testing.assert_array_equal(one.known, other.known)
        np.testing.assert_array_equal(one.timeline.items, other.timeline.items)


# Views


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        ("memory", Pairs(negatives=20)),
        ("hashed", Pairs(negatives=20)),
        ("prepared", Triples(negatives=20)),
    ],
)
def test_negatives_are_what_the_person_did_not_take(tmp_path, kind, view):
    events = [*REGULAR, *[("a", item, 50 + item) for item in (0, 1, 3)], ("b", 4, 70)]
    # By min_count=4 a and b share an index; a took all but i2 and i4.
    shared = "hashed" if kind == "hashed" else "rare"
    data = read(tmp_path, events, shared, history=None)
    raw = data.raw("i")
    if kind == "prepared":
        mapping = Mapping("u", "i", timestamp="t")
        options = {"valid": 0.2, "test": 0.0, "shuffle": False, "min_count": {"u": 4}}
        prepare(tmp_path / "a.csv", tmp_path / "out", mapping, "temporal", **options)
        data = tfrecord.open(tmp_path / "out")
        raw = tfrecord.load(tmp_path / "out").raw("i")
    allowed = {"r": {"i3", "i4"}, "a": {"i2", "i4"}, "b": {"i0", "i1", "i2", "i3"}}
    if kind == "prepared":  # of the later events only training knows nothing
        allowed["a"] = {"i2", "i3", "i4"}
    (batch,) = data.batches(view, 1000, shuffle=False)
    if isinstance(view, Pairs):
        drawn = batch[0]["i/index"].numpy().reshape(len(raw), 21)[:, 1:]
    else:
        drawn = batch["negative/index"].numpy()
    for (user, *_), items in zip(events[: len(raw)], drawn, strict=True):
        assert set(data.spec.item_column.raw[items]) == allowed[user]


def test_an_unknown_person_who_took_everything_is_left_out_alone(tmp_path):
    events = [*REGULAR, ("a", 0, 50), ("a", 1, 51), ("a", 2, 52), ("b", 0, 53)]
    data = read(tmp_path, events, history=None)
    with pytest.warns(UserWarning, match=r"u 'r', '\(unknown\)' took.*7 events"):
        (batch,) = data.batches(Triples(), 64, shuffle=False)
    assert batch["u/index"].numpy().tolist() == [1]  # b


def test_no_person_has_more_than_so_many_examples(tmp_path):
    events = [*REGULAR, ("a", 1, 50), ("a", 2, 51), ("b", 3, 52), ("c", 4, 53)]
    data = read(tmp_path, events, history=None)
    (batch,) = data.batches(Positives(per_user=1), 64)
    assert sorted(batch["u/index"].numpy()) == [1, 1, 1, 2]


def test_windows_hold_the_person_s_own_items(tmp_path):
    events = [*REGULAR, ("a", 3, 50), ("a", 4, 51), ("b", 1, 50), ("b", 2, 51)]
    data = read(tmp_path, events)
    (batch,) = data.batches(Windows(window=3, shrink=False), 64, shuffle=False)
    users, items = batch["u/index"].numpy(), batch["i/index"].numpy()
    raw = data.spec.item_column.raw
    around = {
        raw[item]: sorted(raw[i] for i in row if i)
        for user, item, row in zip(users, items, batch["context/index"], strict=True)
        if user == 1
    }
    assert around == {"i3": ["i4"], "i4": ["i3"], "i1": ["i2"], "i2": ["i1"]}


def test_unknown_users_have_sessions_of_their_own(tmp_path):
    events = [*REGULAR, ("a", 3, 50), ("b", 1, 51), ("a", 4, 52), ("b", 2, 53)]
    found = sessions(read(tmp_path, [*events, ("a", 0, 500)], history=None), 60)
    assert found.spec.user_column.vocabulary == ("r/0",)
    raw = found.spec.item_column.raw
    flat, begin, end = flat_sessions(found)
    made = [[raw[i] for i in flat[b : e + 1]] for b, e in zip(begin, end, strict=True)]
    assert sorted(made) == [["i0", "i1", "i2", "i0"], ["i1", "i2"], ["i3", "i4"]]
    assert len(np.unique(found.person)) == 4  # the last of a alone in its session


def test_recency_counts_the_person_s_own_events(tmp_path):
    events = [*REGULAR, ("a", 3, 50), ("b", 1, 51), ("a", 4, 52)]
    found = with_recency(read(tmp_path, events))
    assert found.columns[COUNT].tolist() == [0, 1, 2, 3, 0, 0, 1]


# Queries


def test_an_index_that_is_shared_asks_for_nobody_and_a_person_for_herself(tmp_path):
    events = [*REGULAR, ("a", 3, 50), ("b", 1, 51), ("a", 4, 52)]
    path = tmp_path / "a.csv"
    lines = [f"{u},i{i},{BEGIN + t},at {u}\n" for u, i, t in events]
    path.write_text("u,i,t,place\n" + "".join(lines))
    data = from_file(
        path,
        "u",
        "i",
        timestamp="t",
        history=3,
        min_count={"u": 4},
        columns={"place": "context:string"},
    )
    people = np.array([1, 2, *data.person[4:6]])
    found = data.queries(people, ("u", "history", "place"))
    assert found["u/index"].tolist() == [1, 2, 1, 1]
    items = data.spec.decode("i", found["history/index"]).tolist()
    assert items == [["", "", ""], ["i1", "i2", "i0"], ["i3", "i4", ""], ["i1", "", ""]]
    places = data.spec.decode("place", found["place/index"]).tolist()
    assert places == ["", "at r", "at a", "at b"]


# Joining


def events_of(users, ids) -> Interactions:
    """Events of users by index, 1 being unknown, told apart by ids."""
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=("x", "y")),
            Categorical("item_id", "item", vocabulary=("p", "q")),
        )
    )
    users = np.array(users, np.int32)
    columns = {"user_id": users, "item_id": np.full(len(users), 2, np.int32)}
    persons = Persons.of(spec.user_column, users, np.array(ids, np.int64))
    return Interactions(spec, columns, persons=persons)


def test_joined_events_keep_people_together_and_apart():
    one, other = events_of([1, 2, 1], [50, 0, 90]), events_of([1, 1, 3], [90, 70, 0])
    both = one.concat(other)
    assert both.person.tolist() == [4, 2, 6, 6, 5, 3]  # by fingerprint from 4 on
    assert both.concat(events_of([2], [0])).person.tolist()[-1] == 2
    later = dataclasses.replace(other, past=one, train=one)
    assert later.person.tolist() == [6, 5, 3]
    assert later.past.person.tolist() == later.train.person.tolist() == [4, 2, 6]
    assert later.take(np.array([1])).past.person.tolist() == [4, 2, 6]


def test_parts_of_a_split_share_the_very_people():
    whole = events_of([1, 2, 1, 3], [50, 0, 90, 0])
    train = whole.take(np.arange(2))
    part = whole.take(np.arange(2, 4), past=train, train=train)
    assert part.past is part.train is train
    assert part.people == train.people == 6


def test_events_that_are_told_by_index_alone_are_of_different_people():
    data = events_of([2, 1, 1, 2], [0, 1, 2, 0])
    bare = Interactions(data.spec, data.columns)
    assert len(np.unique(bare.person[1:3])) == 2
    assert bare.person[1:3].min() >= data.spec.user_column.size
    assert bare.person[[0, 3]].tolist() == [2, 2]
    assert not len(np.intersect1d(bare.person[:2], bare.take(np.array([2])).person))
    again = Interactions(data.spec, data.columns)
    assert again.person.tolist() == bare.person.tolist()


def test_people_and_events_must_be_as_many():
    data = events_of([1, 2], [5, 0])
    columns = {name: values[:1] for name, values in data.columns.items()}
    with pytest.raises(ValueError, match="1 events and the people behind 2: take rows"):
        dataclasses.replace(data, columns=columns)


def test_a_row_of_the_table_has_the_events_of_all_who_share_it():
    data = events_of([1, 2, 1, 1], [50, 0, 40, 50])
    data.columns["item_id"][:] = [2, 3, 2, 3]
    assert data.timeline.items.tolist() == [3, 2, 2, 3]  # of x, 40 and 50
    assert data.timeline.start.tolist() == [0, 0, 0, 1, 1, 2, 4]
    assert rows_of(data).items.tolist() == [2, 2, 3, 3]
    assert rows_of(data).start.tolist() == [0, 0, 3, 4, 4]


def test_unknown_users_have_the_index_that_they_share():
    column = Categorical("u", "user", hash_bins=3)
    users, ids = np.array([3, 1, 3], np.int32), np.array([8, 4, 2])
    unknown = UnknownUsers.of(column, users, ids)
    assert unknown.ids.tolist() == [2, 4, 8]
    assert unknown.users(np.array([3, 4, 5, 6])).tolist() == [3, 3, 1, 3]


# Rare users and rare items


def test_users_and_items_have_counts_of_their_own(tmp_path):
    events = [*REGULAR, ("a", 3, 50), ("a", 0, 51), ("b", 3, 52)]
    path = write(tmp_path / "a.csv", events)

    def vocabularies(min_count):
        spec = from_file(path, "u", "i", min_count=min_count).spec
        return spec.user_column.vocabulary, spec.item_column.vocabulary

    every = ("i0", "i1", "i2", "i3")
    assert vocabularies({"u": 2}) == (("a", "r"), every)
    assert vocabularies({"u": 3, "i": 2}) == (("r",), ("i0", "i3"))
    assert vocabularies(2) == (("a", "r"), ("i0", "i3"))
    with pytest.raises(ValueError, match="min_count has a column 'user' that is not"):
        vocabularies({"user": 2})
