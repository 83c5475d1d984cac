import lzma

import numpy as np
import pytest

from tfrec import datasets

CONTEXT = " 50:1 60:1 70:1 75:1 80:1 85:1 90:1 {}:1\n"
ROWS = {
    "train": ["1 1:1 10:1", "-1 1:1 11:1", "-1 2:1 12:1"],
    "validation": ["1 2:1 10:1", "-1 3:1 11:1"],
    "test": ["-1 1:1 13:1"],
}


def text(rows, city=95):
    return "".join(row + CONTEXT.format(city) for row in rows)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "frappe"
    folder.mkdir()
    (folder / "frappe.train.resampled.libfm").write_text(text(ROWS["train"]))
    packed = lzma.compress(text(ROWS["validation"]).encode())
    (folder / "frappe.validation.libfm.xz").write_bytes(packed)
    (folder / "frappe.test.libfm").write_text(text(ROWS["test"], city=96))
    return folder


def test_parts_share_the_vocabulary_of_train(folder):
    split = datasets.load("frappe", folder.parent)
    train, valid, test = split.train, split.valid, split.test
    assert train.spec is valid.spec is test.spec
    assert train.spec.user_column.vocabulary == ("1", "2")
    assert [c.name for c in train.spec.on("context")] == [
        "daytime",
        "weekday",
        "isweekend",
        "homework",
        "cost",
        "weather",
        "country",
        "city",
    ]
    assert (train.spec.label, train.spec.timestamp) == ("click", None)
    assert train.label.dtype == np.float32
    assert train.label.tolist() == [1, 0, 0]
    assert train.raw("item_id").tolist() == ["10", "11", "12"]
    assert valid.raw("user_id").tolist() == ["2", ""]
    # What train lacks is out of vocabulary, index 1.
    assert valid.user.tolist() == [3, 1]
    assert (test.item.tolist(), test.columns["city"].tolist()) == ([1], [1])
    assert valid.past is valid.train
    assert valid.train.columns is test.train.columns is train.columns
    assert len(test.past) == 5


def test_the_official_train_file_is_preferred(folder):
    (folder / "frappe.train.libfm").write_text(text(ROWS["train"][:1]))
    assert len(datasets.load("frappe", folder.parent).train) == 1


def test_what_is_missing_or_wrong_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("TFREC_DATA_DIR", raising=False)
    with pytest.raises(ValueError, match=r"from the folder 'frappe' .* pass data_dir"):
        datasets.load("frappe")
    path = folder / "frappe.test.libfm"
    path.write_text(text(["1 1:1 10:1", "2 1:1 10:1"]))
    with pytest.raises(ValueError, match=r"test.libfm line 2 has label 2, not -1 or 1"):
        datasets.load("frappe", tmp_path)
    path.write_text("1 1:1 10:1\n")
    with pytest.raises(ValueError, match=r"test.libfm does not have the 10 fields"):
        datasets.load("frappe", tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"needs frappe/frappe.test.libfm \(plain or"):
        datasets.load("frappe", tmp_path)


def test_the_published_files(data_folder):
    if not (data_folder / "frappe").is_dir():
        pytest.skip(f"no folder frappe in {data_folder}")
    split = datasets.load("frappe", data_folder)
    official = (data_folder / "frappe" / "frappe.train.libfm").exists()
    assert len(split.train) == (202_027 if official else 202_794)
    assert (len(split.valid), len(split.test)) == (57_722, 28_860)
    for part in (split.train, split.valid, split.test):
        assert part.label.mean() == pytest.approx(1 / 3, abs=0.01)
        assert part.item.min() >= part.spec.item_column.first
    assert len(split.train.spec.item_column.vocabulary) == 4_082
