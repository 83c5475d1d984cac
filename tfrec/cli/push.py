"""``tfrec push``: the vectors of an exported model into Redis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfrec.cli import output, progress, quiet
from tfrec.cli.base import Command
from tfrec.errors import DataError, ModelFileError

if TYPE_CHECKING:
    from tfrec.features import FeatureSpec

FILE = click.Path(path_type=Path)


@click.command(cls=Command)
@click.argument("model", metavar="EXPORT", type=click.Path(path_type=Path))
@click.option(
    "--redis",
    "url",
    required=True,
    envvar="TFREC_REDIS_URL",
    metavar="URL",
    help="redis://[user:password@]host[:port][/database], or rediss:// for TLS; better "
    "in the environment as TFREC_REDIS_URL, where no list of processes shows it.",
)
@click.option(
    "--name", metavar="MODEL", help="The model's name in the keys; that of its folder."
)
@click.option("--prefix", default="tfrec", show_default=True, help="Of all keys.")
@click.option(
    "--users", type=FILE, help="Parquet or CSV file of the users' columns, if read."
)
@click.option(
    "--items", type=FILE, help="Parquet or CSV file of the items' columns, if read."
)
@click.option(
    "--batch", default=1000, show_default=True, help="Vectors for each transaction."
)
@click.option("--ttl", type=int, metavar="SECONDS", help="When the version goes away.")
@click.option(
    "--keep", default=2, show_default=True, help="Versions that stay, with this one."
)
@output.json_option()
def push(
    model: Path,
    url: str,
    name: str | None,
    prefix: str,
    users: Path | None,
    items: Path | None,
    batch: int,
    ttl: int | None,
    keep: int,
    as_json: bool,
) -> None:
    """Push user and item vectors to Redis, where they answer at once.

    EXPORT is a folder of `tfrec export`, or one of its versions, whose number the
    vectors get. What answered before does so until all are there; the same command goes
    on after an interruption.
    """
    quiet.tensorflow()
    from tfrec import serving

    served = serving.load(model)
    folder = served.path.resolve()
    if not (folder.name.isascii() and folder.name.isdecimal()):
        raise ModelFileError(
            f"{served.path} has no number, which its vectors would get: give the "
            "folder of the model, with numbered versions."
        )
    name, version = name or folder.parent.name, int(folder.name)
    store = serving.EmbeddingStore(url, name, prefix)
    features = {
        side: read_columns(file, served.spec)
        for side, file in (("user", users), ("item", items))
        if file is not None
    }
    with progress.waiting("computing the vectors"):
        tables = serving.embeddings(served, features)
    with progress.waiting(f"writing to {store.place}"):
        written = store.push(version, tables, batch, ttl, keep)
    counts = {side: len(table.ids) for side, table in tables.items()}
    if as_json:
        result = {"model": name, "version": version, "written": written, **counts}
        output.json_document(result)
        return
    click.echo(
        f"version {version} of {name} is live on {store.place}: {counts['user']} users "
        f"and {counts['item']} items, {written} vectors written"
    )


def read_columns(path: Path, spec: FeatureSpec) -> dict[str, Any]:
    """The columns of a file that a spec has.

    Args:
        path: A Parquet file, or a CSV file with a header and without lists.
        spec: Its columns say what type the values have.

    Raises:
        DataError: The file cannot be read so.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if path.suffix == ".parquet":
            table = parquet.read_table(path)
        else:
            types = {
                column.name: getattr(pa, spec.raw_dtype(column.name))()
                for column in spec.columns
            }
            table = csv.read_csv(
                path, convert_options=csv.ConvertOptions(column_types=types)
            )
    except pa.ArrowException as why:
        raise DataError(f"{path} cannot be read: {why}") from why
    names = [name for name in table.column_names if name in spec]
    for name in names:
        if spec.length(name) and not pa.types.is_list(table.schema.field(name).type):
            raise DataError(
                f"column '{name}' of {path} is to hold lists: write them as lists in a "
                "Parquet file."
            )
    return {name: table.column(name).to_pylist() for name in names}
