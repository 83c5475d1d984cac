import lzma

import numpy as np
import pytest

from tfrec import datasets

WORDS = "xylem\nm-estimators\ntestbeds\nbiopython"
ARTICLES = "2 0:1 3:2\n3 1:1 2:3 0:1\n0\n1 3:1\n"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "citeulike-t"
    (folder / "P1").mkdir(parents=True)
    (folder / "P10").mkdir()
    (folder / "mult.dat").write_text(ARTICLES)
    (folder / "vocabulary.dat.xz").write_bytes(lzma.compress(WORDS.encode()))
    (folder / "P1" / "train_P1_1.dat").write_text("1 3\r\n1 0\r\n1 1\r\n")
    (folder / "P1" / "test_P1_1.dat").write_text("2 0 2\r\n1 1\r\n1 3\r\n")
    (folder / "P10" / "train_P10_1.dat").write_text("\r\n2 0 1\r\n\r\n")
    (folder / "P10" / "test_P10_1.dat").write_text("\r\n1 3\r\n\r\n")
    return folder


def test_libraries_in_both_parts(folder):
    split = datasets.load("citeulike-t", folder.parent, p=1)
    train, test = split.train, split.test
    assert train.spec is test.spec
    assert train.spec.user_column.vocabulary == ("0", "1", "2")
    assert train.spec.item_column.vocabulary == ("0", "1", "2", "3")
    assert train.raw("item_id").tolist() == ["3", "0", "1"]
    assert test.raw("user_id").tolist() == ["0", "0", "1", "2"]
    assert test.raw("item_id").tolist() == ["0", "2", "1", "3"]
    assert test.past is test.train is train
    sparse = datasets.load("citeulike-t", folder.parent)  # p=10
    assert sparse.train.spec.user_column.vocabulary == ("0", "1", "2")
    assert sparse.train.raw("user_id").tolist() == ["1", "1"]
    assert sparse.test.raw("item_id").tolist() == ["3"]


def test_words_stand_as_often_as_they_occur(folder):
    train = datasets.load("citeulike-t", folder.parent, p=1, words=5).train
    column, bags = train.spec["text"], train.items["text"]
    words = np.array([""] * column.first + list(column.vocabulary))
    rows = [[w for w in words[bag] if w] for bag in bags]
    assert rows[: column.first] == [[], []]
    assert rows[2:] == [
        ["xylem", "biopython", "biopython"],
        ["m-estimators", "testbeds", "xylem", "testbeds", "testbeds"],
        [],
        ["biopython"],
    ]


def test_a_cut_takes_repetitions_first(folder):
    train = datasets.load("citeulike-t", folder.parent, p=1, words=3).train
    assert len(set(train.items["text"][3].tolist())) == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mult.dat", "2 0:1 3:2\n2 1:1\n", "line 2 is not a number of entries"),
        ("mult.dat", "1 0:x\n", "line 1 is not a number of entries"),
        ("mult.dat", "1 9:1\n0\n0\n0\n", "has word 9 and the vocabulary holds 4"),
        ("P1/test_P1_1.dat", "1 4\n", "has article 4 and mult.dat holds 4"),
        ("P1/train_P1_1.dat", "1 1\n1 1 2\n", "line 2 is not a number of entries"),
        ("P1/train_P1_1.dat", "x 1\n", "line 1 is not a number of entries"),
    ],
)
def test_files_of_another_form_are_refused(folder, name, text, message):
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        datasets.load("citeulike-t", folder.parent, p=1)
    assert "\n" not in str(error.value)


def test_what_is_missing_is_named(folder):
    with pytest.raises(ValueError, match="has splits of p=1 and p=10, not 5"):
        datasets.load("citeulike-t", folder.parent, p=5)
    (folder / "mult.dat").unlink()
    with pytest.raises(ValueError, match=r"citeulike-t needs citeulike-t/mult.dat"):
        datasets.load("citeulike-t", folder.parent)


@pytest.mark.parametrize(
    ("p", "train", "test"), [(1, 7_947, 126_913), (10, 28_410, 81_461)]
)
def test_the_published_files(data_folder, p, train, test):
    if not (data_folder / "citeulike-t").is_dir():
        pytest.skip(f"no folder citeulike-t in {data_folder}")
    split = datasets.load("citeulike-t", data_folder, p=p)
    assert (len(split.train), len(split.test)) == (train, test)
    spec, bags = split.train.spec, split.train.items["text"]
    assert len(spec.user_column.vocabulary) == 7_947
    assert len(spec.item_column.vocabulary) == 25_975
    assert spec["text"].vocabulary[:2] == ("xylem", "passively")
    assert bags.shape == (25_977, 200)
    # First line of the file: 21 words, of which 1028 occurs three times, 15112 four.
    first = bags[2] - spec["text"].first
    assert [np.sum(first == word) for word in (10620, 1028, 15112)] == [1, 3, 4]
    assert len(np.unique(first[first >= 0])) == 21
