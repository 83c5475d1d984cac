"""Dataclasses as JSON holds them: what a document says is checked before it is used."""

from __future__ import annotations

import dataclasses
import sys
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tfrec.errors import ConfigError, did_you_mean

LARGEST_INTEGER = 2**31 - 1


def checked(kind: type[Any], values: Any, what: str) -> dict[str, Any]:
    """The arguments of a dataclass out of a JSON object, lists as tuples.

    Args:
        kind: The dataclass.
        values: What the document says of it.
        what: What it is called in messages.

    Raises:
        ConfigError: No object, an unknown or a missing attribute, or a value of another
            type than the dataclass declares.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{what} is {_short(values)}: give an object of attributes.")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in values:
        if name not in fields:
            raise ConfigError(
                f"{what} has no attribute '{name}'; {did_you_mean(name, fields)}"
            )
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise ConfigError(f"{what} has no '{name}': give it one.")
    hints, found = get_type_hints(kind), {}
    for name, value in values.items():
        found[name] = tuple(value) if isinstance(value, list) else value
        if _is(found[name], hints[name]):
            continue
        fault = f"is no {fields[name].type}"
        if type(value) is int and abs(value) > LARGEST_INTEGER:
            fault = f"is beyond {LARGEST_INTEGER:,}"
        raise ConfigError(f"{what}: {name}={_short(value)} {fault}: correct it.")
    return found


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of a type; numbers are finite, integers of 32 bits."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_is(value, option) for option in args)
    if origin is Literal:
        return value in args
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        each = args[:1] * len(value) if Ellipsis in args else args
        return len(value) == len(each) and all(map(_is, value, each))
    if hint is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) <= sys.float_info.max
    if hint is int:
        return type(value) is int and abs(value) <= LARGEST_INTEGER
    return isinstance(value, hint)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
