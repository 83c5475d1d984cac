"""``tfrec evaluate``: a model in one table with the simple ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tfrec.cli import hyper_parameters, output, quiet, run
from tfrec.cli.base import Command
from tfrec.cli.source import Source, data_options, split_option

if TYPE_CHECKING:
    from tfrec.evaluation import Protocol


@click.command(cls=Command)
@click.argument("model", metavar="RUN|MODEL", type=click.Path(path_type=Path))
@data_options
@split_option
@click.option(
    "--part",
    type=click.Choice(["test", "valid"]),
    default="test",
    show_default=True,
    help="The held-out part to predict.",
)
@click.option(
    "--baselines",
    type=hyper_parameters.ListOf(click.STRING),
    metavar="NAME,...",
    help="Models to stand beside it, fitted here; by default popularity,item_knn for a "
    "ranking, bias_baseline for ratings. An empty text for none.",
)
@click.option(
    "--k",
    type=hyper_parameters.ListOf(click.IntRange(1)),
    metavar="K,...",
    default="10",
    show_default=True,
    help="Cutoffs of a ranking.",
)
@click.option("--csv", "table", metavar="FILE", help="Write the table as CSV.")
@output.json_option("Print the results as JSON.")
@click.pass_context
def evaluate(
    context: click.Context,
    model: Path,
    part: str,
    baselines: tuple[str, ...] | None,
    k: tuple[int, ...],
    table: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Measure a model on held-out events, simple models beside it.

    RUN|MODEL is a folder of `tfrec train`, or a .keras file. A run knows its data and
    its split; flags say otherwise.
    """
    quiet.tensorflow()
    from tfrec.evaluation import FullRanking, RatingPrediction, report
    from tfrec.evaluation.protocols import natural
    from tfrec.evaluation.report import RANKING_COMPANIONS, RATING_COMPANIONS
    from tfrec.models import registry

    for name in baselines or ():
        if name not in registry.entries():
            registry.get(name)
    loaded = run.load_model(model)
    source = source_of(context, model, values)
    _, valid, test = source.parts()
    held_out = test if part == "test" else valid
    protocol: Protocol = natural(loaded, held_out)
    companions: tuple[str, ...] = ()
    if isinstance(protocol, FullRanking):
        protocol = dataclasses.replace(protocol, k=k)
        companions = RANKING_COMPANIONS
    elif isinstance(protocol, RatingPrediction):
        companions = RATING_COMPANIONS
    beside = companions if baselines is None else baselines
    found = report(held_out, [loaded, *beside], protocol=protocol)
    if table is not None:
        found.to_csv(table)
    if as_json:
        output.json_document([result.to_dict() for result in found.results])
    else:
        output.console().print(found)


def source_of(context: click.Context, path: Path, values: dict[str, Any]) -> Source:
    """The data of a run, or what the flags say.

    Args:
        context: Of the command, to know what was typed.
        path: The run or model.
        values: The data flags.
    """
    found = run.find(path)
    typed = {
        name: value
        for name, value in values.items()
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    if found is None or "data" in typed:
        return Source.take(values)
    return Source.take({**found.settings(), **typed})
