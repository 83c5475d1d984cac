"""Every model trains, is kept and answers from the command line."""

import json

import pytest

from tfrec.models import registry


@pytest.mark.parametrize("name", registry.entries())
def test_trains_and_recommends(name, run, ratings, tmp_path):
    out = tmp_path / name
    flags = ["--user", "u", "--item", "i", "--label", "stars", "--timestamp", "t"]
    flags += ["--column", "name=item:string"]  # metadata, which some models ask for
    quick = ["--epochs", 2, "--batch-size", 64, "--out", out, "--json"]
    result = run("train", name, "--data", ratings, *flags, *quick)
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.stdout)
    assert metrics["model"] == name and metrics["test"]["metrics"]
    result = run("recommend", out, "--user", "u1", "--k", 3, "--json")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 3


def test_a_rating_model_is_measured_by_its_error(run, ratings, tmp_path):
    out = tmp_path / "run"
    flags = ["--user", "u", "--item", "i", "--label", "stars", "--timestamp", "t"]
    more = ["--objective", "rating", "--epochs", 3, "--patience", 2, "--out", out]
    result = run("train", "matrix_factorization", "--data", ratings, *flags, *more)
    assert result.exit_code == 0, result.output
    assert "rmse" in result.stdout and "ndcg" not in result.stdout
    assert "val_rmse" in result.stderr
    result = run("evaluate", out)
    assert result.exit_code == 0, result.output
    assert "bias_baseline" in result.stdout and "rmse" in result.stdout
