import json
import lzma

import numpy as np
import pytest

from tfrec import datasets
from tfrec.data.views import Positives

EVENTS = "10 7 3 12\n2 3 7\n5 12 3 4 7\n"
ATTRIBUTES = {"3": [1, 9, 8, 9], "7": [2, 9], "12": [1], "99": [5, 6]}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "amazon"
    folder.mkdir()
    (folder / "Sports_and_Outdoors.txt").write_text(EVENTS)
    (folder / "Sports_and_Outdoors_item2attributes.json.xz").write_bytes(
        lzma.compress(json.dumps(ATTRIBUTES).encode())
    )
    return folder


def test_sequences_and_attributes(folder):
    data = datasets.load("amazon/sports", folder.parent, history=3)
    spec = data.spec
    assert spec.user_column.vocabulary == ("2", "5", "10")
    assert spec.item_column.vocabulary == ("3", "4", "7", "12")
    assert data.raw("user_id").tolist() == ["10"] * 3 + ["2"] * 2 + ["5"] * 4
    expected = ["7", "3", "12", "3", "7", "12", "3", "4", "7"]
    assert data.raw("item_id").tolist() == expected
    assert data.timestamp.dtype == np.int64
    assert data.seconds.tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert (spec.label, spec.history.max_len) == (None, 3)
    # Rows of the item tables: padding, unknown, then 3, 4, 7 and 12.
    brands = spec.decode("brand", data.items["brand"])
    assert brands.tolist() == ["", "", "1", "", "2", "1"]
    categories = spec.decode("categories", data.items["categories"])
    nothing = ["", ""]
    rows = [nothing, nothing, ["9", "8"], nothing, ["9", ""], nothing]
    assert categories.tolist() == rows
    # Of items outside the sequences nothing is learned.
    assert spec["brand"].vocabulary == ("1", "2")


def test_histories_never_look_ahead(folder):
    data = datasets.load("amazon/sports", folder.parent)
    train, valid, test = data.split("leave_last_out")
    assert sorted(test.raw("item_id")) == ["12", "7"]
    assert sorted(valid.raw("item_id")) == ["3", "4"]
    # Users of fewer than three events stay in train.
    assert sorted(train.raw("user_id")) == ["10", "2", "2", "5", "5"]
    user = data.spec.encode("user_id", ["5"])
    training, all_before = ["12", "3"], ["12", "3", "4"]
    parts = (valid, training), (test, training), (test.refitted(), all_before)
    for part, past in parts:
        found = part.queries(user, ("history",))["history/index"][0]
        assert data.spec.decode("item_id", found[found > 0]).tolist() == past


def test_training_histories_hold_earlier_items_only(folder):
    data = datasets.load("amazon/sports", folder.parent)
    sequences = {line.split()[0]: line.split()[1:] for line in EVENTS.splitlines()}
    (batch,) = data.batches(Positives(), 9)
    raw = {
        name: data.spec.decode("item_id", batch[f"{name}/index"].numpy()).tolist()
        for name in ("history", "item_id")
    }
    users = data.spec.decode("user_id", batch["user_id/index"].numpy())
    for user, history, item in zip(users, raw["history"], raw["item_id"], strict=True):
        seen = [*filter(None, history)]
        assert sequences[user][: len(seen) + 1] == [*seen, item]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("txt", "1 2 3\n4 x 5\n", r"line 2 is not a user and items.*'4 x 5'"),
        ("txt", "1 2 3\n4\n", "line 2 is not a user and items"),
        ("txt", "1 2  3\n", "line 1 is not a user and items"),
        ("txt", "", "line 1 is not a user and items"),
        ("txt", "1 2 3\n4 5\n1 6\n", "line 3 is another line of user 1"),
        ("json", "{", r"is not a JSON object of items and lists"),
        ("json", '{"3": ["a"]}', r"is not a JSON object of items and lists"),
        ("json", "[1]", r"is not a JSON object of items and lists"),
    ],
)
def test_files_of_another_form_are_refused(folder, name, text, message):
    suffix = ".txt" if name == "txt" else "_item2attributes.json"
    (folder / f"Sports_and_Outdoors{suffix}").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        datasets.load("amazon/sports", folder.parent)
    assert "\n" not in str(error.value)


def test_a_missing_or_damaged_file_is_named(folder):
    packed = folder / "Sports_and_Outdoors_item2attributes.json.xz"
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"attributes.json.xz is damaged"):
        datasets.load("amazon/sports", folder.parent)
    packed.unlink()
    with pytest.raises(ValueError, match=r"needs amazon/Sports_.*attributes.json"):
        datasets.load("amazon/sports", folder.parent)


def test_the_published_files(data_folder):
    if not (data_folder / "amazon").is_dir():
        pytest.skip(f"no folder amazon in {data_folder}")
    data = datasets.load("amazon/sports", data_folder)
    spec = data.spec
    assert len(data) == 296_337
    assert len(spec.user_column.vocabulary) == 35_598
    assert len(spec.item_column.vocabulary) == 18_357
    assert len(spec["brand"].vocabulary) == 1_176
    assert len({*spec["brand"].vocabulary, *spec["categories"].vocabulary}) == 2_277
    assert spec["categories"].max_len == 15
    assert spec["brand"].vocabulary[0] == "23"
    _, valid, test = data.split("leave_last_out")
    assert len(valid) == len(test) == 35_598
    # First line of the file: 1 1 2 3 4 5 6 7 8
    user = spec.encode("user_id", ["1"])
    found = test.queries(user, ("history",))["history/index"][0]
    assert spec.decode("item_id", found[:8]).tolist() == [*"123456", "", ""]
    assert test.raw("item_id")[test.user == user].tolist() == ["8"]
