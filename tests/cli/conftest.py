import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tfrec.cli.app import commands

USERS, ITEMS = 20, 15
ROLES = {"user": "u", "item": "i", "label": "stars", "timestamp": "t"}
FLAGS = [word for role, name in ROLES.items() for word in (f"--{role}", name)]
FLAGS += ["--item-names", "name"]


def write_events(path: Path, rows: list[list]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["u", "i", "stars", "t", "name"])
        writer.writerows(rows)
    return path


@pytest.fixture(scope="session")
def events() -> list[list]:
    """Each of 20 users rates 8 of 15 items; even users like even items."""
    rng = np.random.default_rng(3)
    rows = []
    for user in range(USERS):
        taste = np.where(np.arange(ITEMS) % 2 == user % 2, 5.0, 1.0)
        for item in rng.choice(ITEMS, 8, False, p=taste / taste.sum()):
            stars = 5 if item % 2 == user % 2 else 2
            rows.append([f"u{user}", int(item) + 100, stars, 0, f"Film {item}"])
    rng.shuffle(rows)
    for place, row in enumerate(rows):
        row[3] = 1_000_000_000 + int(place) * 3600
    return [[user, int(i), int(s), int(t), name] for user, i, s, t, name in rows]


@pytest.fixture(scope="session")
def ratings(events: list[list], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_events(tmp_path_factory.mktemp("files") / "ratings.csv", events)


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """Runs the command line in this process."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(commands, [str(part) for part in arguments])

    return call


@pytest.fixture(scope="session")
def refused(run: Callable[..., Result]) -> Callable[..., str]:
    """Runs a command that must end with code 2 and one sentence; the sentence."""

    def call(*arguments: object) -> str:
        result = run(*arguments)
        assert result.exit_code == 2, (result.output, result.exception)
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("tfrec: ")
        return line.removeprefix("tfrec: ")

    return call


@pytest.fixture(scope="session")
def small(ratings: Path) -> Callable[..., list[object]]:
    """A quick `tfrec train`, with more flags."""

    def arguments(out: Path, *more: object) -> list[object]:
        quick = [
            "--columns",
            "u,i",
            "--dim",
            "8",
            "--epochs",
            "2",
            "--batch-size",
            "64",
        ]
        data = ["--data", ratings, *FLAGS]
        return ["train", "two_tower", *data, *quick, "--out", out, *more]

    return arguments


@pytest.fixture(scope="session")
def trained(
    run: Callable[..., Result],
    small: Callable[..., list[object]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A finished run of TwoTower on the ratings."""
    folder = tmp_path_factory.mktemp("runs") / "two_tower"
    result = run(*small(folder))
    assert result.exit_code == 0, result.output
    return folder
