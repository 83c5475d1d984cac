import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from tfrec.data import tfrecord
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.data.side_rows import SideRows
from tfrec.data.views import Pairs
from tfrec.datasets import from_file
from tfrec.features import Categorical, FeatureSpec, Numeric

ROLES = ("user", "item", "rating", "time")
COLUMNS = {
    "genres": "item:bag",
    "title": "item:text",
    "age": "user:infer",
    "hour": "context:zscore",
    "device": "infer",
}
MAPPING = Mapping(*ROLES, columns=COLUMNS)
ROWS = 3000


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    """3,000 ratings; genres and title belong to the item, age to the user."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    lines = ["user,item,rating,time,genres,title,age,hour,device"]
    for user, item in zip(
        rng.integers(0, 60, ROWS), rng.zipf(1.3, ROWS) % 90, strict=True
    ):
        genres = "|".join(f"g{g}" for g in range(item % 4))
        fields = (f"u{user}", item, rng.integers(1, 6), rng.integers(0, 2000), genres)
        more = (f"Title {item}", 20 + user % 5, rng.normal(), f"d{rng.integers(0, 3)}")
        lines.append(",".join(map(str, (*fields, *more))))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def memory(ratings):
    return from_file(ratings, *ROLES, columns=COLUMNS, history=None)


@pytest.mark.parametrize("split", ["temporal", "leave_last_out", "random"])
def test_prepared_parts_are_those_of_memory(ratings, memory, tmp_path, split):
    out = prepare(
        ratings,
        tmp_path / "out",
        MAPPING,
        split,
        shuffle=False,
        shard_rows=1000,
        block_bytes=4096,
    )
    assert out.spec.select("genres", "age", "device") == memory.spec.select(
        "genres", "age", "device"
    )
    np.testing.assert_allclose(out.spec["hour"].mean, memory.spec["hour"].mean)
    for part, expected in zip(tfrecord.PARTS, memory.split(split), strict=True):
        found = tfrecord.load(out.directory, part)
        assert len(found) == out.rows[part] == len(expected)
        assert set(found.columns) == set(expected.columns)
        for name, values in expected.columns.items():
            np.testing.assert_array_equal(found.columns[name], values)
        for table, other in (
            (found.items, expected.items),
            (found.users, memory.users),
        ):
            assert set(table) == set(other)
            for name, values in other.items():
                np.testing.assert_array_equal(table[name], values)
        if part == "test":
            assert len(found.past) == len(expected.past)
            np.testing.assert_array_equal(found.train.item, expected.train.item)


def test_shuffled_shards_hold_every_row_once(ratings, tmp_path):
    plain = prepare(ratings, tmp_path / "a", MAPPING, shuffle=False, shard_rows=500)
    out = prepare(ratings, tmp_path / "b", MAPPING, shard_rows=500, seed=3)
    assert out.shards == plain.shards
    assert sorted(p.name for p in out.directory.glob("train*"))[0] == (
        f"train-00000-of-{out.shards['train']:05d}.tfrecord"
    )
    assert not list(out.directory.glob("spill*"))
    found, order = tfrecord.load(out.directory), tfrecord.load(plain.directory)
    key = np.stack([found.user, found.item, found.timestamp])
    expected = np.stack([order.user, order.item, order.timestamp])
    assert not np.array_equal(key, expected)
    sort, other = np.lexsort(key), np.lexsort(expected)
    np.testing.assert_array_equal(key[:, sort], expected[:, other])
    np.testing.assert_allclose(
        np.sort(found.columns["hour"]), np.sort(order.columns["hour"])
    )
    # The validation rows stay in the order of the file.
    np.testing.assert_array_equal(
        tfrecord.load(out.directory, "valid").timestamp,
        tfrecord.load(plain.directory, "valid").timestamp,
    )


def test_a_single_shard_is_in_an_order_of_its_seed(ratings, tmp_path):
    def hours(name: str, **options) -> np.ndarray:
        out = prepare(ratings, tmp_path / name, MAPPING, **options)
        assert out.shards["train"] == 1
        return tfrecord.load(out.directory).columns["hour"]

    plain, one, other = hours("a", shuffle=False), hours("b"), hours("c", seed=1)
    for first, second in ((plain, one), (plain, other), (one, other)):
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(np.sort(first), np.sort(second))


def test_a_side_table_has_the_values_of_the_first_row_over_all_blocks(tmp_path):
    spec = FeatureSpec(
        (
            Categorical("user", "user", vocabulary=("a", "b", "c")),
            Categorical("item", "item", vocabulary=("x",)),
            Numeric("age", "user"),
        ),
        user="user",
        item="item",
    )
    table = SideRows("user", ("age",))
    for users, ages in (
        (["a", "b", "a"], [20, 30, 25]),
        (["b", "c", "c"], [31, 40, 4]),
    ):
        table.add({"user": pa.array(users), "age": pa.array(ages)})
    table.write(tmp_path / "users.parquet", spec)
    found = pq.read_table(tmp_path / "users.parquet").to_pydict()
    assert found == {"user": ["a", "b", "c"], "age": [20, 30, 40]}


@pytest.fixture(scope="module")
def prepared(ratings, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "out"
    return prepare(ratings, out, MAPPING, shuffle=False, shard_rows=700)


def as_numpy(dataset):
    return [tf.nest.map_structure(lambda t: t.numpy(), batch) for batch in dataset]


@pytest.mark.parametrize("part", tfrecord.PARTS)
def test_batches_from_disk_are_those_from_memory(prepared, memory, part):
    records = tfrecord.open(prepared.directory, part)
    events = memory.split()[tfrecord.PARTS.index(part)]
    for view in (Pairs(), Pairs(negatives=2, alpha=0.5)):
        disk = as_numpy(records.batches(view, 256, shuffle=False, seed=1))
        ram = as_numpy(events.batches(view, 256, shuffle=False, seed=1))
        assert len(disk) == len(ram)
        for (features, target), (others, wanted) in zip(disk, ram, strict=True):
            assert set(features) == set(others)
            for name, values in others.items():
                np.testing.assert_array_equal(features[name], values)
            np.testing.assert_array_equal(target, wanted)


def test_records_know_popularity_and_history(prepared, memory):
    records = tfrecord.open(prepared.directory)
    train, _, _ = memory.split()
    assert len(records) == len(train)
    np.testing.assert_array_equal(records.item_counts, train.item_counts)
    np.testing.assert_array_equal(records.known, train.known)
    users = np.arange(2, 20)
    np.testing.assert_array_equal(
        records.timeline.latest(users, 9), train.timeline.latest(users, 9)
    )


def test_held_out_records_know_their_past(prepared, memory):
    assert tfrecord.open(prepared.directory).past is None
    for part, events in zip(tfrecord.PARTS[1:], memory.split()[1:], strict=True):
        records = tfrecord.open(prepared.directory, part)
        np.testing.assert_array_equal(records.past.known, events.past.known)
        np.testing.assert_array_equal(records.train.known, events.train.known)
        assert len(records.past) == len(events.past)


def test_shuffled_epochs_differ_and_are_seeded(prepared):
    def first(seed):
        rows = tfrecord.rows(prepared.directory, "train", 100, shuffle=True, seed=seed)
        return [
            np.concatenate([batch["time"] for batch in rows.as_numpy_iterator()])
            for rows in (rows, rows)
        ]

    one, other = first(0), first(0)
    np.testing.assert_array_equal(np.sort(one[0]), np.sort(one[1]))
    np.testing.assert_array_equal(one[0], other[0])
    assert not np.array_equal(one[0], first(1)[0])
    rows = tfrecord.rows(prepared.directory, "valid", 64)
    assert rows.cardinality() == -(-prepared.rows["valid"] // 64)


def test_rows_of_a_shard_come_in_another_order_in_every_epoch(prepared):
    rows = tfrecord.rows(prepared.directory, "valid", 64, shuffle=True)
    one, other = (
        np.concatenate([batch["time"] for batch in epoch.as_numpy_iterator()])
        for epoch in (rows, rows)
    )
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(np.sort(one), np.sort(other))


def test_shards_come_in_another_order_in_every_epoch(ratings, tmp_path):
    out = prepare(ratings, tmp_path / "out", MAPPING, shuffle=False, shard_rows=100)
    read = tfrecord.open(out.directory).reader(("time", "hour"))

    def block(seed: int) -> list[float]:
        blocks = read(200, True, tf.constant([seed, 0]), None)
        return sorted(next(blocks.as_numpy_iterator())["hour"].tolist())

    assert block(1) == block(1)
    assert block(1) != block(2)


def test_a_column_that_the_records_lack(prepared):
    records = tfrecord.open(prepared.directory)
    with pytest.raises(ValueError, match="hold no 'histry'"):
        records.reader(("user", "histry"))


def test_a_part_without_events_is_read(ratings, tmp_path):
    out = prepare(ratings, tmp_path / "out", MAPPING, valid=0.0, test=0.2).directory
    records, memory = tfrecord.open(out, "valid"), tfrecord.load(out, "valid")
    for part in (records, memory, records.positives):
        assert len(part) == len(part.known) == len(part.person) == 0
        assert len(part.positives) == part.item_counts.sum() == 0
    assert set(memory.columns) == set(records.stored)
    assert memory.timestamp.dtype == np.int64 and memory.label.dtype == np.float32
    test = tfrecord.load(out, "test")
    assert len(test.past) == len(test.train) == len(memory.past) == ROWS - len(test)
    for view in (Pairs(), Pairs(negatives=2)):
        with pytest.raises(ValueError, match="there are no events to learn from"):
            records.batches(view, 8)


def test_truncated_and_damaged_records_are_named(ratings, tmp_path):
    out = prepare(ratings, tmp_path / "out", MAPPING, shard_rows=700).directory
    shard = out / "valid-00000-of-00001.tfrecord"
    whole = shard.read_bytes()
    assert tfrecord.verify(out) == ROWS
    shard.write_bytes(whole[:-7])
    with pytest.raises(ValueError, match=r"valid-00000.*cut off") as error:
        tfrecord.open(out, "valid")
    assert "\n" not in str(error.value)
    middle = len(whole) // 2
    shard.write_bytes(
        whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    )
    with pytest.raises(ValueError, match=r"valid-00000.*truncated or damaged"):
        tfrecord.verify(out)
    with pytest.raises(ValueError, match="truncated or damaged"):
        tfrecord.load(out, "valid")
    shard.unlink()
    with pytest.raises(ValueError, match=r"valid-00000.*is missing"):
        tfrecord.open(out, "valid")


def test_what_is_no_prepared_directory(tmp_path, ratings):
    with pytest.raises(ValueError, match=r"holds no prepared data"):
        tfrecord.open(tmp_path)
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(ValueError, match=r"meta.json is damaged"):
        tfrecord.open(tmp_path)
    (tmp_path / "meta.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(ValueError, match="of schema 99"):
        tfrecord.open(tmp_path)
    with pytest.raises(
        ValueError, match="part 'vald' is unknown; did you mean 'valid'"
    ):
        tfrecord.open(tmp_path, "vald")


def test_failures_leave_nothing_behind(ratings, tmp_path):
    bad = tmp_path / "bad.csv"
    # Sound for the split, wrong in its last line, which the first pass meets last.
    bad.write_text(ratings.read_text() + "\nu1,1,5,10,,t,20,noon,d1\n")
    with pytest.raises(ValueError, match="line 3002, column 'hour': 'noon' is text"):
        prepare(bad, tmp_path / "out", MAPPING)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize("shuffle", ["True", "False"])
def test_a_disk_that_fills_up_leaves_nothing_behind(
    ratings, tmp_path, run_python, shuffle
):
    code = """
        import resource, sys
        from tfrec.data.mapping import Mapping
        from tfrec.data.prepare import prepare
        # No file may grow beyond ten kilobytes; writing more fails like a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        mapping = Mapping("user", "item", "rating", "time")
        try:
            prepare(sys.argv[1], sys.argv[2], mapping, shuffle=sys.argv[3] == "True")
        except ValueError as error:
            print(error)
    """
    said = run_python(code, ratings, tmp_path / "out", shuffle).strip()
    assert re.fullmatch(r"writing to .*out failed \(.*\) and nothing was kept.*", said)
    assert not list(tmp_path.iterdir())


def test_directories_are_replaced_only_when_asked(ratings, tmp_path):
    out = tmp_path / "out"
    prepare(ratings, out, MAPPING)
    with pytest.raises(ValueError, match="pass overwrite=True"):
        prepare(ratings, out, MAPPING)
    prepare(ratings, out, MAPPING, "random", overwrite=True)
    assert tfrecord.read_meta(out)["split"]["how"] == "random"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="something other than prepared data"):
        prepare(ratings, other, MAPPING, overwrite=True)
    assert (other / "thesis.txt").exists()


def test_options_of_the_split_are_checked(ratings, tmp_path):
    with pytest.raises(ValueError, match="'leave_last_out' takes no 'valid'"):
        prepare(ratings, tmp_path / "out", MAPPING, "leave_last_out", valid=0.1)
    with pytest.raises(ValueError, match="did you mean 'temporal'"):
        prepare(ratings, tmp_path / "out", MAPPING, "temporl")
    with pytest.raises(ValueError, match="needs event times"):
        prepare(ratings, tmp_path / "out", Mapping("user", "item"))
