"""Models side by side: what the table shows, and what files hold."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.timeline import SECOND
from tfrec.data.views import Positives
from tfrec.evaluation import (
    BinaryClassification,
    Evaluator,
    FullRanking,
    RatingPrediction,
    Report,
    SampledNegatives,
    report,
)
from tfrec.evaluation.report import fitted
from tfrec.evaluation.result import Result
from tfrec.features import Categorical, FeatureSpec, Sequence
from tfrec.models.base import Recommender
from tfrec.models.factorization.matrix_factorization import MatrixFactorization
from tfrec.models.ranking.gmf import GMF


@pytest.fixture(scope="module")
def table(tiny, from_scores):
    """A good model, a bad one, and one of the world's worst names."""
    falling = np.tile(np.arange(6, 0, -1), (4, 1))
    models = [
        ("good", from_scores(tiny, falling)),
        ("bad", from_scores(tiny, np.tile([1, 0, 0, 5, 4, 0], (4, 1)))),
        ("[bold]<b>", from_scores(tiny, np.tile([1, 0, 0, 5, 4, 0], (4, 1)))),
    ]
    return report(tiny, models, protocol=FullRanking(k=(1, 3)))


def lines(table):
    return str(table).splitlines()


def test_the_table(table):
    head, good, bad = lines(table)[0], *lines(table)[2:4]
    assert head.split()[:4] == ["model", "recall@1", "ndcg@1", "recall@3"]
    assert good.split()[:4] == ["good", "0.2500", "±0.2500", "*"]
    assert bad.split()[0] == "bad"
    assert "[bold]<b>" in str(table)


def test_a_single_cutoff_shows_more(tiny, tiny_model):
    one = report(tiny, [tiny_model], k=3, protocol=FullRanking(3))
    names = ("recall", "ndcg", "mrr", "coverage", "novelty")
    assert set(one.columns) == {f"{name}@3" for name in names}


def test_the_caption_says_on_whom(table):
    text = " ".join(str(table).split())
    assert (
        "tiny: full ranking of the catalogue, seen items left out, relevant: " in text
    )
    assert "relevant: rating > 0. 2 users" in text
    assert "2 users, 3 events, 2 cold users left out, 5 events left out" in text
    assert "(item outside the vocabulary: 1, user cold: 2, repeated: 1, item" in text


class Reader(Recommender):
    """Scores the latest item of the history alone."""

    paper = objective = "none"

    def view(self):
        return Positives()

    @property
    def query_columns(self):
        return ("history",)

    def catalogue_state(self):
        return {"items": tf.range(2, self.spec.item_column.size)}

    def catalogue_scores(self, features, state):
        history = features["history/index"]
        there = tf.reduce_sum(tf.cast(history > 0, tf.int32), axis=1)
        last = tf.gather(history, tf.maximum(there - 1, 0), batch_dims=1)
        return tf.cast(state["items"][None] == last[:, None], tf.float32)


def test_all_models_stand_on_the_same_events():
    # Each user takes an item twice at the end: who reads the history up to the event
    # before the test knows the test. Training alone ends with another item.
    columns = (
        Categorical("user_id", "user", vocabulary=tuple("uvwx")),
        Categorical("item_id", "item", vocabulary=tuple("abcdef")),
        Sequence("history", of="item_id", max_len=3),
    )
    spec = FeatureSpec(columns, item="item_id", timestamp="time")
    took = np.array([[2, 3, 3], [3, 4, 4], [4, 5, 5], [5, 2, 2]])
    events = {
        "user_id": np.repeat(np.arange(2, 6), 3).astype(np.int32),
        "item_id": took.ravel().astype(np.int32),
        "time": np.arange(12) * SECOND,
    }
    _, valid, test = Interactions(spec, events, name="four").split("leave_last_out")
    model, protocol = Reader(spec), FullRanking(k=1, exclude_seen=False)
    fair = report(test, [model], protocol=protocol)
    again = report(test, [model], protocol=protocol, refit=True)
    # In validation, too, the history ends with training: no reader knows the item.
    before = report(valid, [model], protocol=protocol)
    assert [one.results[0]["recall@1"] for one in (fair, again, before)] == [0, 1, 0]
    assert "ranked too, models and histories of training alone. " in fair.caption
    assert "four, leave_last_out test after training and validation: " in again.caption
    assert "training" not in before.caption
    counts = [
        fitted("popularity", part.train).catalogue.counts().sum()
        for part in (test, test.refitted())
    ]
    assert counts == [4, 8]
    # What was taken in validation is seen, whatever models may read.
    with pytest.raises(ValueError, match="item seen before: 4"):
        report(test, [model], protocol=FullRanking(k=1))


def test_sampled_numbers_are_labelled(tiny, tiny_model):
    sampled = report(tiny, [tiny_model], protocol=SampledNegatives(k=1, negatives=2))
    assert "SAMPLED" in str(sampled)
    assert "SAMPLED" in sampled._repr_html_()
    assert sampled.rows[0]["sampled"] is True


def test_the_best_is_the_lowest_error_or_the_highest_rank(tiny, from_scores):
    near, far = (
        from_scores(tiny, np.full((4, 6), 4)),
        from_scores(tiny, np.zeros((4, 6))),
    )
    known = tiny.take(np.arange(5))
    rated = report(known, [("near", near), ("far", far)], protocol=RatingPrediction())
    assert rated.best("rmse") == rated.results[0]["rmse"] < rated.results[1]["rmse"]
    html = rated._repr_html_()
    assert f"<b>{rated.results[0]['rmse']:.4f}" in html


def test_nothing_is_best_without_better_and_worse(table):
    assert table.best("coverage@1") is None
    assert table.best("recall@1") == 0.25
    assert Report(table.results[:1]).best("recall@1") is None


def test_html_is_escaped(table):
    html = table._repr_html_()
    assert "[bold]&lt;b&gt;" in html
    assert "<b>0.2500 ±0.2500</b>" in html


def test_json_round_trip(table, tmp_path):
    path = tmp_path / "report.json"
    table.to_json(path)
    again = Report.from_json(path)
    assert again.rows == table.rows
    assert str(again) == str(table)
    assert json.loads(path.read_text())["results"][0]["metrics"]["recall@3"] == 0.5
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_an_unknown_error_is_null(tiny, tiny_model, tmp_path):
    one = tiny.take(np.arange(3))  # a single user has no spread
    report(one, [("me", tiny_model)], protocol=FullRanking(1)).to_json(
        tmp_path / "r.json"
    )
    assert '"recall@1": null' in (tmp_path / "r.json").read_text()
    assert (
        "±"
        not in str(Report.from_json(tmp_path / "r.json"))
        .split(".\n")[0]
        .split("tiny:")[0]
    )


def test_csv_round_trip(table, tmp_path):
    path = tmp_path / "report.csv"
    table.to_csv(path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [{k: str(v) for k, v in row.items()} for row in table.rows] == rows
    assert float(rows[0]["ndcg@3_standard_error"]) > 0


def test_a_file_that_is_no_report(tmp_path):
    path = tmp_path / "other.json"
    for text in ("{", "[]", '{"results": [{"model": "x"}]}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="is no report of ours"):
            Report.from_json(path)


def test_writing_nowhere_leaves_nothing(table, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match="Not a directory"):
        table.to_json(tmp_path / "file" / "report.json")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        table.to_csv(tmp_path / "taken")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "taken"]
    assert not list((tmp_path / "taken").iterdir())


def test_the_folder_of_a_report_is_made(table, tmp_path):
    table.to_json(tmp_path / "new" / "report.json")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["report.json"]


@pytest.fixture(scope="module")
def parts(data):
    return data.split("random", seed=3)


def test_names_are_fitted_on_the_training_part(parts):
    train, _, test = parts
    model = fitted("gmf", train, epochs=4)
    again = report(test, [model, "gmf"], k=5, epochs=4)
    assert [row["model"] for row in again.rows] == ["gmf", "gmf (2)"]
    # Same seed, same data, same epochs: the same model.
    assert again.rows[0]["ndcg@5"] == again.rows[1]["ndcg@5"]
    untrained = GMF(train.spec)
    untrained.adapt(train)
    chance = Evaluator(test, FullRanking(5)).evaluate(untrained)
    assert again.rows[0]["ndcg@5"] != chance["ndcg@5"]


def test_rating_models_stand_beside_the_bias_baseline(parts):
    train, _, test = parts
    model = MatrixFactorization(train.spec, objective="rating", dim=4)
    model.compile()
    model.fit(train.batches(model, 64), epochs=20, verbose=0)
    rated = report(test, [model])
    assert [r.model for r in rated.results] == ["matrix_factorization", "bias_baseline"]
    assert rated.columns == ["rmse", "mae"]
    assert all(result["rmse"] < 1.5 for result in rated.results)


def test_rankers_beside_simple_ones(parts):
    ranked = report(parts[2], ["popularity", "item_knn"], k=5)
    assert [r.model for r in ranked.results] == ["popularity", "item_knn"]
    assert all(result["recall@5"] > 0.1 for result in ranked.results)


def test_clicks_are_classified(parts):
    result = report(parts[2], ["gmf"], protocol=BinaryClassification(4), epochs=1)
    assert set(result.columns) == {"auc", "logloss", "gauc"}


def test_refusals(tiny, parts):
    with pytest.raises(ValueError, match="no models to report"):
        report(tiny, [])
    with pytest.raises(ValueError, match="unknown model 'gfm'; did you mean 'gmf'"):
        report(tiny, ["gfm"])
    with pytest.raises(ValueError, match="does not say what 'gmf' may learn from"):
        report(tiny.past, ["gmf"])
    with pytest.raises(ValueError, match="k=31 is not between"):
        report(parts[2], ["gmf"], k=31, epochs=1)


def test_fields_of_a_result():
    with pytest.raises(ValueError, match="not the fields of a result"):
        Result.from_dict({"standard_error": {}, "modle": "x"})
