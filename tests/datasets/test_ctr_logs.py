import gzip
import lzma

import numpy as np
import pytest

from tfrec import datasets
from tfrec.data.prepare import prepare
from tfrec.datasets.ctr_logs import AVAZU
from tfrec.features import Numeric


def criteo_row(label, numbers, categories):
    """A line whose first columns are given and whose others are the same."""
    numbers = [*numbers, *["3"] * (13 - len(numbers))]
    categories = [*categories, *["ab"] * (26 - len(categories))]
    return "\t".join([label, *numbers, *categories]) + "\n"


CRITEO = "".join(
    [
        criteo_row("0", ["1", "-1"], ["a", "x", "q1"]),
        criteo_row("1", ["", "7"], ["a", "", "q2"]),
        criteo_row("0", ["4", "0"], ["b", "x", "q1"]),
    ]
)
ROLES = {"user": "C3", "item": "C1"}


@pytest.fixture
def criteo_file(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text(CRITEO)
    return path


def test_criteo_columns(criteo_file):
    data = datasets.criteo(criteo_file, hash_bins=1000, **ROLES)
    spec = data.spec
    assert (spec.user, spec.item, spec.label) == ("C3", "C1", "label")
    assert spec.timestamp is None
    assert data.label.tolist() == [0, 1, 0]
    assert data.raw("C1").tolist() == ["a", "a", "b"]
    assert len(spec.columns) == 13 + 26
    assert {c.hash_bins for c in spec.columns if c.name in ("C2", "C3")} == {1000}
    np.testing.assert_array_equal(data.columns["I1"], [1, np.nan, 4])
    # Negative counts are as 0, missing ones are left out.
    expected = Numeric("I1", normalisation="log").fit(np.array([1.0, 4.0]))
    assert spec["I1"].mean == pytest.approx(expected.mean)
    assert spec["I2"].mean == pytest.approx(np.log1p([0, 7, 0]).mean())
    assert len(set(data.user)) == 2


def test_a_missing_category_is_a_value_of_its_own(criteo_file):
    data = datasets.criteo(criteo_file, hash_bins=1000, **ROLES)
    found = data.columns["C2"]
    np.testing.assert_array_equal(found, data.spec.encode("C2", ["x", "missing", "x"]))
    assert found.min() > 0
    assert found[0] != found[1]
    as_item = datasets.criteo(criteo_file, hash_bins=1000, user="C3", item="C2")
    assert as_item.raw("C2").tolist() == ["x", "missing", "x"]


def test_a_large_criteo_log_is_prepared(criteo_file, tmp_path):
    criteo_file.write_text(CRITEO * 10)
    mapping = datasets.criteo_mapping(hash_bins=1000, **ROLES)
    done = prepare(criteo_file, tmp_path / "out", mapping, "random", format="tsv")
    data = datasets.criteo(criteo_file, hash_bins=1000, **ROLES)
    assert done.spec == data.spec
    assert sum(done.rows.values()) == 30


def avazu_row(click, hour, **given):
    values = dict.fromkeys(AVAZU, "v") | given
    return ",".join(["99", click, hour, *values.values()]) + "\n"


AVAZU_LOG = ",".join(["id", "click", "hour", *AVAZU]) + "\n"
AVAZU_LOG += avazu_row("0", "14102100", device_ip="d1", site_id="s1", C20="-1")
AVAZU_LOG += avazu_row("1", "14102623", device_ip="d2", site_id="s2", C20="7")


@pytest.fixture
def avazu_file(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(AVAZU_LOG)
    return path


def test_avazu_columns(avazu_file):
    data = datasets.avazu(avazu_file, hash_bins=1000)
    spec = data.spec
    assert (spec.user, spec.item, spec.label) == ("device_ip", "site_id", "click")
    assert data.label.tolist() == [0, 1]
    assert data.raw("site_id").tolist() == ["s1", "s2"]
    # date -u -d '2014-10-21 00:00' +%s and '2014-10-26 23:00', a Tuesday and a Sunday
    assert data.seconds.tolist() == [1413849600, 1414364400]
    assert data.raw("hour_of_day").tolist() == [0, 23]
    assert data.raw("weekday").tolist() == [1, 6]
    assert not {"id", "hour"} & {c.name for c in spec.columns}
    # -1 is an id among strings.
    assert data.columns["C20"].min() > 0
    assert spec.synthetic(3)["weekday"].dtype == np.int64


def test_apps_may_be_the_items(avazu_file):
    data = datasets.avazu(avazu_file, user="device_id", item="app_id")
    assert data.raw("app_id").tolist() == ["v", "v"]
    assert data.spec["site_id"].hash_bins == 1 << 20


def test_wrong_roles_and_values(criteo_file, avazu_file):
    with pytest.raises(ValueError, match="user='I1' is no categorical column of the"):
        datasets.criteo(criteo_file, user="I1")
    with pytest.raises(ValueError, match=r"item='app_ids' .*did you mean 'app_id'"):
        datasets.avazu(avazu_file, item="app_ids")
    criteo_file.write_text(CRITEO + "1\t2\n")
    with pytest.raises(ValueError, match="line 4 has 2 fields and the header names 40"):
        datasets.criteo(criteo_file)
    criteo_file.write_text(CRITEO + criteo_row("1", ["many"], []))
    with pytest.raises(ValueError, match="line 4, column 'I1': 'many' is text"):
        datasets.criteo(criteo_file)
    avazu_file.write_text(AVAZU_LOG + avazu_row("0", "2014102100"))
    with pytest.raises(ValueError, match="line 4, column 'hour': '2014102100' is no"):
        datasets.avazu(avazu_file)


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        ("criteo", "train.txt", CRITEO),
        ("avazu", "train.csv", AVAZU_LOG),
        ("avazu", "train.gz", None),
    ],
)
def test_logs_by_name_prefer_the_original_file(tmp_path, name, file, text):
    with pytest.raises(ValueError, match=f"{name} needs {name}/train"):
        datasets.load(name, tmp_path)
    sample, original = tmp_path / "ctr-samples", tmp_path / name
    sample.mkdir()
    original.mkdir()
    whole = (text or AVAZU_LOG).encode()
    one_more = whole + whole.splitlines(keepends=True)[-1]
    (sample / f"{name}.csv.xz").write_bytes(lzma.compress(whole))
    count = len(datasets.load(name, tmp_path, hash_bins=100))
    if file.endswith(".gz"):
        one_more = gzip.compress(one_more)
    (original / file).write_bytes(one_more)
    assert len(datasets.load(name, tmp_path, hash_bins=100)) == count + 1


@pytest.mark.parametrize(("name", "rows"), [("criteo", 7_200), ("avazu", 8_087)])
def test_the_samples(data_folder, name, rows):
    sample = data_folder / "ctr-samples"
    if not sample.is_dir() or (data_folder / name).is_dir():
        pytest.skip(f"no sample of {name} alone in {data_folder}")
    data = datasets.load(name, data_folder, hash_bins=5000)
    assert len(data) == rows
    assert set(data.label) == {0, 1}
    assert data.item.min() >= data.spec.item_column.first
    for column in data.spec.columns:
        if column.kind == "categorical":
            assert data.columns[column.name].min() > 0
