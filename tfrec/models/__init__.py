"""The canon: every model by class name, loaded on first use."""

from __future__ import annotations

from typing import Any

from tfrec.models import registry


def __getattr__(name: str) -> Any:
    if name == "load":
        from tfrec.models.saving import load

        return load
    if name == "Recommender":
        from tfrec.models.base import Recommender

        return Recommender
    for entry in registry.entries().values():
        if entry.class_name == name:
            return registry.get(entry.name)
    raise AttributeError(f"module 'tfrec.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    names = [entry.class_name for entry in registry.entries().values()]
    return sorted(["Recommender", "load", "registry", *names])
