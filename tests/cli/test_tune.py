"""``tfrec tune``."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def flags(ratings):
    data = ["--data", ratings, "--user", "u", "--item", "i", "--timestamp", "t"]
    data += ["--label", "stars", "--columns", "u,i"]
    quick = ["--algorithm", "random", "--epochs", 2, "--batch-size", 64]
    return [*data, *quick, "--set", "dim={low: 2, high: 8}"]


def test_a_search_leaves_its_trials_and_the_winner_as_a_run(run, flags, tmp_path):
    out = tmp_path / "s"
    result = run("tune", "gmf", *flags, "--trials", 2, "--out", out)
    assert result.exit_code == 0, result.output
    assert "trial 2/2  val_ndcg@10" in result.stderr
    assert "best val_ndcg@10" in result.stderr
    trials = json.loads((out / "trials.json").read_text())
    assert f"{trials[0]['score']:.4f}" in result.stdout
    assert (out / "trials.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((out / "best/metrics.json").read_text())
    validation = metrics["validation"]["metrics"]["ndcg@10"]
    assert validation == pytest.approx(trials[0]["score"])
    answer = run("recommend", out / "best", "--user", "u1", "--k", 2, "--json")
    assert answer.exit_code == 0, answer.output
    again = run(
        *("train", "gmf", "--config", out / "best/config.yaml"),
        *("--out", tmp_path / "again", "--json"),
    )
    assert again.exit_code == 0, again.output
    more = run(
        *("tune", "gmf", *flags, "--trials", 3, "--out", out),
        *("--further-epochs", 1, "--json"),
    )
    assert more.exit_code == 0, more.output
    assert "going on with the search" in more.stderr
    document = json.loads(more.stdout)
    assert len(document["trials"]) == 3
    assert document["objective"] == "val_ndcg@10"


def test_ranges_come_from_a_file(run, flags, tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text("dim: {choices: [3]}\nlearning_rate: 0.01\n")
    out = tmp_path / "s"
    result = run(
        *("tune", "gmf", *flags[:-2], "--trials", 1, "--space", space),
        *("--out", out, "--json"),
    )
    assert result.exit_code == 0, result.output
    (trial,) = json.loads(result.stdout)["trials"]
    assert trial["values"]["dim"] == 3
    assert "learning_rate" not in trial["values"]


@pytest.mark.parametrize(
    "more, message",
    [
        (["--set", "dmi=3"], "no hyper-parameter 'dmi'; did you mean 'dim'"),
        (["--set", "dim"], "--set dim is not NAME=VALUE"),
        (["--set", "dim={low: 1"], "'{low: 1' is no value"),
        (["--objective", "val_ndgc@10"], "reported by nothing here; did you mean"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(
    more, message, refused, flags, tmp_path
):
    said = refused("tune", "gmf", *flags, "--out", tmp_path / "s", *more)
    assert message in said
    assert not (tmp_path / "s").exists()


def test_an_unknown_model_is_one_sentence(refused, tmp_path):
    assert "did you mean 'neumf'" in refused("tune", "neumff", "--out", tmp_path / "s")
