"""Images and recordings from the user's own files, in memory and as TFRecords."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfrec.columns import Audio, Categorical, Image
from tfrec.data import tfrecord
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.datasets.files import from_file
from tfrec.features import FeatureSpec
from tfrec.models.content.content_tower import ContentTower

COLUMNS = {
    "poster": Image("poster", height=8, width=6),
    "preview": Audio("preview", sample_rate=200, seconds=0.2),
}
ROWS = 60


@pytest.fixture
def file(tmp_path):
    """Ten items, of which 3 has no poster and 4 has one that cannot be read."""
    spec = FeatureSpec(
        (
            Categorical("u", "user", vocabulary=tuple("abcdef")),
            Categorical("i", "item", vocabulary=tuple("0123456789")),
            *COLUMNS.values(),
        ),
        user="u",
        item="i",
    )
    rows = spec.synthetic(10)
    posters = [*rows["poster"][:3], None, b"broken", *rows["poster"][5:]]
    item = np.arange(ROWS) % 10
    table = {
        "u": [f"u{n % 7}" for n in range(ROWS)],
        "i": [f"i{n}" for n in item],
        "time": list(range(ROWS)),
        "poster": pa.array([posters[n] for n in item], pa.binary()),
        "preview": pa.array([rows["preview"][n] for n in item], pa.binary()),
    }
    pq.write_table(pa.table(table), tmp_path / "events.parquet")
    return tmp_path / "events.parquet"


def learns(data) -> None:
    model = ContentTower(data.spec, dim=4, image_filters=(4,), audio_units=3)
    model.compile(steps_per_execution=1)
    with pytest.warns(UserWarning, match=r"1 have none and 1 cannot be read \(i4\)"):
        batches = data.batches(model, 16)
    batch = next(iter(batches))
    assert not {"poster", "preview"} & set(batch)
    assert np.isfinite(model.fit(batches, verbose=0).history["loss"]).all()
    item = data.spec.encode("i", ["i3", "i4", "i5"])
    pixels = model.catalogue.at(item)["poster"].numpy()
    assert [bool(image.any()) for image in pixels] == [False, False, True]


def test_in_memory(file):
    data = from_file(file, "u", "i", timestamp="time", columns=COLUMNS, history=None)
    posters = data.items["poster"]
    assert posters.shape == (12,)
    assert {type(poster) for poster in posters} == {bytes}
    learns(data)


def test_as_records(file, tmp_path):
    mapping = Mapping("u", "i", timestamp="time", columns=COLUMNS)
    prepare(file, tmp_path / "prepared", mapping, split="random", valid=0.1, test=0.1)
    learns(tfrecord.open(tmp_path / "prepared", "train"))
    learns(tfrecord.load(tmp_path / "prepared", "train"))
