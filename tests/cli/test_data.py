import json

import pytest

from tfrec.features import FeatureSpec

FLAGS = ["--user", "u", "--item", "i", "--label", "stars", "--timestamp", "t"]


def test_describe_counts_a_file(run, ratings, events):
    result = run("data", "describe", "--data", ratings, *FLAGS, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    times = [row[3] for row in events]
    assert found["rows"] == len(events) == 160
    assert found["users"] == 20 and found["items"] == len({row[1] for row in events})
    assert (found["first_time"], found["last_time"]) == (min(times), max(times))
    fives = sum(row[2] == 5 for row in events)
    assert found["labels"] == {"2.0": 160 - fives, "5.0": fives}
    table = run("data", "describe", "--data", ratings, *FLAGS).stdout
    assert f"{fives} ({fives / 160:.1%})" in table and "UTC" in table


@pytest.fixture
def prepared(run, ratings, tmp_path):
    folder = tmp_path / "prepared"
    result = run("data", "prepare", ratings, *FLAGS, "--out", folder, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"] == {"train": 128, "valid": 16, "test": 16}
    return folder


def test_prepared_data_are_described_trained_on_and_evaluated(run, prepared, tmp_path):
    found = json.loads(run("data", "describe", "--data", prepared, "--json").stdout)
    assert found["rows"] == 160 and found["parts"]["train"] == 128
    out = tmp_path / "run"
    quick = ["--epochs", "2", "--batch-size", "64", "--dim", "4"]
    rating = ["matrix_factorization", "--objective", "rating"]
    result = run("train", *rating, "--data", prepared, *quick, "--out", tmp_path / "mf")
    assert result.exit_code == 0, result.output
    result = run("train", "gmf", "--data", prepared, *quick, "--out", out)
    assert result.exit_code == 0, result.output
    assert run("recommend", out, "--user", "u3").exit_code == 0
    result = run("evaluate", out, "--baselines", "popularity")
    assert result.exit_code == 0, result.output
    assert "popularity" in result.stdout


def test_prepared_data_are_kept(prepared, run, refused, ratings):
    again = ["data", "prepare", ratings, *FLAGS, "--out", prepared]
    assert "pass --overwrite" in refused(*again)
    assert run(*again, "--overwrite").exit_code == 0
    mapped = refused("train", "gmf", "--data", prepared, "--user", "u")
    assert "is prepared data, whose columns are decided" in mapped


def test_a_truncated_record_file_is_named(prepared, refused, tmp_path):
    (shard,) = prepared.glob("train-*.tfrecord")
    shard.write_bytes(shard.read_bytes()[:-7])
    command = ["train", "gmf", "--data", prepared, "--out", tmp_path / "run"]
    message = refused(*command)
    assert str(shard) in message and "cut off or changed" in message
    assert not (tmp_path / "run").exists()


def test_data_sets_are_listed(run):
    lines = run("data", "list", "--json").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert "movielens" in {row["name"] for row in rows}
    assert all(row["summary"] for row in rows)


def test_formats_of_time_and_rows_that_lack_something(run, refused, tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("u,i,t\na,1,14.11.2023 22:19\na,2,NA\nb,2,15.11.2023 1:02\n")
    flags = ["--data", path, "--user", "u", "--item", "i", "--timestamp", "t"]
    assert "--time-format" in refused("data", "describe", *flags)
    flags += ["--time-format", "%d.%m.%Y %H:%M"]
    found = json.loads(run("data", "describe", *flags, "--json").stdout)
    assert found["missing"] == {"t": 1} and found["rows"] == 2
    assert (found["first_time"], found["last_time"]) == (1_700_000_340, 1_700_010_120)
    prepare = ["data", "prepare", path, *flags[2:], "--split", "random"]
    prepare += ["--out", tmp_path / "out"]
    assert "as in 1 of 3 rows" in refused(*prepare)
    assert not (tmp_path / "out").exists()


def test_rare_users_and_rare_items_are_told_apart(run, tmp_path):
    """b and c share an index, and are two people in what is counted."""
    rows = ["a,x,1", "a,y,2", "a,x,3", "b,x,4", "b,y,5", "c,z,6"]
    path, folder = tmp_path / "clicks.csv", tmp_path / "prepared"
    path.write_text("\n".join(["u,i,t", *(f"{row}000000000" for row in rows)]))
    flags = ["--user", "u", "--item", "i", "--timestamp", "t"]
    least = ["--min-count-users", 3, "--min-count-items", 2]
    result = run("data", "prepare", path, *flags, *least, "--out", folder)
    assert result.exit_code == 0, result.output
    spec = FeatureSpec.from_json((folder / "spec.json").read_text())
    assert spec.user_column.vocabulary == ("a",)
    assert spec.item_column.vocabulary == ("x", "y")
    found = json.loads(run("data", "describe", "--data", folder, "--json").stdout)
    assert (found["users"], found["duplicates"]) == (3, 1)
