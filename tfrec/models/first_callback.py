"""A callback of the model's own, before all others of ``fit``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfrec import keras


def fit_with(
    callback: keras.callbacks.Callback, fit: Callable, *args: Any, **kwargs: Any
) -> keras.callbacks.History:
    """Keras's ``fit`` with one more callback, which comes first.

    Args:
        callback: The callback.
        fit: ``fit`` of a model, bound.
        *args: Its arguments.
        **kwargs: Its arguments.
    """
    bound = inspect.signature(fit).bind(*args, **kwargs)
    others = tf.nest.flatten(bound.arguments.get("callbacks") or [])
    bound.arguments["callbacks"] = [callback, *others]
    return fit(*bound.args, **bound.kwargs)
