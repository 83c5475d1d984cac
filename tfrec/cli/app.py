"""The root of the command line: its commands and how it fails."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from tfrec import __version__
from tfrec.cli.base import debug_option
from tfrec.cli.bench import bench
from tfrec.cli.data import data
from tfrec.cli.demo import demo
from tfrec.cli.evaluate import evaluate
from tfrec.cli.export import export
from tfrec.cli.interrupts import INTERRUPTED
from tfrec.cli.listing import listing
from tfrec.cli.push import push
from tfrec.cli.recommend import recommend, similar
from tfrec.cli.serve import serve
from tfrec.cli.train import train
from tfrec.cli.tune import tune
from tfrec.cli.vectors import vectors

WRONG_INPUT = (ValueError, KeyError, OSError)
DONE, UNEXPECTED, WRONG = 0, 1, 2


class CommandLine(click.Group):
    """A group whose failures are one line on stderr and an exit code."""

    debug = False

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, **extra: Any
    ) -> NoReturn:
        """Runs a command and exits.

        Exit codes: 0 done, 2 wrong input, 1 unexpected, 130 interrupted, by Ctrl-C or
        SIGTERM.
        """
        self.debug = False
        extra.update(standalone_mode=False, prog_name="tfrec")
        try:
            code = super().main(args, **extra)
        except Exception as error:
            code = self._fail(error)
        sys.exit(code if isinstance(code, int) else DONE)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; click's own way would print an empty line for Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as why:
            raise click.Abort(*why.args) from why

    def _fail(self, error: Exception) -> int:
        if self.debug and not isinstance(error, click.ClickException | click.Abort):
            traceback.print_exc()
        if isinstance(error, click.Abort):
            message, code = ": ".join(("interrupted", *error.args)), INTERRUPTED
        elif isinstance(error, click.UsageError):
            context = error.ctx
            path = context.command_path if context else "tfrec"
            message = f"{error.format_message()} See `{path} --help`."
            code = WRONG
        elif isinstance(error, click.ClickException):
            message, code = error.format_message(), WRONG
        elif isinstance(error, WRONG_INPUT):
            message, code = sentence(error), WRONG
        else:
            message = (
                f"unexpected {type(error).__name__}: {sentence(error)} "
                "(--debug prints the traceback)"
            )
            code = UNEXPECTED
        click.echo(f"tfrec: {message}", err=True)
        return code


def sentence(error: Exception) -> str:
    """The first paragraph of an error, on one line."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}."
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    return " ".join(text.strip().partition("\n\n")[0].split())


@click.group(
    cls=CommandLine,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="tfrec")
def commands() -> None:
    """Deep recommender systems in TensorFlow: train, compare, recommend, export."""


commands.params.append(debug_option())


for command in (
    listing,
    demo,
    data,
    train,
    tune,
    evaluate,
    recommend,
    similar,
    export,
    push,
    vectors,
    serve,
    bench,
):
    commands.add_command(command)


def main() -> NoReturn:
    """Runs the command that the arguments of the process name."""
    warnings.formatwarning = _in_a_line
    commands.main()


def _in_a_line(message: Warning | str, *place: Any, **more: Any) -> str:
    """A warning without the place in the code that it comes from."""
    return f"tfrec: {message}\n"
