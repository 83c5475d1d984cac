"""The lists of faults fit the code, and the command tells the three verdicts apart."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mutants import load

from tfrec.models import registry

ROOT = Path(__file__).parents[2]
MUTANTS = load(Path(__file__).parent)


@pytest.mark.parametrize("file", sorted({mutant.file for mutant in MUTANTS}))
def test_every_fault_is_one_change_of_the_file(file):
    source = (ROOT / file).read_text("utf8")
    for mutant in MUTANTS:
        if mutant.file == file:
            assert source.count(mutant.find) == 1, mutant.find
            assert mutant.replace != mutant.find
            assert "\n" not in mutant.find + mutant.replace


def test_every_fault_says_what_it_means_and_who_notices_it():
    for mutant in MUTANTS:
        assert mutant.means.endswith("."), mutant.means
        assert mutant.tests, mutant.means
        for test in mutant.tests:
            file, _, name = test.partition("::")
            assert (ROOT / file).is_file(), test
            function = f"def {name.partition('[')[0]}("
            assert not name or function in (ROOT / file).read_text("utf8"), test


def test_there_are_many_and_no_two_are_equal():
    changes = Counter((mutant.file, mutant.find, mutant.replace) for mutant in MUTANTS)
    meanings = Counter(mutant.means for mutant in MUTANTS)
    assert len(MUTANTS) >= 80
    assert max(changes.values()) == max(meanings.values()) == 1


def test_every_model_has_a_fault():
    covered = {name for mutant in MUTANTS for name in mutant.model}
    files = {mutant.file for mutant in MUTANTS}
    entries = registry.entries()
    assert not covered - set(entries)
    bare = [
        name
        for name, entry in entries.items()
        if name not in covered and f"tfrec/models/{entry.family}/{name}.py" not in files
    ]
    assert not bare


PROJECT = {
    "tfrec/__init__.py": "",
    "tfrec/sums.py": "def total(values):\n    return sum(values) + 0\n\n\nHALF = 0.5\n",
    "tests/test_sums.py": """
from tfrec.sums import total

def test_the_total():
    assert total([1, 2]) == 3
""",
    "tests/mutants/sums.yaml": """
- {file: tfrec/sums.py, find: "+ 0", replace: "+ 1", means: It is one too many.,
   tests: [tests/test_sums.py]}
- {file: tfrec/sums.py, find: "0.5", replace: "0.6", means: A half is more.,
   tests: [tests/test_sums.py::test_the_total]}
- {file: tfrec/sums.py, find: "sum(", replace: "som(", means: It has no name.,
   tests: [tests/test_sums.py]}
- {file: tfrec/sums.py, find: "def total", replace: "def totals",
   means: It cannot be imported., tests: [tests/test_sums.py]}
- {file: tfrec/sums.py, find: "HALF = ", replace: "HALF = = ",
   means: It is no Python., tests: [tests/test_sums.py]}
""",
}


@pytest.fixture
def project(tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def run(project, *options):
    command = [sys.executable, ROOT / "tests/mutants/run.py", "--root", project]
    command += ["--libraries", "json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert not done.stderr
    return done.returncode, done.stdout


def test_noticed_survived_and_invalid_are_told_apart(project):
    code, said = run(project)
    assert code == 1
    assert "noticed  tfrec/sums.py: It is one too many." in said
    assert "         tests/test_sums.py::test_the_total, " in said
    assert "\nSurvived in tfrec/sums.py: A half is more.\n" in said
    for means in ("It has no name", "It cannot be imported", "It is no Python"):
        assert f"invalid  tfrec/sums.py: {means}." in said
    assert "5 mutants: 1 noticed, 1 survived, 3 invalid, in " in said
    assert (project / "tfrec/sums.py").read_text() == PROJECT["tfrec/sums.py"]


def test_what_is_noticed_alone_ends_well(project):
    code, said = run(project, "--only", "too many", "--jobs", "1")
    assert code == 0
    assert "1 mutants: 1 noticed, 0 survived, 0 invalid, in " in said
    assert run(project, "--only", "half", "--list") == (
        0,
        "tfrec/sums.py: A half is more.\n",
    )


def test_tests_that_fail_without_a_fault_are_named(project):
    (project / "tests/test_sums.py").write_text("def test_it():\n    assert False\n")
    code, said = run(project, "--only", "too many")
    assert code == 2
    assert said == "These fail without any mutant:\ntests/test_sums.py::test_it\n"
