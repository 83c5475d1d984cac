import lzma

import numpy as np
import pytest

from tfrec import datasets
from tfrec.data.views import Positives

HEAD = "SessionId\tItemId\tTime\n"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "sessions"
    folder.mkdir()
    (folder / "diginetica.train.txt").write_text("5 6 7\n8 5 9\n")
    packed = lzma.compress(b"7 5 6\n10 8 5 7\n")
    (folder / "diginetica.test.txt.xz").write_bytes(packed)
    train = "3\t50\t9.5\n3\t60\t11.0\n9\t50\t7.25\n9\t70\t8\n"
    (folder / "rsc15-100k.train.txt").write_text(HEAD + train)
    test = "4\t60\t20\n4\t50\t21.5\n4\t70\t21.9\n6\t60\t30\n"
    (folder / "rsc15-100k.test.txt").write_text(HEAD + test)
    return folder


def test_diginetica_predicts_the_last_of_each_test_session(folder):
    split = datasets.load("sessions/diginetica", folder.parent, history=2)
    train, test = split.train, split.test
    assert train.spec.user == "session_id" and train.spec.timestamp is None
    assert train.raw("session_id").tolist() == ["0"] * 3 + ["1"] * 3
    assert train.raw("item_id").tolist() == ["5", "6", "7", "8", "5", "9"]
    assert test.raw("session_id").tolist() == ["2", "3"]
    assert test.raw("item_id").tolist() == ["6", "7"]
    assert test.train is train
    found = test.queries(test.user, ("history",))["history/index"]
    items = test.spec.decode("item_id", found)
    assert items.tolist() == [["7", "5"], ["8", "5"]]


def test_rsc15_predicts_every_click_but_the_first(folder):
    split = datasets.load("sessions/rsc15", folder.parent, history=3)
    train, test = split.train, split.test
    assert train.raw("session_id").tolist() == ["9", "9", "3", "3"]
    assert train.seconds.tolist() == [7, 8, 9, 11]
    assert test.raw("item_id").tolist() == ["50", "70"]
    histories = test.spec.decode("item_id", test.columns["history"])
    assert histories.tolist() == [["60", "", ""], ["60", "50", ""]]
    assert test.past is test.train is train
    batch = next(iter(train.batches(Positives(), 4, shuffle=False)))
    assert batch["item_id/index"].shape == (4,)


def test_rsc15_says_what_it_sorted_and_left_out(folder):
    test = "4\t60\t20\n4\t50\t21.5\n4\t50\t21.9\n4\t70\t20.5\n"
    (folder / "rsc15-100k.test.txt").write_text(HEAD + test)
    with pytest.warns(UserWarning, match=r"1 events .* were sorted, 1 repeated"):
        split = datasets.load("sessions/rsc15", folder.parent)
    assert split.test.raw("item_id").tolist() == ["70", "50"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("diginetica.train.txt", "5 6\n7 x\n", "line 2 is not items, numbers with"),
        ("diginetica.train.txt", "5  6\n", "line 1 is not items, numbers with one"),
        ("rsc15-100k.test.txt", HEAD + "4\t60\tx\n", "is not tab-separated clicks"),
        ("rsc15-100k.test.txt", HEAD + "4\t\t5\n", "is not tab-separated clicks"),
        ("rsc15-100k.test.txt", "a\tb\n1\t2\n", "has the columns a, b and 1 lines"),
        ("rsc15-100k.test.txt", HEAD + "3\t60\t5\n", "session 3 stands in .* and in"),
    ],
)
def test_what_is_wrong_is_named(folder, name, text, message):
    (folder / name).write_text(text)
    which = "sessions/rsc15" if "rsc15" in name else "sessions/diginetica"
    with pytest.raises(ValueError, match=message):
        datasets.load(which, folder.parent)


def test_what_is_missing_is_named(folder):
    (folder / "diginetica.train.txt").unlink()
    with pytest.raises(ValueError, match="sessions/diginetica needs "):
        datasets.load("sessions/diginetica", folder.parent)


def test_the_files_of_the_data_folder(data_folder):
    if not (data_folder / "sessions").is_dir():
        pytest.skip(f"no folder sessions in {data_folder}")
    split = datasets.load("sessions/diginetica", data_folder)
    assert (len(split.train), len(split.test)) == (417_360, 51_953)
    assert len(split.test.past) == 417_360 + 279_497 - 51_953
    with pytest.warns(UserWarning, match="146 repeated an item within the second"):
        split = datasets.load("sessions/rsc15", data_folder)
    assert len(split.train) == 70_278 - 146
    assert (len(split.test), len(np.unique(split.test.user))) == (10_107, 3_402)
