"""Neighbours as a table and items as a map."""

import numpy as np
import pytest

from tfrec.evaluation import neighbourhood, plots
from tfrec.models import SkipGram

matplotlib = pytest.importorskip("matplotlib")
from matplotlib import image  # noqa: E402


@pytest.fixture(scope="module")
def model(data):
    model = SkipGram(data.spec.select("history"), dim=4)
    model.adapt(data.with_spec(model.spec))
    model.ensure_built()
    return model


def test_neighbours_have_titles_and_cosines(model, data):
    vectors = np.random.default_rng(0).normal(size=(32, 4))
    vectors[2 + 5] = 2 * vectors[2 + 1]
    model.inputs_table.embeddings.assign(vectors)
    table = neighbourhood.neighbours_table(model, data, ["m1", "m7"], 2).splitlines()
    assert table[0] == "| item | nearest |"
    own, near = table[2].strip("| ").split(" | ")
    assert own == data.item_names[2 + 1]
    assert near.split("; ")[0] == f"{data.item_names[2 + 5]} 1.00"
    assert len(table) == 4
    often = int(np.sort(data.item_counts)[-5])
    common = data.item_names[data.item_counts >= often]
    row = neighbourhood.neighbours_table(model, data, ["m1"], 3, often).splitlines()[2]
    for cell in row.strip("| ").split(" | ")[1].split("; "):
        assert cell.rsplit(" ", 1)[0] in common


def test_without_titles_ids_stand_for_them(model, data):
    import dataclasses

    bare = dataclasses.replace(data, item_names=None)
    assert neighbourhood.titles(bare, ["m1", "m2"]) == ["m1", "m2"]


def test_the_plane_keeps_most_of_the_variance():
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, 2 * np.pi, 500)
    circle = np.stack([np.cos(angles), np.sin(angles), 0.01 * rng.normal(size=500)])
    flat, share = neighbourhood.plane(5 * circle.T)
    assert share.sum() == pytest.approx(1, abs=1e-3)
    apart = np.linalg.norm(flat[0] - flat[1])
    expected = np.linalg.norm(circle[:, 0] - circle[:, 1])
    assert apart == pytest.approx(expected, abs=0.02)


def test_the_map_colours_the_common_categories(model, data, tmp_path, monkeypatch):
    figures, save = [], plots._save
    monkeypatch.setattr(plots, "_save", lambda f, p: figures.append(f) or save(f, p))
    path = neighbourhood.map_of_items(
        model, data, tmp_path / "map.png", "genres", count=20, named=3
    )
    height, width = image.imread(path).shape[:2]
    assert (width, height) == (1050, 945)
    (axes,) = figures[0].axes
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown[0] == "other" and set(shown[1:]) <= {
        "action",
        "comedy",
        "drama",
        "horror",
    }
    assert sum(len(c.get_offsets()) for c in axes.collections) == 20
    assert 1 <= len(axes.texts) <= 3
    assert "20 most frequent items" in axes.get_title(loc="left")


def test_a_map_needs_a_category_and_items(model, data, tmp_path):
    with pytest.raises(ValueError, match="'title' is no category of items"):
        neighbourhood.map_of_items(model, data, tmp_path / "map.png", "title")
    with pytest.raises(ValueError, match="2 items make no map"):
        neighbourhood.map_of_items(model, data, tmp_path / "m.png", "genres", count=2)
    assert not list(tmp_path.iterdir())
