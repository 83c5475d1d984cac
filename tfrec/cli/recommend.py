"""``tfrec recommend`` and ``tfrec similar``: items for a user, items like an item."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfrec.cli import output, quiet, run
from tfrec.cli.base import Command
from tfrec.errors import ConfigError, ModelFileError

if TYPE_CHECKING:
    from tfrec.features import FeatureSpec
    from tfrec.models.recommend import Recommendations

MODEL = click.argument("model", metavar="RUN|MODEL", type=click.Path(path_type=Path))
K = click.option("--k", default=10, show_default=True, help="Number of items.")


@click.command(cls=Command)
@MODEL
@click.option("--user", required=True, metavar="ID", help="The user's id.")
@K
@click.option(
    "--exclude", metavar="ID,...", default="", help="Item ids not to recommend."
)
@click.option("--seen", is_flag=True, help="Recommend also what the user has taken.")
@click.option(
    "--feature",
    "features",
    metavar="NAME=VALUE,...",
    multiple=True,
    help="A further column of the query, for models that read one.",
)
@output.json_option()
def recommend(
    model: Path,
    user: str,
    k: int,
    exclude: str,
    seen: bool,
    features: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print the items a model recommends to a user.

    RUN|MODEL is a folder of `tfrec train`, a .keras file, or an exported model.
    """
    quiet.tensorflow()
    loaded = open_model(model)
    spec = loaded.spec
    query = {spec.user: [raw(spec, spec.user, user)]}
    for word in features:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--feature {word} is not NAME=VALUE: write one.")
        query[name] = [raw(spec, name, value)]
    excluded = [[raw(spec, spec.item, text) for text in exclude.split(",") if text]]
    options: dict[str, Any] = {"exclude": excluded if exclude else None}
    if hasattr(loaded, "catalogue"):
        options["drop_seen"] = not seen
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the answer says it, and so do we
        found = loaded.recommend(query, k, **options)
    if found.cold[0]:
        output.note(f"user {user} is unknown: answered by popularity.")
    _print(f"For user {user}", found, run.read_titles(model), as_json)


@click.command(cls=Command)
@MODEL
@click.option("--item", required=True, metavar="ID", help="The item's id.")
@K
@output.json_option()
def similar(model: Path, item: str, k: int, as_json: bool) -> None:
    """Print the items nearest to an item.

    RUN|MODEL is a folder of `tfrec train`, or a .keras file.
    """
    quiet.tensorflow()
    loaded = run.load_model(model)
    found = loaded.similar_items([raw(loaded.spec, loaded.spec.item, item)], k)
    titles = run.read_titles(model)
    name = f"{item}, {titles[item]}" if item in titles else item
    _print(f"Like item {name}", found, titles, as_json)


def open_model(path: Path) -> Any:
    """A model in training or an exported one, whichever the path holds.

    Raises:
        ModelFileError: Neither.
    """
    from tfrec import serving
    from tfrec.serving.export import versions

    if (path / "saved_model.pb").exists() or versions(path):
        return serving.load(path)
    if path.is_dir() and not run.Run(path).folder_of_run:
        raise ModelFileError(
            f"{path} is neither a run of `tfrec train` nor an exported model: name "
            "one, or a .keras file."
        )
    return run.load_model(path)


def raw(spec: FeatureSpec, name: str, text: str) -> Any:
    """A typed value as a raw value of a column; several between commas for lists.

    Raises:
        KeyError: No such column.
        ValueError: The text is no number where the column holds numbers.
    """
    dtype = spec.raw_dtype(name)
    if spec.length(name):
        return [_scalar(name, dtype, part) for part in text.split(",") if part]
    return _scalar(name, dtype, text)


def _scalar(name: str, dtype: str, text: str) -> Any:
    if dtype == "string":
        return text
    kind = int if dtype == "int64" else float
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(
            f"'{text}' is no {name}: {name} is "
            f"{'a whole number' if kind is int else 'a number'}."
        ) from None


def _print(
    title: str, found: Recommendations, titles: dict[str, str], as_json: bool
) -> None:
    rows = []
    for item, score in zip(found.item_id[0], found.score[0], strict=True):
        if math.isinf(score):
            break  # no item is left
        key = str(item)
        row = {"item_id": item if isinstance(item, str) else int(item)}
        if key in titles:
            row["title"] = titles[key]
        rows.append({**row, "score": float(score)})
    if as_json:
        output.json_lines(rows)
        return
    columns = ["#", "item", "title", "score"] if titles else ["#", "item", "score"]
    cells = [
        [
            rank,
            row["item_id"],
            *([row.get("title", "")] if titles else []),
            f"{row['score']:.4f}",
        ]
        for rank, row in enumerate(rows, 1)
    ]
    output.console().print(output.table(title, columns, cells, ("#", "score")))
