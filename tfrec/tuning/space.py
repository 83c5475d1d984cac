"""What is searched: the ranges of a ``Config``, narrowed, widened or fixed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from numbers import Real
from typing import Any, get_args

from tfrec.errors import ConfigError, did_you_mean
from tfrec.models.config import Config, Tune

RANGE = tuple(field.name for field in dataclasses.fields(Tune))


@dataclasses.dataclass(frozen=True)
class Space:
    """Hyper-parameters of a model to search, and those that stay.

    Attributes:
        config: The model's ``Config`` class.
        ranges: Search range by name.
        fixed: Value by name, for those not searched and not at their default.
    """

    config: type[Config]
    ranges: dict[str, Tune]
    fixed: dict[str, Any]

    @classmethod
    def of(
        cls, config: type[Config], changes: Mapping[str, Any] | None = None
    ) -> Space:
        """The ranges of a ``Config`` with changes.

        Args:
            config: The model's ``Config`` class.
            changes: By hyper-parameter, a mapping with any of ``low``, ``high``,
                ``step``, ``log`` and ``choices`` to change its range, or one value to
                fix it.

        Raises:
            ConfigError: An unknown hyper-parameter or key, a value of the wrong type, a
                range that is none, or nothing left to search.
        """
        hints, ranges, fixed = config.hints(), config.space(), {}
        for name, change in (changes or {}).items():
            if name not in hints:
                raise ConfigError(
                    f"{config.__qualname__} has no hyper-parameter '{name}'; "
                    f"{did_you_mean(name, hints)}"
                )
            if isinstance(change, Mapping):
                ranges[name] = _changed(name, ranges.get(name, Tune()), change)
            else:
                ranges.pop(name, None)
                fixed[name] = change
        config.make(fixed)
        for name, tune in ranges.items():
            _check(config, name, tune, hints[name])
        if not ranges:
            raise ConfigError(
                f"{config.__qualname__} has nothing to search: give one of "
                f"{', '.join(hints)} a range, such as {{low: 1, high: 10}}."
            )
        return cls(config, ranges, fixed)

    def draw(self, drawn: Any) -> Config:
        """Declares the ranges to keras-tuner and takes its values.

        Args:
            drawn: ``keras_tuner.HyperParameters``.

        Returns:
            The configuration of a trial.
        """
        hints, defaults = self.config.hints(), self.config().to_dict()
        values = dict(self.fixed)
        for name, tune in self.ranges.items():
            default = defaults[name]
            if tune.choices:
                # keras-tuner chooses among numbers or texts, and lists are neither.
                texts = [json.dumps(choice) for choice in tune.choices]
                first = json.dumps(default)
                first = first if first in texts else texts[0]
                values[name] = json.loads(drawn.Choice(name, texts, default=first))
                continue
            low, high, step, default = _numbers(tune, _whole(hints[name]), default)
            declare = drawn.Int if _whole(hints[name]) else drawn.Float
            sampling = "log" if tune.log else "linear"
            values[name] = declare(
                name, low, high, step=step, sampling=sampling, default=default
            )
        return self.config.make(values)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: what :meth:`of` makes the same space from."""
        ranges = {
            name: {k: v for k, v in dataclasses.asdict(tune).items() if v}
            for name, tune in self.ranges.items()
        }
        return json.loads(json.dumps({**ranges, **self.fixed}))


def _changed(name: str, tune: Tune, change: Mapping[str, Any]) -> Tune:
    for key in change:
        if key not in RANGE:
            raise ConfigError(
                f"the range of '{name}' has no '{key}'; {did_you_mean(str(key), RANGE)}"
            )
    if "choices" in change:
        if not isinstance(change["choices"], list | tuple):
            raise ConfigError(f"the choices of '{name}' must be a list of values.")
        return Tune(choices=tuple(change["choices"]))
    if tune.choices:
        tune = Tune()
    return dataclasses.replace(tune, **change)


def _check(config: type[Config], name: str, tune: Tune, hint: Any) -> None:
    """Raises ValueError unless the range is one of values that the model takes."""
    if tune.choices:
        for choice in tune.choices:
            config.make({name: choice})
        return
    if not {int, float} & {hint, *get_args(hint)}:
        raise ConfigError(
            f"'{name}' is no number: give it choices, such as {{choices: [...]}}."
        )
    low, high = tune.low, tune.high
    if not (isinstance(low, Real) and isinstance(high, Real) and low < high):
        raise ConfigError(
            f"the range of '{name}' is from {low} to {high}: give it a low and a "
            "higher high."
        )
    if _whole(hint) and (low != int(low) or high != int(high)):
        raise ConfigError(f"'{name}' takes whole numbers, not {low} to {high}.")
    if tune.log and low <= 0:
        raise ConfigError(
            f"the range of '{name}' is logarithmic and begins at {low}: give it a low "
            "above 0, or log: false."
        )


def _whole(hint: Any) -> bool:
    return int in (hint, *get_args(hint)) and float not in (hint, *get_args(hint))


def _numbers(tune: Tune, whole: bool, default: Any) -> tuple[Any, Any, Any, Any]:
    """Ends, step and default as keras-tuner takes them."""
    kind: Any = int if whole else float
    low, high = kind(tune.low), kind(tune.high)
    # On a logarithmic scale keras-tuner multiplies by the step.
    step = None if tune.step is None or tune.log else kind(tune.step)
    inside = default is not None and low <= default <= high
    return low, high, step, kind(default) if inside else low
