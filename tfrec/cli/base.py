"""What every command takes: ``--debug``."""

from __future__ import annotations

from typing import Any

import click


def _debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().command.debug = True  # type: ignore[attr-defined]


def debug_option() -> click.Option:
    """The ``--debug`` flag."""
    return click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_debug,
        help="Print the traceback of an error.",
    )


class Command(click.Command):
    """A command that takes ``--debug``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
