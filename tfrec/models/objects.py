"""The objects that a model file names: only known ones, and none is imported for it.

Keras imports whatever module a file names. Here a name is looked up among the models of
the registry, the optimizers, losses and metrics of Keras and tfrec, and what the user
has registered with Keras; every other name is refused.
"""

from __future__ import annotations

import inspect
import reprlib
from types import FunctionType
from typing import Any

from tfrec import keras, losses, optimizers
from tfrec.errors import ModelFileError
from tfrec.models import registry
from tfrec.models.base import Recommender

KINDS = (
    keras.optimizers.Optimizer,
    keras.optimizers.legacy.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.losses.Loss,
    keras.metrics.Metric,
)
KERAS = {
    f"{module}.{name}": kind
    for module, space in (
        ("keras.optimizers", keras.optimizers),
        ("keras.optimizers.legacy", keras.optimizers.legacy),
        ("keras.optimizers.schedules", keras.optimizers.schedules),
        ("keras.losses", keras.losses),
        ("keras.metrics", keras.metrics),
    )
    for name, kind in vars(space).items()
    if inspect.isclass(kind) and issubclass(kind, KINDS)
}
FUNCTIONS = {
    name: function
    for space in (keras.metrics, keras.losses)
    for name, function in vars(space).items()
    if inspect.isfunction(function) and name not in ("get", "serialize", "deserialize")
}
OURS = {
    f"tfrec>{kind.__name__}": kind
    for kind in (
        *(getattr(optimizers, name) for name in optimizers.__all__),
        losses.OddsLogLoss,
    )
}
PARTS = {"module", "class_name", "config", "registered_name"}
UNUSED = {"build_config", "shared_object_id"}  # as Keras writes them, now and then
MOST_THRESHOLDS = 100_000  # of a metric, which makes a list of them at once


def model_class(config: dict[str, Any]) -> type[Recommender]:
    """The class of a saved model.

    A model of the registry is never replaced by a class of the user's.

    Args:
        config: What ``config.json`` holds.

    Raises:
        ModelFileError: Neither a model of the registry nor a registered one of the
            user's.
    """
    name, registered = config["class_name"], config["registered_name"]
    if _root(config["module"]) == "tfrec":
        for entry in registry.entries().values():
            if entry.class_name == name and registered == f"tfrec>{name}":
                return registry.get(entry.name)
    kind = _registered(config)
    if kind is None or not issubclass(kind, Recommender):
        raise ModelFileError(
            f"{_described(config)} is no model of tfrec, nor one of yours that is "
            "defined: import yours first."
        )
    return kind


def check(config: Any) -> None:
    """Refuses a part of a configuration that names, at any depth, what it may not.

    Raises:
        ModelFileError: It does.
    """
    if isinstance(config, dict):
        if "class_name" in config:
            _found(config)
        thresholds = config.get("num_thresholds")
        if isinstance(thresholds, int) and thresholds > MOST_THRESHOLDS:
            raise ModelFileError(
                f"it asks for num_thresholds={thresholds:,}, and a model file may ask "
                f"for {MOST_THRESHOLDS:,}."
            )
        for part in config.values():
            check(part)
    elif isinstance(config, list):
        for part in config:
            check(part)


def compile_arguments(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``compile`` that a file describes.

    Args:
        config: Arguments by name, objects as Keras writes them.

    Raises:
        ValueError: It names what it may not.
    """
    check(config)
    return {name: _made(part) for name, part in config.items()}


def _made(config: Any) -> Any:
    if isinstance(config, list):
        return [_made(part) for part in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config:
        return {name: _made(part) for name, part in config.items()}
    found = _found(config)
    return found if inspect.isfunction(found) else found.from_config(config["config"])


def _found(named: dict[str, Any]) -> Any:
    """The class or function of a name, once all that is said of it agrees."""
    found: Any = None
    if named.keys() >= PARTS and named.keys() <= PARTS | UNUSED:
        if named["class_name"] == "function":
            found = _function(named)
        elif named["registered_name"] is None:
            found = KERAS.get(f"{named['module']}.{named['class_name']}")
        elif _root(named["module"]) == "tfrec":
            found = OURS.get(str(named["registered_name"]))
            if found is not None and found.__name__ != named["class_name"]:
                found = None
        else:
            found = _registered(named)
    if found is None:
        raise ModelFileError(
            f"it names {_described(named)}, and a model file may name optimizers, "
            "losses and metrics of Keras and tfrec alone, and what you have registered "
            "with tfrec.keras.saving.register_keras_serializable."
        )
    return found


def _function(named: dict[str, Any]) -> FunctionType | None:
    name = named["config"]
    if named["module"] != "builtins" or not isinstance(name, str):
        return None
    found = FUNCTIONS.get(name) or keras.saving.get_registered_object(name)
    return found if inspect.isfunction(found) else None


def _registered(named: dict[str, Any]) -> Any:
    """A class of the user's or of a library's; None if there is none of the name."""
    registered = named["registered_name"]
    if not isinstance(registered, str):
        return None
    kind = keras.saving.get_registered_object(registered)
    if not inspect.isclass(kind) or kind.__name__ != named["class_name"]:
        return None
    here, there = _root(kind.__module__), _root(named["module"])
    if here in ("tfrec", "tf_keras"):
        return None
    if here != there and "__main__" not in (here, there):
        return None
    return kind


def _root(module: Any) -> str:
    """The package of a module; Keras writes null for that of a notebook."""
    return "__main__" if module is None else str(module).partition(".")[0]


def _described(named: dict[str, Any]) -> str:
    what = named.get("class_name")
    if what == "function":
        what = named.get("config")
    words = f"{reprlib.repr(what)} of module {reprlib.repr(named.get('module'))}"
    if named.get("registered_name") not in (None, what, "function"):
        words += f", registered as {reprlib.repr(named['registered_name'])}"
    return words
