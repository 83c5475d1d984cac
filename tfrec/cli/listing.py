"""``tfrec list``: the models."""

from __future__ import annotations

from pathlib import Path

import click

from tfrec.cli import output, run
from tfrec.cli.base import Command
from tfrec.errors import DataError

BEGIN, END = "<!-- models:begin -->", "<!-- models:end -->"
COLUMNS = ("family", "name", "class", "paper")


@click.command("list", cls=Command)
@output.json_option("Print one JSON object for each model, a line each.")
@click.option(
    "--markdown",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the table between the markers of this Markdown file.",
)
def listing(as_json: bool, markdown: Path | None) -> None:
    """List the models."""
    from tfrec.models import registry

    if markdown is not None:
        run.write(markdown, with_models(markdown))
    entries = [entry.to_dict() for entry in registry.entries().values()]
    if as_json:
        output.json_lines(entries)
        return
    rows = table(entries)
    wide = ("family", "name")
    output.console().print(output.table(None, COLUMNS, rows, whole=wide))


def table(entries: list[dict[str, str]]) -> list[list[str]]:
    """Cells by model; a family is named once."""
    rows, family = [], None
    for entry in entries:
        shown = entry if entry["family"] != family else {**entry, "family": ""}
        family = entry["family"]
        rows.append([shown[column] for column in COLUMNS])
    return rows


def with_models(path: Path) -> str:
    """The text of a Markdown file with the models between its markers.

    A model has the first of its measured numbers, and the notebook of its family where
    one lies beside the file.

    Raises:
        DataError: The text has no markers.
    """
    from tfrec.benchmarks.published import headlines
    from tfrec.models import registry

    entries = [entry.to_dict() for entry in registry.entries().values()]
    text, measured = path.read_text(encoding="utf-8"), headlines()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise DataError(f"there are no lines {BEGIN} and {END} to write between.")
    lines = ["| family | name | class | source | measured |", "|---|---|---|---|---|"]
    for family, name, kind, paper in table(entries):
        notebook = f"notebooks/{family}.ipynb"
        if family and (path.parent / notebook).is_file():
            family = f"[{family}]({notebook})"
        number = measured.get(name, "")
        lines.append(f"| {family} | `{name}` | `{kind}` | {paper} | {number} |")
    return "\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"])
