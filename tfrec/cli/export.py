"""``tfrec export``: a run as a SavedModel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tfrec.cli import output, progress, quiet, run
from tfrec.cli.base import Command


@click.command(cls=Command)
@click.argument("model", metavar="RUN|MODEL", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="The model's folder; a version folder is made inside it.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Ask the export from a new process that has TensorFlow alone.",
)
@click.option(
    "--audience", is_flag=True, help="Add the query that names users for an item."
)
@output.json_option()
def export(model: Path, out: Path, check: bool, audience: bool, as_json: bool) -> None:
    """Export a model for TensorFlow Serving.

    RUN|MODEL is a folder of `tfrec train`, or a .keras file.
    """
    quiet.tensorflow()
    found = run.find(model)
    loaded = run.load_model(model)
    metrics: dict[str, Any] = {}
    if found:
        metrics = json.loads((found.folder / run.METRICS).read_text("utf-8"))
    with progress.waiting(f"exporting to {out}"):
        version = loaded.export(out, metrics, audience)
    result: dict[str, Any] = {"path": str(version)}
    if check:
        with progress.waiting("asking it from a new process"):
            result["checked"] = answers_alike(loaded, version)
    if as_json:
        output.json_document(result)
        return
    click.echo(f"exported {type(loaded).__name__} to {version}")
    if check:
        click.echo(
            f"a new process without tfrec gives the same {result['checked']} items"
        )


def answers_alike(model: Any, version: Path) -> int:
    """Compares the export's answer, in a new process, with the model's.

    Args:
        model: The model that was exported.
        version: Its version directory.

    Returns:
        The number of items compared.

    Raises:
        ValueError: The export does not load, or gives other items.
    """
    from tfrec import serving

    spec = model.spec
    column = spec.item_column
    k = min(10, column.size - column.first)
    queries = {
        name: value
        for name, value in model.example(4).items()
        if name in model.query_columns
    }
    expected = model.recommend(queries, k, drop_seen=False)
    inputs = {name: _plain(value) for name, value in queries.items()}
    answer = serving.answer(version, {**inputs, "k": k})
    if answer["item_id"] != expected.item_id.tolist():
        raise ValueError(
            f"{version} gives other items in a new process than {type(model).__name__} "
            "here: do not serve it, and report this."
        )
    return int(expected.item_id.size)


def _plain(value: Any) -> Any:
    """A tensor as JSON-able lists."""
    array = value.numpy()
    if array.dtype.kind in "OS":
        return [
            [part.decode() for part in row] if getattr(row, "ndim", 0) else row.decode()
            for row in array
        ]
    return array.tolist()
