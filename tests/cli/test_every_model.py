"""Every model trains, is kept and answers from the command line."""

import json

import pytest

from tfrec.models import registry

# The contract has every model's graph.
pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def described(ratings, tmp_path_factory):
    """The ratings with the name of the item twice: as metadata, and as a text."""
    header, *rows = ratings.read_text().splitlines()
    lines = [f"{header},words", *(f"{row},{row.rpartition(',')[2]}" for row in rows)]
    path = tmp_path_factory.mktemp("described") / "ratings.csv"
    path.write_text("\n".join([*lines, ""]))
    return path


@pytest.mark.parametrize("name", registry.entries())
def test_trains_and_recommends(name, run, described, tmp_path):
    out = tmp_path / name
    flags = ["--user", "u", "--item", "i", "--label", "stars", "--timestamp", "t"]
    # What some models ask for.
    flags += ["--column", "name=item:string", "--column", "words=item:text"]
    quick = ["--epochs", 1, "--batch-size", 512, "--out", out, "--json"]
    result = run("train", name, "--data", described, *flags, *quick)
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
