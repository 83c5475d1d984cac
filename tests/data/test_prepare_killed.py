"""``tfrec data prepare`` killed before any of its file operations."""

import json

import kill_points
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from click.testing import CliRunner

from tfrec.cli.app import commands


@pytest.fixture
def folder(tmp_path):
    """Forty events of users and items, and a column that goes to a side table."""
    rng, found = np.random.default_rng(1), tmp_path / "work"
    found.mkdir()
    ages = rng.integers(18, 60, 8)
    users = rng.integers(0, 8, 40)
    columns = {
        "user": [f"u{n}" for n in users],
        "age": ages[users],
        "item": [f"i{n}" for n in rng.integers(0, 5, 40)],
        "time": np.arange(40) + 1_000_000_000,
    }
    pa.csv.write_csv(pa.table(columns), found / "events.csv")
    return found


def prepare(folder, *more):
    flags = ["--user", "user", "--item", "item", "--timestamp", "time"]
    command = ["data", "prepare", f"{folder}/events.csv", *flags, "--json"]
    command += ["--column", "age=user:number", "--shard-rows", "20"]
    return CliRunner().invoke(commands, [*command, "--out", f"{folder}/out", *more])


def done(result):
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_same_command_ends_it(folder, tmp_path, overwrite):
    more = ["--seed", "1", *(["--overwrite"] if overwrite else [])]
    if overwrite:
        done(prepare(folder))
    before = kill_points.contents(folder)
    with kill_points.recorded(folder, tmp_path / "states") as killed:
        done(prepare(folder, *more))
    expected = kill_points.contents(folder)
    assert expected != before and len(killed.states) >= 10
    for state in killed.states:
        kill_points.put_back(state, folder)
        there = kill_points.contents(folder / "out")
        assert there in ({}, old(before), old(expected)), "half of it can be seen"
        ended = prepare(folder, *more)
        if ended.exit_code:  # it had come to its end
            assert not overwrite and "holds prepared data already" in ended.stderr
        else:
            assert json.loads(ended.stdout)["rows"]["train"] == 32
        assert kill_points.contents(folder) == expected


def old(found):
    """What was in ``out``."""
    return {
        name.removeprefix("out/"): value
        for name, value in found.items()
        if name.startswith("out/")
    }


def test_what_was_there_stays_until_the_new_is_whole(folder, tmp_path):
    """Every kill but that between the two renames leaves data to train on."""
    done(prepare(folder))
    with kill_points.recorded(folder, tmp_path / "states") as killed:
        done(prepare(folder, "--seed", "1", "--overwrite"))
    missing = [state for state in killed.states if not (state / "out").is_dir()]
    assert len(missing) == 1
    kill_points.put_back(missing[0], folder)
    wanted = prepare(folder)  # nobody asks to replace what a kill has hidden
    assert wanted.exit_code == 2 and "holds prepared data already" in wanted.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["events.csv", "out"]
