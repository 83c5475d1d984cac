"""What a run is good for: evaluate, recommend, similar, export."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys

import pytest

from tfrec import models, serving

pytestmark = pytest.mark.usefixtures("eagerly")


def lines(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_recommend_prints_titles_and_drops_what_is_seen(run, trained, events):
    rows = lines(run("recommend", trained, "--user", "u1", "--k", 5, "--json"))
    assert len(rows) == 5
    assert [row["score"] for row in rows] == sorted(
        (row["score"] for row in rows), reverse=True
    )
    cut = sorted(row[3] for row in events)[int(0.8 * len(events)) - 1]
    seen = {item for user, item, _, time, _ in events if user == "u1" and time <= cut}
    for row in rows:
        assert row["title"] == f"Film {row['item_id'] - 100}"
        assert row["item_id"] not in seen
    with_seen = ["recommend", trained, "--user", "u1", "--k", 15, "--seen", "--json"]
    assert len(lines(run(*with_seen))) == 15
    table = run("recommend", trained, "--user", "u1", "--k", 5).stdout
    assert "user u1" in table and rows[0]["title"] in table


def test_recommend_excludes(run, trained):
    asked = ["recommend", trained / "model.keras", "--user", "u1", "--json", "--k"]
    first, second, third = (row["item_id"] for row in lines(run(*asked, 3)))
    rows = lines(run(*asked, 1, "--exclude", f"{first},{second}"))
    assert [row["item_id"] for row in rows] == [third]


def test_an_unknown_user_is_answered_by_popularity_and_told_so(run, trained, events):
    result = run("recommend", trained, "--user", "nobody", "--k", 3, "--json")
    assert len(lines(result)) == 3
    assert result.stderr == ("tfrec: user nobody is unknown: answered by popularity.\n")
    model = models.load(trained / "model.keras")
    counts = model.catalogue.popularity().numpy()
    best = max(lines(result), key=lambda row: row["score"])
    assert best["score"] == pytest.approx(counts.max())


def test_similar_leaves_the_item_itself_out(run, trained):
    rows = lines(run("similar", trained, "--item", 103, "--k", 14, "--json"))
    assert len(rows) == 14 and 103 not in {row["item_id"] for row in rows}
    assert "Like item 103, Film 3" in run("similar", trained, "--item", 103).stdout


def test_evaluate_puts_baselines_beside_and_writes_files(run, trained, tmp_path):
    table = tmp_path / "table.csv"
    found = run("evaluate", trained, "--k", "3,10", "--json", "--csv", table)
    assert found.exit_code == 0, found.output
    results = json.loads(found.stdout)
    names = ["two_tower", "popularity", "item_knn"]
    assert [row["model"] for row in results] == names
    for row in results:
        assert 0 <= row["metrics"]["recall@3"] <= row["metrics"]["recall@10"] <= 1
    metrics = json.loads((trained / "metrics.json").read_text())["test"]["metrics"]
    assert results[0]["metrics"]["ndcg@10"] == pytest.approx(metrics["ndcg@10"])
    with table.open() as file:
        assert [row["model"] for row in csv.DictReader(file)] == names


def test_evaluate_takes_a_model_file_and_its_data(run, trained, ratings, tmp_path):
    alone = tmp_path / "alone.keras"
    alone.write_bytes((trained / "model.keras").read_bytes())
    roles = {"user": "u", "item": "i", "label": "stars", "timestamp": "t"}
    flags = [word for role, name in roles.items() for word in (f"--{role}", name)]
    result = run(
        "evaluate", alone, "--data", ratings, *flags, "--baselines", "popularity"
    )
    assert result.exit_code == 0, result.output
    assert "two_tower" in result.stdout and "popularity" in result.stdout
    assert "item_knn" not in result.stdout
    valid = run("evaluate", trained, "--part", "valid", "--baselines", "", "--json")
    (only,) = json.loads(valid.stdout)
    metrics = json.loads((trained / "metrics.json").read_text())["validation"]
    assert only["metrics"]["ndcg@10"] == pytest.approx(metrics["metrics"]["ndcg@10"])


def test_export_answers_like_the_run(run, trained, tmp_path):
    out = tmp_path / "served"
    result = run("export", trained, "--out", out, "--check", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"path": str(out / "1"), "checked": 40}
    noted = serving.load(out).metrics
    assert noted["test"]["metrics"]["ndcg@10"] >= 0
    asked = ["--user", "u1", "--k", 15, "--seen", "--json"]
    own, served = (lines(run("recommend", path, *asked)) for path in (trained, out))
    assert [row["item_id"] for row in own] == [row["item_id"] for row in served]
    assert run("export", trained, "--out", out).stdout.strip().endswith(str(out / "2"))


def test_check_notices_an_export_that_answers_otherwise(
    refused, trained, tmp_path, monkeypatch
):
    def backwards(path, inputs):
        return {"item_id": [[1] * inputs["k"]] * 4}

    monkeypatch.setattr(serving, "answer", backwards)
    message = refused("export", trained, "--out", tmp_path / "served", "--check")
    assert "gives other items in a new process" in message


def test_a_full_disk_leaves_no_half_export(trained, tmp_path):
    out = tmp_path / "served"

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    code = "from tfrec.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "export", str(trained), "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=small_files,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"tfrec: nothing was exported to '{out}'")
    assert not out.exists()
