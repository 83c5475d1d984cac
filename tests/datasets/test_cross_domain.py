import lzma

import pytest

from tfrec import datasets


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "cross-domain"
    folder.mkdir()
    (folder / "food-kitchen.txt").write_text("4 7|50 9|40 8|50\n2 9|60 7|70\n")
    packed = lzma.compress(b"item_id\tdomain\n9\t1\n7\t0\n8\t0\n30\t1\n")
    (folder / "food-kitchen.items.txt.xz").write_bytes(packed)
    return folder


def test_events_have_times_and_items_a_domain(folder):
    data = datasets.load("amazon/food-kitchen", folder.parent, history=4)
    assert data.raw("user_id").tolist() == ["4"] * 3 + ["2"] * 2
    assert data.raw("item_id").tolist() == ["7", "9", "8", "9", "7"]
    assert data.seconds.tolist() == [50, 40, 50, 60, 70]
    assert data.spec.item_column.vocabulary == ("7", "8", "9", "30")
    domains = data.spec.decode("domain", data.items["domain"])
    assert domains.tolist() == ["", "", "food", "food", "kitchen", "kitchen"]
    assert data.spec.history.max_len == 4


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "food-kitchen.txt",
            "4 7|50\n2 9\n",
            r"line 2 .* a time after each item: '2 9'",
        ),
        ("food-kitchen.txt", "4|1 7|50\n", "line 1 is not a user and items"),
        ("food-kitchen.txt", "4 7|50\n4 9|1\n", "line 2 is another line of user 4"),
        ("food-kitchen.txt", "4 5|50\n", "item 5 of .* has no domain in cross-domain"),
        (
            "food-kitchen.items.txt",
            "item_id\tdomain\n7\t2\n",
            "line 2 is not an item, a",
        ),
        ("food-kitchen.items.txt", "7\t0\n8\t1\n", "line 2 is not an item, a tab"),
        (
            "food-kitchen.items.txt",
            "item_id\tdomain\nx\t1\n",
            "item 'x', which is no nu",
        ),
    ],
)
def test_what_is_wrong_is_named(folder, name, text, message):
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        datasets.load("amazon/food-kitchen", folder.parent)


def test_the_files_of_the_data_folder(data_folder):
    if not (data_folder / "cross-domain").is_dir():
        pytest.skip(f"no folder cross-domain in {data_folder}")
    data = datasets.load("amazon/food-kitchen", data_folder)
    assert len(data) == 173_548
    assert len(data.spec.user_column.vocabulary) == 7_144
    assert len(data.spec.item_column.vocabulary) == 28_095
