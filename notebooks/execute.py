"""Runs the notebooks from top to bottom and writes their outputs back.

    python notebooks/execute.py [--folder FOLDER] [NAME ...]

Each runs in a kernel of its own. A notebook's first code cell, tagged ``parameters``,
holds what may be set from outside, such as ``EPOCHS``; its last one leaves its results
in ``numbers``, a dictionary, and asserts what it has said.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from tfrec import datasets
from tfrec.cli import quiet
from tfrec.errors import did_you_mean

HERE = Path(__file__).parent
SECONDS = 7200  # for one cell
PATHS = re.compile(r"(?<![\w.:/<])/(?:home|root|tmp|usr|var|opt|work|Users|private)/")
EMPTY = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def names() -> list[str]:
    """The notebooks by name, in the order in which they are to be read first."""
    return sorted(path.stem for path in HERE.glob("*.ipynb"))


def read(name: str) -> Any:
    """A notebook of this folder.

    Raises:
        ValueError: There is none of that name; the near match is given.
    """
    if name not in names():
        raise ValueError(
            f"there is no notebook '{name}'; {did_you_mean(name, names())}"
        )
    return nbformat.read(HERE / f"{name}.ipynb", as_version=4)


def with_settings(notebook: Any, **settings: Any) -> list[Any]:
    """The cells of a notebook, and one with settings after that of the parameters.

    Args:
        notebook: The notebook.
        **settings: Values of its parameters, in place of those in the notebook.

    Raises:
        ValueError: A setting is none of the parameters.
    """
    cells = notebook.cells
    place = next(
        n
        for n, cell in enumerate(cells)
        if "parameters" in cell.metadata.get("tags", ())
    )
    known = [
        target.id
        for node in ast.parse(cells[place].source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    for name in settings:
        if name not in known:
            raise ValueError(f"no parameter '{name}'; {did_you_mean(name, known)}")
    given = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
    injected = nbformat.v4.new_code_cell(given)
    return [*cells[: place + 1], injected, *cells[place + 1 :]]


def run(notebook: Any, folder: Path, **settings: Any) -> dict[str, Any]:
    """Runs a notebook in a new kernel; its outputs are new afterwards.

    Args:
        notebook: The notebook, changed in place.
        folder: The kernel's working directory.
        **settings: See :func:`with_settings`.

    Returns:
        What the notebook left in ``numbers``.

    Raises:
        ValueError: A setting is none of the parameters.
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    cells = notebook.cells
    asked = nbformat.v4.new_code_cell("import json\nprint(json.dumps(numbers))")
    notebook.cells = [*with_settings(notebook, **settings), asked]
    with tempfile.TemporaryDirectory() as home:
        # Neither the user's start-up files nor a history that notebooks would share.
        environment = {**os.environ, "IPYTHONDIR": home, "TF_CPP_MIN_LOG_LEVEL": "3"}
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            client.execute(env=environment)
        finally:
            notebook.cells = cells
    for number, cell in enumerate((c for c in cells if c.cell_type == "code"), 1):
        cell.execution_count = number
        for shown in cell.outputs:
            if "execution_count" in shown:
                shown.execution_count = number
    (output,) = asked.outputs
    return json.loads(output.text)


def tidy(notebook: Any) -> None:
    """Leaves what is the same on every machine.

    Raises:
        ValueError: An output holds a warning or the path of a file of this machine.
    """
    notebook.metadata = nbformat.from_dict(EMPTY)
    for number, cell in enumerate(notebook.cells, 1):
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                lines = [
                    line
                    for line in output.text.splitlines()
                    if line and not quiet.NOISE.match(line)
                ]
                if not lines:
                    continue
                raise ValueError(
                    f"cell {number} writes '{lines[0]}': silence the cause."
                )
            kept.append(output)
        cell.outputs = kept
        found = PATHS.search(shown(kept))
        if found:
            raise ValueError(
                f"cell {number} shows a path of this machine, '{found[0]}...': print "
                "relative paths."
            )


def shown(outputs: list[Any]) -> str:
    """All that outputs say, pictures left out."""
    texts = []
    for output in outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        texts += [text for kind, text in data.items() if kind.startswith("text/")]
    return "\n".join(texts)


def write(name: str, notebook: Any) -> Path:
    """Writes a notebook of this folder, beside and renamed."""
    path = HERE / f"{name}.ipynb"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        nbformat.write(notebook, beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def main() -> None:
    """Runs the notebooks that are named, all by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="*", help="all when none is named")
    parser.add_argument("--folder", type=Path, help="where they run; a new one if none")
    arguments = parser.parse_args()
    chosen = {name: read(name) for name in arguments.name or names()}
    with quiet.data_sets():
        datasets.load("movielens")  # so that no notebook shows how it is prepared
    for name, notebook in chosen.items():
        with tempfile.TemporaryDirectory() as fresh:
            folder = arguments.folder or Path(fresh)
            folder.mkdir(parents=True, exist_ok=True)
            numbers = run(notebook, folder)
        tidy(notebook)
        write(name, notebook)
        print(name, json.dumps(numbers), flush=True)


if __name__ == "__main__":
    try:
        main()
    except ValueError as why:
        sys.exit(f"notebooks: {why}")
