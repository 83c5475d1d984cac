"""Plots, people and posters joined to ratings, and files that are damaged."""

import dataclasses
import lzma
import zipfile

import numpy as np
import pytest

from tfrec import datasets
from tfrec.columns import Image, Text

LINE = "{id}::Film::1999::R::1 Jan 1999::Drama::{by}::{by} (story)::{who}::{plot}::N/A"


@pytest.fixture
def folder(tmp_path, data, monkeypatch):
    """Content of three of the thirty items of the small data."""
    released = dataclasses.replace(data, name="MovieLens 1M")
    monkeypatch.setattr(
        "tfrec.datasets.movielens_releases.movielens_1m", lambda *_: released
    )
    folder = tmp_path / "ml-1m-content"
    folder.mkdir()
    write(
        folder,
        LINE.format(
            id="m3", by="Zoë Ünal", who="Ann, Bob (voice)", plot="Höhle am Meer"
        ),
        LINE.format(id="m5", by="Zoë Ünal(co-director)", who="N/A", plot="N/A"),
        LINE.format(id="m9", by="N/A", who="Bob, Ann, Eve", plot="am meer, am Meer"),
        LINE.format(id="no such item", by="Zoë Ünal", who="Eve", plot="Meer"),
    )
    with zipfile.ZipFile(folder / "posters-64x96.zip", "w") as archive:
        archive.writestr("m3.jpg", b"\xff\xd8\xff and so on")
        archive.writestr("m7.jpg", b"")
        archive.writestr("readme.txt", b"hello")
    return folder


def write(folder, *lines):
    text = "\n".join(lines) + "\n"
    (folder / "movies_extrainfos.dat.xz").write_bytes(lzma.compress(text.encode()))


def test_columns_are_joined_by_movie(folder):
    data = datasets.load("movielens/1m-content", folder.parent, words=3)
    spec = data.spec
    assert data.name == "MovieLens 1M with content"
    assert isinstance(spec["poster"], Image)
    assert spec["poster"].shape == (96, 64, 3)
    assert isinstance(spec["plot"], Text)
    # Words and people of a single film are unknown.
    assert spec["plot"].vocabulary == ("am", "meer")
    assert spec["directors"].vocabulary == ("Zoë Ünal",)
    assert set(spec["actors"].vocabulary) == {"Ann", "Bob"}
    names = ("m3", "m5", "m9", "m0")
    row = dict(zip(names, spec.encode("movie_id", names), strict=True))
    plots = {name: data.items["plot"][place].tolist() for name, place in row.items()}
    assert plots == {"m3": [1, 2, 3], "m5": [0, 0, 0], "m9": [2, 3, 2], "m0": [0, 0, 0]}
    actors = spec.decode("actors", data.items["actors"][row["m9"]])
    assert actors.tolist() == ["Bob", "Ann", ""]
    directors = spec.decode("directors", data.items["directors"][row["m5"]])
    assert directors.tolist() == ["Zoë Ünal"]
    posters = data.items["poster"]
    assert posters.dtype == object
    assert posters[row["m3"]].startswith(b"\xff\xd8\xff")
    assert [len(p) > 0 for p in posters].count(True) == 1


def test_other_lines_are_refused(folder):
    write(folder, LINE.format(id="m3", by="A", who="B", plot="C"), "m4::Film::1999")
    with pytest.raises(ValueError, match=r"line 2 has 3 fields .* and not 11"):
        datasets.load("movielens/1m-content", folder.parent)


@pytest.mark.parametrize("name", ["movies_extrainfos.dat.xz", "posters-64x96.zip"])
def test_a_damaged_or_missing_file_is_named(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=rf"{name} is damaged"):
        datasets.load("movielens/1m-content", folder.parent)
    path.unlink()
    with pytest.raises(ValueError, match=r"movielens/1m-content needs ml-1m-content/"):
        datasets.load("movielens/1m-content", folder.parent)


def test_the_published_files(data_folder):
    """Without the ratings: what there is for how many films."""
    from tfrec.datasets import movielens_content

    if not (data_folder / "ml-1m-content").is_dir():
        pytest.skip(f"no folder ml-1m-content in {data_folder}")
    films = movielens_content._lines(data_folder / f"{movielens_content.TEXTS}.xz")
    posters = movielens_content._posters(data_folder / movielens_content.POSTERS)
    assert (len(films), len(posters)) == (3_881, 3_256)
    assert posters.keys() - films.keys() == {"860"}
    plots = np.array([fields[movielens_content.PLOT] for fields in films.values()])
    assert np.sum(plots == movielens_content.UNKNOWN) == 36
    assert films["1"][movielens_content.PEOPLE["directors"]] == "John Lasseter"
