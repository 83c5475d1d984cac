"""YAML files that hold what else is typed as flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml

from tfrec.cli.hyper_parameters import NONE, OrNone
from tfrec.errors import ConfigError, did_you_mean


def read(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        ConfigError: Not YAML, or not a mapping of names to values.
    """
    try:
        values = loads(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{path}{place} is not YAML: write one 'name: value' a line."
        ) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no mapping: write one 'name: value' a line.")
    return values


def loads(text: str) -> Any:
    """What a YAML text says."""
    return yaml.safe_load(text)


def dump(values: dict[str, Any]) -> str:
    """Settings as YAML, in the given order."""
    return yaml.safe_dump(
        {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()},
        sort_keys=False,
        default_flow_style=None,
    )


def use(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """Callback of ``--config``: the file's values become the flags' defaults.

    Raises:
        ConfigError: A key that is no flag of the command, a value that the flag does
            not take, or another model's file.
    """
    if path is None:
        return
    values = read(path)
    model = values.pop("model", context.info_name)
    if model != context.info_name:
        raise ConfigError(
            f"{path} is the configuration of model '{model}', not of "
            f"'{context.info_name}': run `tfrec train {model} --config {path}`."
        )
    known = {
        option.name: option
        for option in context.command.params
        if isinstance(option, click.Option) and option.expose_value
    }
    defaults = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(
                f"{path}: '{key}' is no setting of {model}; "
                f"{did_you_mean(str(key), known)}"
            )
        if value is not None or isinstance(known[key].type, OrNone):
            defaults[key] = _typed(path, key, value)
            try:
                known[key].type_cast_value(context, defaults[key])
            except click.BadParameter as error:
                reason = error.message.rstrip(".")
                raise ConfigError(f"{path}: '{key}': {reason}; correct it.") from error
    context.default_map = defaults


def _typed(path: Path, key: str, value: Any) -> str | list[str]:
    """A YAML value as it would be typed, so that the flag's own type judges it."""
    if isinstance(value, dict):
        raise ConfigError(f"{path}: '{key}' must be one value, not a mapping.")
    if isinstance(value, list):
        return [str(part) for part in value]
    return NONE if value is None else str(value)
