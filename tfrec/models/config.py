"""Hyper-parameters of a model: constructor, YAML, CLI flags and search space in one."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from tfrec.errors import ConfigError, did_you_mean

Self = TypeVar("Self", bound="Config")


@dataclass(frozen=True)
class Tune:
    """Search range of a hyper-parameter, written in its annotation.

    ``dim: Annotated[int, Tune(8, 128, log=True)] = 64``, or
    ``activation: Annotated[str, Tune(choices=("relu", "tanh"))] = "relu"``.

    Attributes:
        low: Lowest value.
        high: Highest value.
        step: Distance of values; None for any.
        log: Whether to search on a logarithmic scale.
        choices: The values, instead of a range.
    """

    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    choices: tuple = ()


@dataclass(frozen=True)
class Config:
    """Base of every model's configuration.

    Attributes:
        seed: Seed of the initial weights and of draws inside the model.
    """

    seed: int = 0

    @classmethod
    def make(cls: type[Self], values: dict[str, Any]) -> Self:
        """Builds a configuration, converting YAML's and JSON's types.

        Args:
            values: Hyper-parameters by name.

        Raises:
            ConfigError: An unknown name (the near match is named) or a value of the
                wrong type.
        """
        hints = cls.hints()
        for name in values:
            if name not in hints:
                raise ConfigError(
                    f"{cls.__qualname__} has no hyper-parameter '{name}'; "
                    f"{did_you_mean(name, hints)}"
                )
        return cls(
            **{
                name: _convert(f"{cls.__qualname__}.{name}", value, hints[name])
                for name, value in values.items()
            }
        )

    @classmethod
    def hints(cls) -> dict[str, Any]:
        """Type of every hyper-parameter, without its search range."""
        return typing.get_type_hints(cls)

    @classmethod
    def space(cls) -> dict[str, Tune]:
        """Search range of every hyper-parameter that has one."""
        space = {}
        for name, hint in typing.get_type_hints(cls, include_extras=True).items():
            for extra in getattr(hint, "__metadata__", ()):
                if isinstance(extra, Tune):
                    space[name] = extra
        return space

    def to_dict(self) -> dict[str, Any]:
        """JSON-able hyper-parameters; :meth:`make` is the inverse."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }


def _convert(name: str, value: Any, hint: Any) -> Any:
    """Returns ``value`` as the type in ``hint``."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        for option in args:
            if option is not type(None):
                return _convert(name, value, option)
    if origin is Literal:
        if value not in args:
            raise ConfigError(
                f"{name}={value!r} is none of {', '.join(map(str, args))}; "
                f"{did_you_mean(str(value), map(str, args))}"
            )
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{name}={value!r} must be a list of {args[0].__name__}.")
        return tuple(_convert(name, part, args[0]) for part in value)
    if hint is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3 as text
        except ValueError:
            raise ConfigError(f"{name}={value!r} must be a number.") from None
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{name}={value!r} must be of type {hint.__name__}.")
    return value
