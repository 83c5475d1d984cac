"""``serving.load`` and its refusals."""

import shutil

import numpy as np
import pytest

from tfrec import serving
from tfrec.errors import ConfigError
from tfrec.serving.export import EXTRA


def test_a_directory_that_is_no_export(neumf, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    (tmp_path / "numbered" / "3").mkdir(parents=True)
    for name in ("missing", "empty", "file", "numbered"):
        place = tmp_path / name / "3" if name == "numbered" else tmp_path / name
        with pytest.raises(ValueError, match=f"'{place}' is no exported model: give"):
            serving.load(tmp_path / name)


@pytest.mark.parametrize(
    "lost",
    [
        f"{EXTRA}/spec.json",
        f"{EXTRA}/config.json",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ],
)
def test_a_damaged_export(neumf, tmp_path, lost):
    version = tmp_path / "1"
    shutil.copytree(neumf.version, version)
    (version / lost).unlink()
    with pytest.raises(ValueError, match=f"'{version}' is damaged or not written by"):
        serving.load(tmp_path)


@pytest.mark.parametrize("name", ["saved_model.pb", f"{EXTRA}/config.json"])
def test_half_a_file(neumf, tmp_path, name):
    version = tmp_path / "1"
    shutil.copytree(neumf.version, version)
    content = (version / name).read_bytes()
    (version / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="is damaged or not written by tfrec"):
        serving.load(version)


def test_arrays_and_lists_ask_the_same(export):
    features = export.queries(3)
    listed = export.served.recommend(features, k=4, exclude=export.taken(3))
    arrays = {name: np.array(values) for name, values in features.items()}
    taken = np.array(export.taken(3))
    result = export.served.recommend(arrays, k=np.int64(4), exclude=taken)
    np.testing.assert_array_equal(result.item_id, listed.item_id)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"history": None}, r"TwoTower reads column 'history'.*features\['history'\]"),
        ({"devise": ["phone"] * 2}, "no query column 'devise'; did you mean 'device'"),
        ({"genres": [["drama"]] * 2}, "no query column 'genres'; known: age, device"),
        ({"device": ["phone"]}, "'device' has 1 rows for 2 queries"),
        ({"user_id": [1, 2]}, "'user_id' cannot be read as string"),
        (
            {"user_id": "u1"},
            "'user_id' cannot be read as string.*give a list of values",
        ),
        ({"history": ["m1", "m2"]}, "'history' cannot be read.*'m1' is no list"),
        ({"age": ["young", "old"]}, "'age' cannot be read as int64"),
    ],
)
def test_features_that_do_not_fit(two_tower, change, words):
    features = {**two_tower.queries(2), **change}
    features = {k: v for k, v in features.items() if v is not None}
    with pytest.raises(ValueError, match=words):
        two_tower.served.recommend(features)


@pytest.mark.parametrize("k", [0, 31])
def test_k_that_the_catalogue_cannot_fill(export, k):
    with pytest.raises(ValueError, match=f"k={k} is not between 1 and .* 30 items"):
        export.served.recommend(export.queries(1), k=k)


@pytest.mark.parametrize("k", [2.5, 3.0, "3", None])
def test_k_that_is_no_whole_number(export, k):
    with pytest.raises(ConfigError, match=rf"k={k!r} is no whole number: choose one"):
        export.served.recommend(export.queries(1), k=k)


def test_exclude_for_other_queries(export):
    with pytest.raises(ValueError, match="'exclude' has 1 rows for 2 queries"):
        export.served.recommend(export.queries(2), exclude=[export.items[:1]])
    with pytest.raises(ValueError, match="'exclude' cannot be read"):
        export.served.recommend(export.queries(1), exclude=["m1"])


def test_the_same_refusals_in_process(two_tower):
    """Models take raw features through the same door."""
    features = two_tower.queries(2)
    recommend = two_tower.model.recommend
    with pytest.raises(ValueError, match="'m1' is no list"):
        recommend({**features, "history": ["m1", "m2"]})
    with pytest.raises(ValueError, match="'exclude' has 1 rows for 2 queries"):
        recommend(features, exclude=[["m1"]])
    ragged = recommend({**features, "history": [["m1"], ["m2", "m3"]]}, k=3)
    padded = recommend({**features, "history": [["m1", ""], ["m2", "m3"]]}, k=3)
    np.testing.assert_array_equal(ragged.item_id, padded.item_id)
