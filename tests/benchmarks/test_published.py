"""A line of the published table, measured."""

import pytest

from tfrec.benchmarks import published, tasks
from tfrec.benchmarks.task import Task
from tfrec.evaluation import FullRanking

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture
def measured(data, monkeypatch):
    """Measures a model on the small data set, for one epoch."""
    train, _, test = data.split("leave_last_out")
    small = Task("small", data.spec, train, test, FullRanking((1, 5)), ("recall@5",))
    monkeypatch.setitem(tasks.TASKS, "small", lambda _: small)

    def measure(model, seeds=1, epochs=1, curve=0, **config):
        target = published.Target(
            *("row", "title", "small", model, ""),
            config=config,
            epochs=epochs,
            curve=curve,
        )
        result = published.measure(target, seeds, None, lambda _: None)
        return result if curve else result["measured"]

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


def test_a_curve_has_a_point_every_few_epochs_and_ends_with_the_measured(measured):
    row = measured("lightgcn", epochs=4, curve=2, seeds=2, learning_rate=0.1)
    first, last = row["curve"]
    assert (first["epoch"], last["epoch"]) == (2, 4)
    assert last["recall@5"] == pytest.approx(row["measured"]["recall@5"]["mean"])
    assert first["recall@5"] != last["recall@5"]
    assert set(row["measured"]) == {"recall@5"}  # no epoch is chosen
    line = (
        f"title, recall@5 (after epochs): {first['recall@5']:.4f} (2), "
        f"{last['recall@5']:.4f} (4)"
    )
    assert published.curves([row]) == [line]
    assert line in published.markdown([row])
    row.pop("curve")
    assert published.curves([row]) == [] and line not in published.markdown([row])
