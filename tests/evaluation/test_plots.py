"""Pictures: what is drawn, in which units, and what is refused."""

import numpy as np
import pytest

from tfrec.evaluation import Evaluator, FullRanking, plots
from tfrec.evaluation.protocols import RatingPrediction

matplotlib = pytest.importorskip("matplotlib")
from matplotlib import image  # noqa: E402

HISTORY = {
    "loss": [0.7, 0.5, 0.4, 0.35],
    "val_loss": [0.72, 0.6, 0.55, 0.56],
    "val_ndcg@10": [0.1, 0.14, 0.16, 0.15],
    "val_recall@10": [0.2, float("nan"), 0.26, 0.25],
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved."""
    figures = []
    original = plots._save

    def save(figure, path):
        figures.append(figure)
        return original(figure, path)

    monkeypatch.setattr(plots, "_save", save)
    return figures


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_learning_curve(drawn, tmp_path):
    path = plots.learning_curve(HISTORY, tmp_path / "curve.png")
    height, width = image.imread(path).shape[:2]
    assert (width, height) == (1050, 945)
    upper, lower = drawn[0].axes
    assert upper.get_ylabel() == "loss, mean of the epoch"
    assert lower.get_ylabel() == "validation metric"
    assert lower.get_xlabel() == "epoch"
    assert legend(upper) == ["loss", "val_loss"]
    assert legend(lower) == ["val_ndcg@10", "val_recall@10"]
    np.testing.assert_array_equal(lower.lines[0].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(lower.lines[1].get_xdata(), [1, 3, 4])
    assert [file.name for file in tmp_path.iterdir()] == ["curve.png"]


def test_values_of_some_epochs(drawn, tmp_path):
    history = {"loss": [3, 2, 1, 0.5, 0.2], "val_rmse": [1, 0.9]}
    plots.learning_curve(history, tmp_path / "curve.png", every=2)
    np.testing.assert_array_equal(drawn[0].axes[1].lines[0].get_xdata(), [2, 4])
    with pytest.raises(ValueError, match="val_rmse has 2 values for 5 epochs"):
        plots.learning_curve(history, tmp_path / "curve.png")


def test_one_panel_when_there_is_no_metric(drawn, tmp_path):
    plots.learning_curve({"loss": [1, 0.5]}, tmp_path / "curve.png")
    assert [axes.get_ylabel() for axes in drawn[0].axes] == ["loss, mean of the epoch"]


def test_nothing_to_draw(tmp_path, tiny, tiny_model):
    with pytest.raises(ValueError, match="holds no epoch"):
        plots.learning_curve({}, tmp_path / "curve.png")
    with pytest.raises(ValueError, match="no results to draw"):
        plots.recall_over_k([], tmp_path / "k.png")
    one = Evaluator(tiny, FullRanking(1)).evaluate(tiny_model, "one")
    with pytest.raises(ValueError, match="one has 1 cutoffs of recall"):
        plots.recall_over_k([one], tmp_path / "k.png")
    known = tiny.take(np.arange(5))
    other = Evaluator(known, RatingPrediction()).evaluate(tiny_model)
    with pytest.raises(ValueError, match="different data or protocols"):
        plots.recall_over_k([one, other], tmp_path / "k.png")
    assert not list(tmp_path.iterdir())


def test_recall_over_k(drawn, tmp_path, world, from_scores):
    evaluator = Evaluator(world, FullRanking(k=(1, 2, 5, 10, 50)))
    rng = np.random.default_rng(0)
    results = [
        evaluator.evaluate(from_scores(world, rng.normal(size=(60, 50))), name)
        for name in ("one", "two")
    ]
    plots.recall_over_k(results, tmp_path / "recall.png")
    (axes,) = drawn[0].axes
    assert legend(axes) == ["one", "two"]
    assert axes.get_xlabel() == "k, items recommended"
    assert axes.get_ylabel() == "recall@k, mean over users"
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 5, 10, 50])
    heights = [results[1][f"recall@{k}"] for k in (1, 2, 5, 10, 50)]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), heights)
    assert len(axes.collections) == 2  # bands of one standard error
    assert axes.get_title(loc="left").startswith("world\nfull ranking")


def test_the_state_of_pyplot_is_left_alone(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    backend, open_figures = matplotlib.get_backend(), pyplot.get_fignums()
    plots.learning_curve(HISTORY, tmp_path / "curve.png")
    assert matplotlib.get_backend() == backend
    assert pyplot.get_fignums() == open_figures


def test_attention(drawn, tmp_path):
    titles = ["Heat", "Alien", "Casino", ""]
    path = plots.attention([0.2, -0.1, 1.5, 0], titles, "Ronin", tmp_path / "din.png")
    height, width = image.imread(path).shape[:2]
    assert (width, height) == (1050, 306)
    (axes,) = drawn[0].axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == titles[:3]
    assert [bar.get_width() for bar in axes.patches] == [0.2, -0.1, 1.5]
    assert axes.get_xlabel() == "attention weight"
    assert axes.get_ylabel() == "history"
    assert axes.get_title("left").startswith("candidate: Ronin\nhistory from oldest")


def test_attention_without_entries_or_titles(tmp_path):
    with pytest.raises(ValueError, match="1 titles for 2 weights: give one title"):
        plots.attention([1.0, 2.0], ["Heat"], "Ronin", tmp_path / "din.png")
    with pytest.raises(ValueError, match="no entry, so there is nothing to draw"):
        plots.attention([0.0], [""], "Ronin", tmp_path / "din.png")
    assert not list(tmp_path.iterdir())


def test_trials_and_the_best_so_far(drawn, tmp_path):
    scores = {1: 0.2, 2: None, 3: 0.1, 4: 0.3}
    rows = [{"trial": t, "score": s} for t, s in reversed(scores.items())]
    plots.trials(rows, "val_ndcg@10", tmp_path / "trials.png")
    (axes,) = drawn[0].axes
    points, best = axes.lines
    np.testing.assert_array_equal(points.get_xdata(), [1, 3, 4])
    np.testing.assert_array_equal(best.get_ydata(), [0.2, 0.2, 0.3])
    assert axes.get_ylabel() == "val_ndcg@10, higher is better"
    plots.trials(rows, "val_rmse", tmp_path / "trials.png")
    best = drawn[1].axes[0].lines[1]
    np.testing.assert_array_equal(best.get_ydata(), [0.2, 0.1, 0.1])
    with pytest.raises(ValueError, match="no trial has a score"):
        plots.trials([{"trial": 1, "score": None}], "val_ndcg@10", tmp_path / "x.png")
