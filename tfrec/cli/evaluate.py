"""``tfrec evaluate``."""

from __future__ import annotations

import click

from tfrec.cli.base import Command


@click.command(cls=Command)
def evaluate() -> None:
    """Evaluate."""
