import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder():
    """The folder with published data sets; tests that need it skip without."""
    default = Path(__file__).parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("TFREC_DATA_DIR", default))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set TFREC_DATA_DIR")
    return folder


@pytest.fixture
def tfds_home(tmp_path, monkeypatch):
    """An empty TFDS folder, and no data directory from the environment."""
    home = tmp_path / "tfds"
    monkeypatch.setenv("TFDS_DATA_DIR", str(home))
    monkeypatch.delenv("TFREC_DATA_DIR", raising=False)
    return home
