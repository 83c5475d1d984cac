"""The one place that chooses Keras, and how its code becomes a graph.

TensorFlow Recommenders runs on Keras 2 only, so tfrec uses the ``tf-keras`` package
through ``tf.keras``. Everything else in tfrec says ``from tfrec import keras``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

# Before anything can touch `tf.keras`, which settles it: packages that tfrec stands on
# may be the first to do so. It loads nothing.
os.environ["TF_USE_LEGACY_KERAS"] = "1"


def legacy_keras() -> Any:
    """Returns ``tf.keras`` as Keras 2 (package ``tf-keras``).

    ``TF_USE_LEGACY_KERAS`` is read by TensorFlow when ``tf.keras`` is first used, so
    importing TensorFlow before tfrec is fine; using ``tf.keras`` before is not.

    Raises:
        ImportError: ``tf.keras`` is already Keras 3 in this process.
    """
    import tensorflow as tf

    package = tf.keras.Model.__module__.partition(".")[0]
    if package != "tf_keras":
        raise ImportError(
            f"tf.keras is already Keras 3 ({package}) in this process, and tfrec needs "
            "Keras 2: import tfrec before the first use of tf.keras, or set the "
            "environment variable TF_USE_LEGACY_KERAS=1 before Python starts."
        )
    return tf.keras


def traced(function: Callable[..., Any], *signature: Any) -> Any:
    """The concrete function of Python code, ``tf.function`` without calls to come.

    AutoGraph takes most of the time of tracing, and only models with Python's ``if`` or
    ``for`` over tensors need it: it is left out where nothing asks for it.

    Args:
        function: What is traced.
        *signature: A ``tf.TensorSpec``, or a structure of them, for each argument.
    """
    import tensorflow as tf

    try:
        plain = tf.function(function, autograph=False)
        return plain.get_concrete_function(*signature)
    except tf.errors.OperatorNotAllowedInGraphError:
        return tf.function(function).get_concrete_function(*signature)


def compiled(function: Callable[..., Any], *signature: Any) -> Callable[..., Any]:
    """:func:`traced`; the function itself under ``tf.config.run_functions_eagerly``."""
    import tensorflow as tf

    if tf.config.functions_run_eagerly():
        return function
    return traced(function, *signature)


def mapped(function: Callable[..., Any], elements: Any) -> Any:
    """``tf.map_fn`` to float32.

    Outside of a graph, where Python's own ``if`` and ``for`` do, AutoGraph would still
    rewrite the function and all that it calls: it is left out there.

    Args:
        function: One element, or a tuple of one of each, to a float32 tensor.
        elements: A tensor, or a tuple of them, of equal first dimensions.
    """
    import tensorflow as tf

    if tf.executing_eagerly():
        function = tf.autograph.experimental.do_not_convert(function)
    return tf.map_fn(function, elements, fn_output_signature=tf.float32)


def keras_tuner() -> ModuleType:
    """Imports keras-tuner so that it accepts the Keras 2 models of tfrec.

    keras-tuner does a bare ``import keras``, finds Keras 3 and then rejects every
    Keras 2 model (keras-tuner issue 1039). While it is imported, and only then, the
    names ``keras`` and ``tensorflow.keras`` stand for ``tf_keras``; the second one
    because TensorFlow settled it when it was imported, which may have been before
    tfrec.

    Raises:
        ImportError: keras-tuner was imported earlier and holds Keras 3.
    """
    legacy_keras()
    import tf_keras

    if "keras_tuner" in sys.modules:
        if sys.modules["keras_tuner.src.backend.config"].keras is not tf_keras:
            raise ImportError(
                "keras_tuner was imported before tfrec and holds Keras 3: use "
                "tfrec.backend.keras_tuner() instead of importing keras_tuner."
            )
        return sys.modules["keras_tuner"]
    hidden = {name: sys.modules.pop(name) for name in _keras_modules()}
    sys.modules.update({"keras": tf_keras, "tensorflow.keras": tf_keras})
    try:
        import keras_tuner as module
    finally:
        for name in _keras_modules():
            del sys.modules[name]
        sys.modules.update(hidden)
    return module


def _keras_modules() -> list[str]:
    roots = ("keras", "tensorflow.keras")
    parts = tuple(f"{root}." for root in roots)
    return [name for name in sys.modules if name in roots or name.startswith(parts)]
