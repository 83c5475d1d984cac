"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # rich takes longer to load than `tfrec --help` to answer
    from rich.console import Console
    from rich.table import Table

WIDE = 120


def console() -> Console:
    """Standard output, for results; a file or a pipe is 120 columns wide."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    return Console(highlight=False, width=width)


def notes() -> Console:
    """Standard error, for progress and remarks."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """A remark on standard error."""
    click.echo(f"tfrec: {text}", err=True)


def json_lines(rows: Iterable[Any]) -> None:
    """One JSON object each line."""
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False))


def json_document(value: Any) -> None:
    """One indented JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def table(
    title: str | None,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> Table:
    """A table for the terminal.

    Args:
        title: Above it; None for none.
        columns: Headings.
        rows: Cells, one for each heading.
        numbers: Headings whose cells stand to the right.
        whole: Headings whose cells are never broken.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    result = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        if name in numbers:
            result.add_column(name, justify="right", no_wrap=True)
        else:
            result.add_column(name, overflow="fold", no_wrap=name in whole)
    for row in rows:
        result.add_row(*(str(cell) for cell in row))
    return result


def json_option(help: str = "Print JSON on standard output.") -> Any:
    """The ``--json`` flag."""
    return click.option("--json", "as_json", is_flag=True, help=help)
