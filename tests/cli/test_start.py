import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfrec.cli.app import sentence
from tfrec.cli.train import shared
from tfrec.models import registry

SCRIPT = """
import sys
from tfrec.cli import main
try:
    main()
except SystemExit as end:
    loaded = {"tensorflow", "keras", "pandas", "matplotlib"} & set(sys.modules)
    print("loaded:", sorted(loaded), "code:", end.code or 0, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "list",
        "list --json",
        "train --help",
        "data list",
        "bench published --names",
        "train no_such_model",
    ],
)
def test_answers_that_need_no_tensorflow_load_none(arguments):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments.split()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    code = 2 if "no_such_model" in arguments else 0
    assert done.stderr.splitlines()[-1] == f"loaded: [] code: {code}"
    assert len(done.stderr.splitlines()) == (2 if code else 1)


def test_start_up_lines_of_tensorflow_are_kept_out(tmp_path):
    asked = ["recommend", str(tmp_path), "--user", "1"]
    quiet = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *asked],
        capture_output=True,
        text=True,
        timeout=300,
        env=quiet,
    )
    first, last = done.stderr.splitlines()
    assert first.startswith(f"tfrec: {tmp_path} is neither a run")
    assert "'tensorflow'" in last and last.endswith("code: 2")


def test_errors_while_tensorflow_loads_stay_visible(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(
        "import os\nos.write(2, b'E0000 library not found\\nI0000 by the way\\n')\n"
        "raise ImportError('libtensorflow is broken')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "train", "neumf"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    first, second, _ = done.stderr.splitlines()
    assert first == "E0000 library not found"
    assert second.startswith("tfrec: unexpected ImportError: libtensorflow is broken")
    assert done.stderr.endswith("code: 1\n")


def test_list_gives_one_object_for_each_model(run):
    rows = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert [row["name"] for row in rows] == list(registry.entries())
    for row in rows:
        assert row.keys() == {"name", "class", "family", "paper", "objective"}
        assert all(row.values())
    table = run("list").stdout
    assert all(name in table for name in registry.entries())


def test_no_hyper_parameter_takes_the_name_of_a_shared_flag(run):
    taken = {option.name for option in shared()}
    for name in registry.entries():
        assert not taken & set(registry.get(name).Config.hints()), name
        result = run("train", name, "--help")
        assert result.exit_code == 0, (name, result.output)
        assert "--seed" in result.stdout and "--data" in result.stdout


def test_debug_prints_the_traceback_and_keeps_the_code(run, tmp_path):
    arguments = ["data", "describe", "--data", tmp_path / "no.csv", "--user", "u"]
    plain = run(*arguments, "--item", "i")
    assert plain.exit_code == 2 and "Traceback" not in plain.stderr
    loud = run(*arguments, "--item", "i", "--debug")
    assert loud.exit_code == 2 and "Traceback" in loud.stderr
    assert loud.stderr.splitlines()[-1] == plain.stderr.splitlines()[-1]


def test_what_nobody_foresaw_is_code_1(run, monkeypatch):
    def broken():
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(registry, "entries", broken)
    result = run("list")
    assert result.exit_code == 1
    assert result.stderr == (
        "tfrec: unexpected ZeroDivisionError: by zero (--debug prints the traceback)\n"
    )


def test_errors_become_one_sentence():
    assert sentence(KeyError("no column 'x'")) == "no column 'x'"
    assert sentence(OSError(28, "No space left on device", "a/b")) == (
        "a/b: No space left on device."
    )
    assert sentence(ValueError("one\ntwo.\n\ndetails")) == "one two."


def test_the_script_is_installed():
    script = Path(sys.executable).with_name("tfrec")
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("tfrec, version ")
