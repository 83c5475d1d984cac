"""``tfrec vectors``: item vectors as files for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from tfrec.cli import output, quiet, run
from tfrec.cli.base import Command

WORD2VEC, PROJECTOR = "word2vec", "projector"


@click.command(cls=Command)
@click.argument("model", metavar="RUN|MODEL", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The file, or the projector's folder.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice([WORD2VEC, PROJECTOR]),
    default=WORD2VEC,
    show_default=True,
    help="word2vec's text file, or the files of TensorBoard's projector with titles.",
)
@output.json_option()
def vectors(model: Path, out: Path, kind: str, as_json: bool) -> None:
    """Write the item vectors that `tfrec similar` compares.

    RUN|MODEL is a folder of `tfrec train`, or a .keras file.
    """
    quiet.tensorflow()
    from tfrec.serving.vectors import item_vectors, write_projector, write_word2vec

    ids, found = item_vectors(run.load_model(model))
    if kind == WORD2VEC:
        write_word2vec(out, ids, found)
    else:
        write_projector(out, ids, found, run.read_titles(model))
    if as_json:
        output.json_document(
            {"path": str(out), "items": len(ids), "dim": found.shape[1]}
        )
        return
    click.echo(f"wrote {len(ids)} vectors of {found.shape[1]} numbers to {out}")
