"""``tfrec train MODEL``: one command for every model, its flags from its Config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tfrec.cli import config_file, disk, hyper_parameters, output, quiet
from tfrec.cli.base import Command
from tfrec.cli.run import Run
from tfrec.cli.source import (
    batch_size_option,
    columns_option,
    data_options,
    split_option,
)

NOT_SETTINGS = ("config", "out", "overwrite", "as_json")


class Models(click.Group):
    """One command for each model of the registry, built when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Registry names."""
        from tfrec.models import registry

        return list(registry.entries())

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        """The command of a model; loads TensorFlow.

        Raises:
            ValueError: Unknown model.
        """
        from tfrec.models import registry

        if name in registry.entries():
            quiet.tensorflow()
        return command(name, registry.get(name))

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Models and their papers, without loading any of them."""
        from tfrec.models import registry

        with formatter.section("Models"):
            formatter.write_dl(
                [(e.name, f"{e.class_name}. {e.paper}") for e in entries_of(registry)]
            )

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """The flags that all models share, then the models."""
        every = click.Command("MODEL", params=shared())
        rows = [p.get_help_record(ctx) for p in every.get_params(ctx)]
        with formatter.section("Options of every model"):
            formatter.write_dl([row for row in rows if row])
        self.format_commands(ctx, formatter)


def entries_of(registry: Any) -> list[Any]:
    """The entries of the registry."""
    return list(registry.entries().values())


@click.group(cls=Models, subcommand_metavar="MODEL [OPTIONS]...", no_args_is_help=True)
def train() -> None:
    """Train a model on data and keep everything of the run in one folder.

    The folder holds model.keras, metrics.json, history.csv, learning_curve.png and
    config.yaml, which --config reads back. An interrupted run is resumed by the same
    command. `tfrec train MODEL --help` shows the hyper-parameters of a model.
    """


@data_options
@columns_option
@split_option
@click.option(
    "--epochs", type=click.IntRange(1), default=10, show_default=True, help="Epochs."
)
@batch_size_option
@click.option(
    "--patience",
    type=click.IntRange(1),
    help="Stop after so many epochs without a better validation number.",
)
@click.option(
    "--validate-every",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Epochs between validations; the best epoch is kept.",
)
@click.option(
    "--config",
    is_eager=True,
    callback=config_file.use,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file of `flag: value` lines; typed flags win.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the run; runs/MODEL by default.",
)
@click.option("--overwrite", is_flag=True, help="Replace the run that is in --out.")
@output.json_option("Print the metrics as JSON.")
@click.pass_context
def _train(context: click.Context, **values: Any) -> None:
    from tfrec.cli import training

    name = str(context.info_name)
    out = values["out"] or Path("runs") / name
    settings = _settings(context, values)
    with disk.told(out, lambda: saved(out)):
        metrics = training.train(name, settings, out, values["overwrite"])
    if values["as_json"]:
        output.json_document(metrics)
    else:
        training.show(metrics, out)


def saved(folder: Path) -> str:
    """What is saved of a run that goes on, in words."""
    run = Run(folder)
    if not run.epochs.last:
        return "no epoch is saved"
    return f"epoch {run.epochs.last} is saved in {run.unfinished}"


def command(name: str, model: type[Any]) -> click.Command:
    """The command that trains a model.

    Args:
        name: Registry name.
        model: Its class.
    """
    described = (model.__doc__ or "").strip().partition("\n")[0]
    return Command(
        name,
        callback=_train,
        params=[*shared(), *hyper_parameters.options(model.Config)],
        help=f"{described}\n\n{model.paper}. Learns by {model.objective}.",
    )


def shared() -> list[click.Parameter]:
    """The flags that all models share."""
    return list(reversed(_train.__click_params__))  # type: ignore[attr-defined]


def _settings(context: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """What was decided, by flag, file or default, in the order of ``--help``."""
    settings: dict[str, Any] = {"model": context.info_name}
    for parameter in context.command.params:
        assert isinstance(parameter, click.Option)
        name = str(parameter.name)
        if name not in values or name in NOT_SETTINGS:
            continue
        can_be_none = isinstance(parameter.type, hyper_parameters.OrNone)
        not_given = () if parameter.multiple else None
        if values[name] != not_given or can_be_none:
            settings[name] = values[name]
    return settings
