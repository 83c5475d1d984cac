"""``tfrec list``: the models."""

from __future__ import annotations

import click

from tfrec.cli import output
from tfrec.cli.base import Command


@click.command("list", cls=Command)
@output.json_option("Print one JSON object for each model, a line each.")
def listing(as_json: bool) -> None:
    """List the models."""
    from tfrec.models import registry

    entries = [entry.to_dict() for entry in registry.entries().values()]
    if as_json:
        output.json_lines(entries)
        return
    columns = ("family", "name", "class", "paper")
    rows, family = [], None
    for entry in entries:
        shown = entry if entry["family"] != family else {**entry, "family": ""}
        family = entry["family"]
        rows.append([shown[column] for column in columns])
    table = output.table(None, columns, rows, whole=("family", "name"))
    output.console().print(table)
