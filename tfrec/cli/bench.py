"""``tfrec bench``: speed as ratios, and the published numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tfrec import atomic
from tfrec.cli import listing, output, progress, quiet
from tfrec.cli.base import Group


@click.group(cls=Group)
def bench() -> None:
    """Measure speed, and reproduce published numbers."""


@bench.command()
@click.option("--only", metavar="NAME", multiple=True, help="Only this measurement.")
@click.option("--quick", is_flag=True, help="Fewer rounds: minutes become seconds.")
@click.option("--seed", default=0, show_default=True, help="Of data and weights.")
@click.option(
    "--json",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Write the rows as JSON; - for standard output.",
)
def speed(only: tuple[str, ...], quick: bool, seed: int, file: Path | None) -> None:
    """Time tfrec against plain Keras, as ratios taken in one process.

    ``--only deepctr`` compares with DeepCTR, ``word2vec`` with gensim, ``gru4rec`` and
    ``lightgcn`` with PyTorch, which it installs into your cache folder; once one is
    there, its comparison belongs to the default measurements.
    """
    quiet.tensorflow()
    from tfrec.benchmarks import speed as measure

    names = only or measure.defaults()
    rows: list[dict[str, Any]] = []
    with progress.bar() as bar:
        task = bar.add_task("measuring", total=len(names))
        for name in names:
            bar.update(task, description=name)
            rows += measure.run([name], quick, seed, output.note)
            bar.advance(task)
    if _write(file, rows):
        return
    columns = ("measurement", "ours", "baseline", "unit", "ratio", "target", "")
    cells = [
        [
            row["name"],
            _number(row["ours"]),
            _number(row["baseline"]),
            row["unit"],
            f"{row['ratio']:.2f}",
            row["target"],
            {True: "met", False: "MISSED", None: ""}[row["met"]],
        ]
        for row in rows
    ]
    numbers = ("ours", "baseline", "ratio")
    console = output.console()
    console.print(output.table("Speed, in one run", columns, cells, numbers))
    for row in rows:
        if row["note"]:
            console.print(f"{row['name']}: {row['note']}")


@bench.command()
@click.option("--only", metavar="ROW", multiple=True, help="Only this row.")
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs."
)
@click.option(
    "--data-dir", metavar="FOLDER", help="Folder of the data; TFREC_DATA_DIR else."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="JSON file that gathers the results of several calls.",
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the table between the markers of this Markdown file.",
)
@click.option("--names", is_flag=True, help="Print the rows there are.")
@output.json_option("Print the results as JSON.")
def published(
    only: tuple[str, ...],
    seeds: int,
    data_dir: str | None,
    out: Path | None,
    markdown: Path | None,
    names: bool,
    as_json: bool,
) -> None:
    """Reproduce published numbers, with the simple baselines beside them.

    With --out, results of earlier calls in that file stand in the table too.
    """
    if not names:
        quiet.tensorflow()
    from tfrec.benchmarks import published as targets

    if names:
        click.echo("\n".join(targets.names()))
        return
    rows = targets.run(only or None, seeds, data_dir, out, output.note)
    if out is not None:
        rows = targets.read(out)
    if markdown is not None:
        targets.write_between_markers(markdown, rows)
        if listing.BEGIN in markdown.read_text(encoding="utf-8"):
            atomic.write_text(markdown, listing.with_models(markdown))
    if as_json:
        output.json_document(rows)
        return
    columns = ("model", "data", "metric", "published", "measured", "seeds", "")
    console = output.console()
    console.print(
        output.table("Published numbers", columns, _cells(rows), columns[3:6])
    )
    for line in targets.curves(rows):
        console.print(line)


def _cells(rows: list[dict[str, Any]]) -> list[list[Any]]:
    cells = []
    for row in rows:
        for metric, value in row["measured"].items():
            published = row["published"].get(metric)
            cells.append(
                [
                    row["title"],
                    row["data"],
                    metric,
                    "-" if published is None else f"{published:.4f}",
                    f"{value['mean']:.4f} ± {value['std']:.4f}",
                    row["seeds"],
                    "" if row["passes"].get(metric, True) else "below",
                ]
            )
    return cells


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _write(file: Path | None, rows: Any) -> bool:
    """Writes rows as JSON; whether that was all there is to print."""
    if file is None:
        return False
    if str(file) == "-":
        output.json_document(rows)
        return True
    atomic.write_text(file, json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    return False
