"""``tfrec demo``: real ratings in, compared models, answers from an export."""

from __future__ import annotations

from pathlib import Path

import click

from tfrec.cli import quiet
from tfrec.cli.base import Command
from tfrec.cli.source import split_option


@click.command(cls=Command)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="runs/demo",
    show_default=True,
    help="Where the exported models and the picture go.",
)
@split_option
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="The most epochs of a model; the best on validation is kept.",
)
@click.option("--data-dir", metavar="FOLDER", help="Where prepared data go.")
def demo(out: Path, split: str, epochs: int, data_dir: str | None) -> None:
    """Train, compare, export and serve on MovieLens, in a few minutes."""
    quiet.tensorflow()
    from tfrec.cli import demonstration

    demonstration.run(out, split, epochs, data_dir)
