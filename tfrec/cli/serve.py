"""``tfrec serve``: TensorFlow Serving on exported models."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from pathlib import Path

import click

from tfrec.cli import quiet, run
from tfrec.cli.base import Command
from tfrec.errors import ConfigError

SERVER = "tensorflow_model_server"
IMAGE = "tensorflow/serving"
GRPC, REST = 8500, 8501


@click.command(cls=Command)
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--port", default=GRPC, show_default=True, help="Of gRPC.")
@click.option("--rest-port", default=REST, show_default=True, help="Of REST.")
@click.option(
    "--latest", default=1, show_default=True, help="How many of the versions answer."
)
@click.option(
    "--label",
    "labels",
    metavar="NAME=VERSION",
    multiple=True,
    help="A label that requests may ask for, such as canary=3; repeatable.",
)
@click.option(
    "--batch",
    type=int,
    metavar="ROWS",
    help="Let the server join requests up to so many rows, where inputs allow it.",
)
@click.option(
    "--batch-timeout",
    default=1000,
    show_default=True,
    metavar="MICROSECONDS",
    help="How long a request waits for others.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where models.config and batching.config are written; a new temporary folder "
    "by default.",
)
def serve(
    folder: Path,
    port: int,
    rest_port: int,
    latest: int,
    labels: tuple[str, ...],
    batch: int | None,
    batch_timeout: int,
    config: Path | None,
) -> None:
    """Serve exported models with TensorFlow Serving.

    FOLDER is a model's folder with numbered versions, or a folder of several. Their
    names are those of the folders. Versions that appear later are loaded then. Where
    tensorflow_model_server is not installed, the command for docker is printed and the
    exit code is 2.
    """
    _check_ports(port, rest_port)
    quiet.tensorflow()
    from tfrec.serving import serving_config

    models = serving_config.find_models(folder)
    files = {
        serving_config.MODELS: serving_config.models_config(
            models, latest, _labels(labels)
        )
    }
    if batch is not None:
        files[serving_config.BATCHING] = serving_config.batching_config(
            models, batch, batch_timeout
        )
    # Not beside the models: a models.config that stands there may be the user's.
    config = (config or Path(tempfile.mkdtemp(prefix="tfrec-serve-"))).resolve()
    for name, text in files.items():
        run.write(config / name, text)
    flags = [f"--model_config_file={config / serving_config.MODELS}"]
    if labels:
        # A label of a version that is still being loaded is an error otherwise.
        flags.append("--allow_version_labels_for_unavailable_models=true")
    if batch is not None:
        flags.append("--enable_batching=true")
        flags.append(f"--batching_parameters_file={config / serving_config.BATCHING}")
    program = shutil.which(SERVER)
    if program is not None:
        # This process becomes the server, so signals reach it.
        os.execv(
            program, [SERVER, f"--port={port}", f"--rest_api_port={rest_port}", *flags]
        )
    click.echo(_docker(folder.resolve(), config, port, rest_port, flags))
    raise ConfigError(
        f"{SERVER} is not installed here: run the command above, or install the "
        "package tensorflow-model-server as tensorflow.org/tfx/serving/setup says."
    )


def _docker(
    folder: Path, config: Path, port: int, rest_port: int, flags: list[str]
) -> str:
    """The same in a container, where every folder has the path that it has here."""
    command = ["docker", "run", "--rm"]
    command += ["-p", f"{port}:{GRPC}", "-p", f"{rest_port}:{REST}"]
    for place in dict.fromkeys((folder, config)):
        command += ["-v", f"{place}:{place}:ro"]
    return shlex.join([*command, IMAGE, *flags])


def _labels(words: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        name, _, version = word.partition("=")
        if not name or not (version.isascii() and version.isdecimal()):
            raise ConfigError(f"--label {word} is not NAME=VERSION: write canary=3.")
        if name in found:
            raise ConfigError(f"label '{name}' is given twice: give it once.")
        found[name] = int(version)
    return found


def _check_ports(*ports: int) -> None:
    for port in ports:
        if not 1 <= port <= 65535:
            raise ConfigError(
                f"port {port} is not between 1 and 65535: choose another."
            )
    if len(set(ports)) < len(ports):
        raise ConfigError(
            f"gRPC and REST cannot both have port {ports[0]}: choose another for one."
        )
