"""A line of the published table, measured."""

import pytest

from tfrec.benchmarks import published, tasks
from tfrec.benchmarks.task import Task
from tfrec.evaluation import FullRanking


@pytest.fixture
def measured(data, monkeypatch):
    """Measures a model on the small data set, for one epoch."""
    train, _, test = data.split("leave_last_out")
    small = Task("small", data.spec, train, test, FullRanking((1, 5)), ("recall@5",))
    monkeypatch.setitem(tasks.TASKS, "small", lambda _: small)

    def measure(model, **config):
        target = published.Target("row", "title", "small", model, "", config=config)
        return published.measure(target, 1, None, lambda _: None)["measured"]

    return measure


def test_beside_a_search_stands_the_ranking_of_everything(measured):
    wide = measured("tree_deep_match", beam=32)
    assert set(wide) == {
        "recall@5",
        "exact recall@5",
        "of exact top 1",
        "of exact top 5",
    }
    assert wide["recall@5"]["mean"] == wide["exact recall@5"]["mean"] > 0
    assert wide["of exact top 5"]["mean"] == 1
    narrow = measured("tree_deep_match", beam=1)
    assert narrow["exact recall@5"] == wide["exact recall@5"]
    assert 0 < narrow["of exact top 5"]["mean"] < 1


def test_a_model_that_scores_everything_has_its_metrics_alone(measured):
    assert set(measured("popularity")) == {"recall@5"}


def test_a_line_can_be_run_alone(monkeypatch):
    monkeypatch.setattr(published, "measure", lambda target, *_: target.key)
    assert published.run(["gowalla: popularity"]) == ["gowalla: popularity"]
    assert len(published.run(["gowalla"])) > 1
    assert len(published.run(["popularity"])) > 1
    with pytest.raises(ValueError, match="no published row 'gowala'; did you mean"):
        published.run(["gowala"])
