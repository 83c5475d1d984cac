"""Deep recommender systems in TensorFlow and Keras.

Names are loaded on first use, so ``import tfrec`` itself does not load TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfrec import backend

if TYPE_CHECKING:
    keras: Any

__version__ = "0.1.0"

_MODULES = (
    "benchmarks",
    "data",
    "datasets",
    "errors",
    "evaluation",
    "features",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "serving",
    "trees",
    "tuning",
)

__all__ = ["FeatureSpec", "Interactions", "backend", "keras", *_MODULES]


def __getattr__(name: str) -> Any:
    if name == "keras":
        from tfrec.backend import legacy_keras

        value = legacy_keras()
    elif name == "FeatureSpec":
        from tfrec.features import FeatureSpec as value
    elif name == "Interactions":
        from tfrec.data.interactions import Interactions as value
    elif name in _MODULES:
        return importlib.import_module(f"tfrec.{name}")
    else:
        raise AttributeError(f"module 'tfrec' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
