"""``tfrec data``: look at data, and turn large files into TFRecord."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from tfrec.cli import output, progress, quiet
from tfrec.cli.base import Group
from tfrec.cli.source import Source, data_options, mapping_options, split_option
from tfrec.data.timeline import SECOND
from tfrec.errors import ConfigError


@click.group(cls=Group)
def data() -> None:
    """Describe data, and prepare files larger than memory."""


@data.command("list")
@output.json_option("Print one JSON object for each data set, a line each.")
def names(as_json: bool) -> None:
    """List the data sets that --data takes by name."""
    from tfrec.datasets import registry

    rows = [
        {"name": entry.name, "summary": entry.summary}
        for entry in registry.entries().values()
    ]
    if as_json:
        output.json_lines(rows)
        return
    cells = [[row["name"], row["summary"]] for row in rows]
    table = output.table(None, ("name", "what it is"), cells, whole=("name",))
    output.console().print(table)


@data.command()
@data_options
@output.json_option()
def describe(as_json: bool, **values: Any) -> None:
    """Print how many events, users and items there are, when, and the labels.

    A file is read once, in blocks: it may be larger than memory.
    """
    source = Source.take(values)
    if source.is_file and not source.is_prepared:
        from tfrec.data.describe import describe as of_file

        mapping = source.mapping()
        with _file_progress() as report:
            found = of_file(source.data, mapping, progress=report).to_dict()
    else:
        quiet.tensorflow()
        found = _of_interactions(source)
    if as_json:
        output.json_document({"data": source.data, **found})
        return
    rows = [[name, text] for name, text in _in_words(found)]
    columns = (source.data, "")
    output.console().print(output.table(None, columns, rows, ("",)))


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
@mapping_options
@split_option
@click.option("--out", required=True, metavar="FOLDER", help="Where to write.")
@click.option(
    "--min-count",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Rarer ids and words are out of vocabulary.",
)
@click.option(
    "--min-count-users", type=click.IntRange(1), help="The same, for users alone."
)
@click.option(
    "--min-count-items", type=click.IntRange(1), help="The same, for items alone."
)
@click.option("--max-size", type=click.IntRange(1), help="Largest vocabulary.")
@click.option(
    "--shard-rows", type=click.IntRange(1), default=1_000_000, show_default=True
)
@click.option("--seed", default=0, show_default=True, help="Of the shuffle.")
@click.option("--overwrite", is_flag=True, help="Replace prepared data in --out.")
@output.json_option()
def prepare(
    file: Path,
    split: str,
    out: str,
    min_count: int,
    min_count_users: int | None,
    min_count_items: int | None,
    max_size: int | None,
    shard_rows: int,
    seed: int,
    overwrite: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Split FILE, build its vocabularies and write it as TFRecord.

    FILE may be larger than memory: it is read twice, in blocks. Train on the result
    with `tfrec train MODEL --data FOLDER`.
    """
    source = Source.take({**values, "data": str(file)})
    if source.item_names:
        raise ConfigError(
            "titles are not kept in prepared data: leave --item-names out."
        )
    if (Path(out) / "meta.json").is_file() and not overwrite:
        raise ConfigError(
            f"{out} holds prepared data already: pass --overwrite to replace them, or "
            "choose another --out."
        )
    mapping = source.mapping()
    names = (mapping.user, mapping.item, *mapping.columns)
    least = dict.fromkeys(names, min_count)
    least[mapping.user] = min_count_users or min_count
    least[mapping.item] = min_count_items or min_count
    quiet.tensorflow()
    from tfrec.data.prepare import prepare as write

    with _file_progress() as report:
        done = write(
            file,
            out,
            mapping,
            split,
            min_count=least,
            max_size=max_size,
            shard_rows=shard_rows,
            seed=seed,
            overwrite=overwrite,
            progress=report,
        )
    if as_json:
        result = {"path": str(done.directory), "rows": done.rows, "shards": done.shards}
        output.json_document(result)
        return
    cells = [[part, f"{rows:,}", done.shards[part]] for part, rows in done.rows.items()]
    columns = (str(done.directory), "rows", "files")
    output.console().print(output.table(None, columns, cells, columns[1:]))


@contextmanager
def _file_progress() -> Iterator[Callable[[str, float], None]]:
    """A bar for work that tells what it does and the share of it that is done."""
    with progress.bar() as bar:
        task = bar.add_task("", total=1.0)

        def report(stage: str, share: float) -> None:
            bar.update(task, description=stage, completed=share)

        yield report


def _of_interactions(source: Source) -> dict[str, Any]:
    import numpy as np

    if source.is_prepared:
        from tfrec.data import tfrecord

        parts = {part: tfrecord.open(source.data, part) for part in tfrecord.PARTS}
        rows = {part: len(records) for part, records in parts.items()}
        spec = parts["train"].spec
        people = [np.unique(records.person) for records in parts.values()]
        users = len(np.unique(np.concatenate(people)))
        items = spec.item_column.size - spec.item_column.first
        total = sum(rows.values())
        pairs = len(np.unique(np.concatenate([r.known for r in parts.values()])))
        return {
            "rows": total,
            "users": users,
            "items": items,
            "density": pairs / (users * items),
            "duplicates": total - pairs,
            "parts": rows,
        }
    data = source.load()
    users, items = len(np.unique(data.person)), len(np.unique(data.item))
    found: dict[str, Any] = {
        "rows": len(data),
        "users": users,
        "items": items,
        "density": len(data.known) / (users * items),
        "duplicates": len(data) - len(data.known),
    }
    if data.timestamp is not None:
        found["first_time"] = int(data.timestamp.min()) // SECOND
        found["last_time"] = int(data.timestamp.max()) // SECOND
    if data.spec.label is not None:
        labels, counts = np.unique(data.label, return_counts=True)
        found["labels"] = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    found["columns"] = {c.name: f"{c.side}, {c.kind}" for c in data.spec.columns}
    return found


def _in_words(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("rows", "users", "items"):
        yield name, f"{found[name]:,}"
    yield "density", f"{found['density']:.4%}"
    yield "duplicates", f"{found['duplicates']:,}"
    for name, count in found.get("missing", {}).items():
        yield f"missing {name}", f"{count:,}"
    for name in ("first_time", "last_time"):
        if found.get(name) is not None:
            moment = datetime.fromtimestamp(found[name], timezone.utc)
            yield name.replace("_", " "), f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    for label, count in (found.get("labels") or {}).items():
        yield f"label {label:g}", f"{count:,} ({count / found['rows']:.1%})"
    if found.get("label_deciles"):
        yield "label deciles", " ".join(f"{cut:g}" for cut in found["label_deciles"])
    for part, count in found.get("parts", {}).items():
        yield f"part {part}", f"{count:,}"
    for name, kind in found.get("columns", {}).items():
        yield f"column {name}", kind
