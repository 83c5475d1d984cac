"""What the README shows is run, and what it lists is there."""

import itertools
import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from tfrec.cli.app import commands
from tfrec.cli.listing import with_models
from tfrec.models import registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_the_ten_lines_run(tmp_path, monkeypatch, capsys):
    (text,) = [code for kind, code in BLOCKS if "import tfrec\n" in code]
    lines = [line for line in text.splitlines() if line]
    assert len(lines) == 10
    assert "epochs=10" in text
    (tmp_path / "ten_lines.py").write_text(text.replace("epochs=10", "epochs=1"))
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path("ten_lines.py")
    table = capsys.readouterr().out
    for name in ("two_tower", "popularity", "item_knn", "ndcg@10", "users"):
        assert name in table
    assert (tmp_path / "saved_models/two_tower/1/saved_model.pb").is_file()
    found = names["model"].recommend({"user_id": ["42", "73"]}, k=10)
    assert found.item_id.shape == (2, 10)
    seen = names["train"].take(names["train"].raw("user_id") == "73").raw("movie_id")
    assert len(seen) > 1000 and not set(seen) & set(found.item_id[1])


def commands_shown():
    text = "\n".join(code for kind, code in BLOCKS if kind == "sh")
    text = text.replace("\\\n", " ")
    return [line.split("#")[0].strip() for line in text.splitlines() if line]


@pytest.mark.parametrize(
    "line", [line for line in commands_shown() if line.startswith("tfrec ")]
)
def test_every_command_shown_exists(line):
    words = line.split()[1:]
    command = itertools.takewhile(lambda word: not word.startswith("-"), words)
    result = CliRunner().invoke(commands, [*command, "--help"])
    assert result.exit_code == 0, result.output
    known = set(re.findall(r"--[\w-]+", result.output))
    assert {word for word in words if word.startswith("--")} <= known


def test_make_has_the_commands_shown():
    makefile = (ROOT / "Makefile").read_text()
    shown = [line.split()[1] for line in commands_shown() if line.startswith("make ")]
    assert shown[:2] == ["demo", "test"]
    for name in {*shown, *re.findall(r"`make (\w+)`", README)}:
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_the_model_table_is_that_of_the_registry():
    table = with_models(ROOT / "README.md")
    assert table == README, "tfrec list --markdown README.md"
    assert all(f"| `{name}` |" in table for name in registry.entries())


def test_files_shown_are_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).is_file(), link
