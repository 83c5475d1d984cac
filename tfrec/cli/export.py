"""``tfrec export``: a run as a SavedModel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tfrec.cli import output, progress, quiet, run
from tfrec.cli.base import Command
from tfrec.errors import ModelFileError

QUERIES = 64  # drawn to measure an index by


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
@click.option(
    "--index",
    type=click.Choice(["exact", "scann"]),
    help="Answer through an index: exact in blocks, or ScaNN (extra 'ann').",
)
@output.json_option()
def export(
    model: Path,
    out: Path,
    check: bool,
    audience: bool,
    index: str | None,
    as_json: bool,
) -> None:
    """Export a model for TensorFlow Serving.

    RUN|MODEL is a folder of `tfrec train`, or a .keras file.
    """
    quiet.tensorflow()
    found = run.find(model)
    loaded = run.load_model(model)
    metrics: dict[str, Any] = {}
    if found:
        metrics = json.loads((found.folder / run.METRICS).read_text("utf-8"))
    result: dict[str, Any] = {}
    if index is not None:
        with progress.waiting("building the index"):
            loaded, result["recall"] = indexed(loaded, index)
    with progress.waiting(f"exporting to {out}"):
        version = loaded.export(out, metrics, audience)
    result["path"] = str(version)
    if check:
        with progress.waiting("asking it from a new process"):
            result["checked"] = answers_alike(loaded, version)
    if as_json:
        output.json_document(result)
        return
    click.echo(f"exported {type(loaded).__name__} to {version}")
    if index is not None:
        click.echo(
            f"the index finds {result['recall']:.1%} of the exact answer "
            f"({QUERIES} drawn queries)"
        )
    if check:
        click.echo(
            f"a new process without tfrec gives the same {result['checked']} items"
        )


def indexed(model: Any, index: str) -> tuple[Any, float]:
    """The model with its items in an index, and the recall of that.

    Args:
        model: The model.
        index: ``exact`` or ``scann``.

    Raises:
        ValueError: The model has no vectors, or too few items, or ScaNN is not
            installed.
    """
    from tfrec.indexes import Exact, Indexed, Scann

    found = Indexed(model, Exact() if index == "exact" else Scann())
    queries = {
        name: value
        for name, value in found.example(QUERIES).items()
        if name in found.query_columns
    }
    column = found.spec.item_column
    return found, found.recall(queries, min(100, column.size - column.first))


def answers_alike(model: Any, version: Path) -> int:
    """Compares the export's answer, in a new process, with the model's.

    Args:
        model: The model that was exported.
        version: Its version directory.

    Returns:
        The number of items compared.

    Raises:
        ModelFileError: The export does not load, or gives other items.
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
        raise ModelFileError(
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
