"""``tfrec tune MODEL``: a search for hyper-parameters in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml

from tfrec.cli import config_file, output, quiet
from tfrec.cli.base import Command
from tfrec.cli.source import (
    batch_size_option,
    columns_option,
    data_options,
    split_option,
)
from tfrec.errors import ConfigError

ALGORITHMS = ("bayesian", "random", "hyperband")


@click.command(cls=Command)
@click.argument("model")
@data_options
@columns_option
@split_option
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    default="bayesian",
    show_default=True,
    help="How keras-tuner chooses hyper-parameters.",
)
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Trials at most; more than before goes on with an ended search.",
)
@click.option(
    "--objective",
    metavar="NAME",
    help="Validation score, as val_recall@10; what fits the model by default.",
)
@click.option(
    "--space",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file: a value fixes a hyper-parameter, {low, high, step, log} or "
    "{choices} changes its range.",
)
@click.option(
    "--set",
    "fixed",
    multiple=True,
    metavar="NAME=VALUE",
    help="Fix a hyper-parameter, or change its range, as in --space.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Epochs of a trial at most.",
)
@click.option(
    "--further-epochs",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Epochs that the winner trains on; its best weights are kept.",
)
@batch_size_option
@click.option(
    "--patience",
    type=click.IntRange(1),
    help="Epochs without a better score after which a trial ends.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the search; searches/MODEL by default.",
)
@output.json_option("Print the trials and the winner's metrics as JSON.")
def tune(
    model: str,
    out: Path | None,
    space: Path | None,
    fixed: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Search the hyper-parameters of a model.

    The ranges are those of the model's Config. The folder holds the search, which the
    same command resumes after an interruption, trials.json and trials.png, and in best/
    the winner as a run of `tfrec train`. With keras-tuner's variables
    KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT, several
    processes share a search.
    """
    quiet.tensorflow()
    from tfrec.cli import tuning

    changes = {**(config_file.read(space) if space else {}), **_assigned(fixed)}
    folder = out or Path("searches") / model
    found = tuning.tune(model, settings, changes, folder)
    if found is None:
        output.note("this worker's trials are done; the chief holds the results.")
    elif as_json:
        output.json_document(found)
    else:
        tuning.show(found, folder)


def _assigned(words: tuple[str, ...]) -> dict[str, Any]:
    """``name=value`` words; the values are YAML.

    Raises:
        ConfigError: A word that is none.
    """
    values = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (name and equals and text):
            raise ConfigError(f"--set {word} is not NAME=VALUE: write dim=16, say.")
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"--set {word}: '{text}' is no value; write dim=16, or "
                "dim={low: 8, high: 32}."
            ) from error
    return values
