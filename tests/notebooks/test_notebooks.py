"""Every notebook runs top to bottom, and shows what the code gives."""

import base64
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError

from tfrec import datasets
from tfrec.models import registry

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))

import execute  # noqa: E402

NAMES = tuple(execute.names())
SMALL = {
    "00_quickstart": {"EPOCHS": 3},
    "autoencoders": {
        "EPOCHS": 5,
        "WORDS": ("collaborative_deep_learning",),
        "BESIDE": ("item_knn", "popularity"),
    },
    "choosing_a_model": {
        "EPOCHS": 1,
        "ONLY": ("popularity", "item_knn", "bias_baseline", "two_tower"),
    },
    "content": {"EPOCHS": 1},
    "embeddings": {"EPOCHS": 1, "FAMILY": ("meta_prod2vec",)},
    "factorization": {
        "EPOCHS": 2,
        "MODELS": {
            "bias_baseline": {},
            "svd_plus_plus": {"dim": 16, "learning_rate": 4e-3},
            "time_svd_plus_plus": {"dim": 16, "learning_rate": 4e-3},
        },
    },
    "graph": {
        "EPOCHS": 2,
        "LAYERS": (0, 1),
        "KNOWN": {"kgcn": {"dim": 32, "learning_rate": 5e-3}},
    },
    "ranking": {
        "EPOCHS": 3,
        "COLUMNS": ("deepfm",),
        "IDS": ("gmf",),
        "HISTORIES": ("din",),
    },
    "retrieval": {"EPOCHS": 1, "FAMILY": ()},
    "sequential": {"EPOCHS": 1},
    "serving": {"EPOCHS": 1},
    "tuning": {"TRIALS": 2, "EPOCHS": 2},
    "your_own_data": {"EPOCHS": 3},
}
FEWER_USERS = (
    "choosing_a_model",
    "content",
    "graph",
    "ranking",
    "retrieval",
    "sequential",
    "serving",
)


def check_numbers(name, numbers):
    """What small settings must already give, beside the notebook's own asserts."""
    match name:
        case "00_quickstart":
            assert numbers["popularity"] == pytest.approx(0.0417, abs=1e-3)
            assert numbers["item_knn"] == pytest.approx(0.0581, abs=2e-3)
            assert 0.045 < numbers["two_tower"] < 0.1
        case "your_own_data":
            assert numbers["two_tower"] > 1.2 * numbers["popularity"]
        case "tuning":
            assert numbers["trials"] == 2
            assert 0.8 < numbers["best"] <= numbers["half"] < 1.1
        case "choosing_a_model":
            small = set(SMALL[name]["ONLY"])
            assert set(numbers) == small | {"rmse"}
            assert 0.8 < numbers["rmse"]["bias_baseline"] < 1.1
        case "serving":
            assert numbers["models"] == 2 and numbers["kept"] > 0.3
        case "factorization":
            assert 0.89 < numbers["bias_baseline"] < 0.91
        case _:
            assert numbers


@pytest.fixture
def fewer_users(name, monkeypatch):
    """Packaged MovieLens with every third user, where that is enough."""
    load = datasets.load

    def some(*arguments, **options):
        data = load(*arguments, **options)
        return data.take(data.raw("user_id").astype(np.int64) % 3 == 0)

    if name in FEWER_USERS:
        monkeypatch.setattr(datasets, "load", some)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_top_to_bottom(name, fewer_users, tmp_path, monkeypatch):
    """In this process, where TensorFlow is loaded: as a script, without outputs."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for number, cell in enumerate(
        execute.with_settings(execute.read(name), **SMALL[name])
    ):
        if cell.cell_type == "code":
            exec(compile(cell.source, f"{name}, cell {number}", "exec"), names)
    check_numbers(name, names["numbers"])


@pytest.mark.slow
def test_a_kernel_of_its_own_gives_the_same(tmp_path):
    notebook = execute.read("your_own_data")
    numbers = execute.run(notebook, tmp_path, **SMALL["your_own_data"])
    execute.tidy(notebook)
    check_numbers("your_own_data", numbers)


@pytest.mark.parametrize("name", NAMES)
def test_its_outputs_are_committed_and_clean(name):
    notebook = execute.read(name)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    before = nbformat.writes(notebook)
    execute.tidy(notebook)
    assert nbformat.writes(notebook) == before
    said = execute.shown([output for cell in cells for output in cell.outputs])
    assert "%|" not in said and "ETA" not in said and "Error" not in said
    pictures = [
        base64.b64decode(output.data["image/png"])
        for cell in cells
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures or name == "serving"


def test_every_model_has_a_row():
    notebook = execute.read("choosing_a_model")
    table = "".join(
        output.data["text/html"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    )
    rows = re.findall(r"<tr><td>(\w+)</td>", table)
    assert sorted(rows) == sorted(registry.entries()), (
        "make notebooks NAMES=choosing_a_model"
    )


@pytest.fixture
def small():
    """A notebook of three cells."""
    cells = [
        nbformat.v4.new_code_cell("EPOCHS = 5", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("total = 2 * EPOCHS\ntotal"),
        nbformat.v4.new_code_cell('numbers = {"total": total}'),
    ]
    return nbformat.v4.new_notebook(cells=cells)


def test_settings_take_the_place_of_parameters(small, tmp_path):
    assert execute.run(small, tmp_path) == {"total": 10}
    assert execute.run(small, tmp_path, EPOCHS=1) == {"total": 2}
    assert small.cells[0].source == "EPOCHS = 5"
    assert len(small.cells) == 3
    assert small.cells[1].outputs[0].data["text/plain"] == "2"
    assert [cell.execution_count for cell in small.cells] == [1, 2, 3]
    with pytest.raises(ValueError, match="no parameter 'EPOCH'; did you mean 'EPOCHS'"):
        execute.run(small, tmp_path, EPOCH=1)


def test_what_fails_or_warns_is_said(small, tmp_path):
    small.cells[1].source = "import sys\nprint('careful', file=sys.stderr)\ntotal = 1"
    execute.run(small, tmp_path)
    with pytest.raises(ValueError, match="cell 2 writes 'careful'"):
        execute.tidy(small)
    small.cells[1].source = f"print('{tmp_path}')\ntotal = 1"
    execute.run(small, tmp_path)
    with pytest.raises(ValueError, match="cell 2 shows a path of this machine"):
        execute.tidy(small)
    small.cells[1].source = "assert EPOCHS > 5"
    with pytest.raises(CellExecutionError):
        execute.run(small, tmp_path)
    with pytest.raises(ValueError, match="did you mean 'tuning'"):
        execute.read("tunin")
