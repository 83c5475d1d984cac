"""Hyper-parameters of a model as click options."""

from __future__ import annotations

import dataclasses
import re
import types
from typing import Any, Literal, Union, get_args, get_origin

import click

from tfrec.models.config import Config

NONE = "none"


class ListOf(click.ParamType):
    """Values between commas: ``64,32``; an empty text is an empty list."""

    def __init__(self, part: click.ParamType) -> None:
        self.part = part
        self.name = f"{part.name},..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple:
        """A text or a list to a tuple."""
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            parts = [parts]
        if parts == [""]:
            return ()
        return tuple(self.part.convert(part, param, ctx) for part in parts)


class OrNone(click.ParamType):
    """A value, or ``none``."""

    def __init__(self, part: click.ParamType) -> None:
        self.part = part
        self.name = f"{part.name}|{NONE}"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The text ``none`` to None."""
        return None if value == NONE else self.part.convert(value, param, ctx)


def option_type(hint: Any) -> click.ParamType:
    """The click type of a hyper-parameter's type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (part, *_) = (option for option in args if option is not type(None))
        return OrNone(option_type(part))
    if origin is Literal:
        return click.Choice([str(value) for value in args])
    if origin is tuple:
        return ListOf(option_type(args[0]))
    numbers: dict[Any, click.ParamType] = {int: click.INT, float: click.FLOAT}
    return numbers.get(hint, click.STRING)


def options(config: type[Config]) -> list[click.Option]:
    """One option for every hyper-parameter.

    Args:
        config: A model's ``Config``.
    """
    hints, descriptions = config.hints(), descriptions_of(config)
    result = []
    for field in dataclasses.fields(config):
        flag = field.name.replace("_", "-")
        switch = hints[field.name] is bool
        result.append(
            click.Option(
                [f"--{flag}/--no-{flag}" if switch else f"--{flag}", field.name],
                type=None if switch else option_type(hints[field.name]),
                default=shown(field.default),
                show_default=True,
                help=descriptions.get(field.name),
            )
        )
    return result


def shown(value: Any) -> Any:
    """A hyper-parameter as it is typed."""
    if value is None:
        return NONE
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return value


def descriptions_of(config: type[Config]) -> dict[str, str]:
    """What the docstrings of a ``Config`` and its bases say of each attribute."""
    found: dict[str, str] = {}
    for base in reversed(config.__mro__):
        _, _, text = (base.__doc__ or "").partition("Attributes:\n")
        indent = len(text) - len(text.lstrip(" "))
        for match in re.finditer(
            rf"^ {{{indent}}}(\w+): (.*(?:\n {{{indent + 1},}}.*)*)", text, re.MULTILINE
        ):
            found[match[1]] = " ".join(match[2].replace("``", "").split())
    return found
