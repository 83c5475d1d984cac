import lzma

import numpy as np
import pytest

from tfrec import datasets
from tfrec.data.views import Positives


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "gowalla"
    folder.mkdir()
    (folder / "train.txt").write_text("0 5 6 7 8\n1 5\n2 6 9\n")
    (folder / "test.txt.xz").write_bytes(lzma.compress(b"0 9\n1 6 10\n"))
    return folder


def test_both_parts_share_their_ids(folder):
    split = datasets.load("gowalla", folder.parent, history=3)
    train, test = split.train, split.test
    assert train.spec is test.spec
    assert train.spec.item_column.vocabulary == ("5", "6", "7", "8", "9", "10")
    assert train.raw("user_id").tolist() == ["0"] * 4 + ["1"] + ["2"] * 2
    assert train.raw("item_id").tolist() == ["5", "6", "7", "8", "5", "6", "9"]
    assert test.raw("item_id").tolist() == ["9", "6", "10"]
    assert test.past is test.train is train
    assert (train.spec.timestamp, train.spec.history.max_len) == (None, 3)


def test_a_history_holds_the_other_items_and_never_its_own(folder):
    train = datasets.load("gowalla", folder.parent, history=5).train
    batch = next(iter(train.batches(Positives(), 7, shuffle=False)))
    own, history = batch["item_id/index"].numpy(), batch["history/index"].numpy()
    of_user = {user: set(own[train.user == user]) for user in train.user}
    for row, user in enumerate(train.user):
        held = set(history[row][history[row] > 0])
        assert held == of_user[user] - {own[row]}
        assert np.count_nonzero(history[row]) == len(held)


def test_short_histories_differ_between_the_events_of_a_user(folder):
    train = datasets.load("gowalla", folder.parent, history=2).train
    batch = next(iter(train.batches(Positives(), 7, shuffle=False)))
    items = train.spec.decode("item_id", batch["history/index"].numpy()[:4])
    assert items.tolist() == [["6", "7"], ["7", "8"], ["8", "5"], ["5", "6"]]


def test_what_is_asked_of_a_user_is_the_whole_of_train(folder):
    test = datasets.load("gowalla", folder.parent).test
    found = test.queries(np.array([2]), ("history",))["history/index"][0]
    assert test.spec.decode("item_id", found[found > 0]).tolist() == list("5678")


def test_what_is_missing_or_wrong_is_named(folder, tmp_path):
    (folder / "train.txt").write_text("0 5 6\n1\n")
    with pytest.raises(ValueError, match=r"train.txt line 2 is not a user and items"):
        datasets.load("gowalla", tmp_path)
    (folder / "train.txt").write_text("0 5 6\n0 7\n")
    with pytest.raises(ValueError, match=r"train.txt line 2 is another line of user 0"):
        datasets.load("gowalla", tmp_path)
    (folder / "train.txt").unlink()
    with pytest.raises(ValueError, match=r"gowalla needs gowalla/train.txt \(plain or"):
        datasets.load("gowalla", tmp_path)


def test_the_published_files(data_folder):
    if not (data_folder / "gowalla").is_dir():
        pytest.skip(f"no folder gowalla in {data_folder}")
    split = datasets.load("gowalla", data_folder)
    assert (len(split.train), len(split.test)) == (810_128, 217_242)
    spec = split.train.spec
    assert len(spec.user_column.vocabulary) == 29_858
    assert len(spec.item_column.vocabulary) == 40_981
