"""Models on disk: Keras's own ``.keras`` format, never half a file, and read safely."""

from __future__ import annotations

import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfrec.errors import ConfigError, ModelFileError
from tfrec.features import FeatureSpec
from tfrec.models.archive import read
from tfrec.models.objects import check, model_class

if TYPE_CHECKING:
    from tfrec.models.base import Recommender

LARGEST_EXAMPLE = 2**24  # numbers and ids of one row: a colour image of 2364 x 2364
SPARE = 16 * 1024**2  # bytes of variables that are not saved, as those of metrics


def save(write: Callable[[str], Any], path: Path) -> None:
    """Writes beside ``path`` and renames.

    Args:
        write: Writes a ``.keras`` file at a path.
        path: Where the file shall stand.

    Raises:
        ConfigError: The path does not end in ``.keras``.
    """
    if path.suffix != ".keras":
        raise ConfigError(
            f"a model is saved as one .keras file, not as '{path}': end the path in "
            ".keras, or use export(...) for TF Serving."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
        beside = Path(folder) / path.name
        write(str(beside))
        os.replace(beside, path)


def load(path: str | Path) -> Recommender:
    """Loads a saved model, compiled as it was, its class found by the name in the file.

    A file need not be trusted: it runs no code and imports nothing, and takes memory in
    proportion to its size. Its class is one of the registry, or a subclass of yours
    that is defined before; its optimizer, losses and metrics are those of Keras and
    tfrec, or yours that are registered with
    ``tfrec.keras.saving.register_keras_serializable``. What the model answers is
    another matter.

    Args:
        path: A ``.keras`` file, written by ``model.save``. It is only read, and
            nothing is written anywhere: disks may be full or read-only.

    Raises:
        ModelFileError: Not a model file of tfrec, a damaged one, or one that names or
            holds what ``model.save`` does not write: what it is stands in the
            message.
    """
    path = Path(path)
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise ModelFileError(
            f"'{path}' is no saved model: give a .keras file written by model.save."
        )
    try:
        return _load(path)
    except Exception as why:  # a wrong value may come to light anywhere
        raise ModelFileError(f"'{path}' cannot be loaded: {_reason(why)}") from why


def _load(path: Path) -> Recommender:
    with zipfile.ZipFile(path) as archive:
        config, size = read(archive)
    kind = model_class(config)
    check(list(config.values()))
    with _variables_within(size + SPARE):
        model = kind.from_config(config["config"])
        _check_example(model.spec)
        model.build_from_config(config.get("build_config") or {})
        if config.get("compile_config"):
            model.compile_from_config(config["compile_config"])
    model.load_weights(str(path))
    return model


@contextmanager
def _variables_within(most: int) -> Iterator[None]:
    """Refuses variables of more than ``most`` bytes before they take any.

    The slots of an optimizer are not counted, which saves none before its first step.
    """
    total = 0

    def counted(make: Callable[..., tf.Variable], **arguments: Any) -> tf.Variable:
        nonlocal total
        shape = tf.TensorShape(arguments.get("shape"))
        if shape.is_fully_defined():
            dtype = tf.as_dtype(arguments.get("dtype") or tf.float32)
            total += shape.num_elements() * dtype.size
            if total > most:
                raise MemoryError
        return make(**arguments)

    with tf.variable_creator_scope(counted):
        try:
            yield
        except Exception as why:  # Keras puts words around what a layer raises
            if total > most:
                raise ModelFileError(
                    f"its configuration declares {total:,} bytes of tables or more, "
                    f"and its weights take {most - SPARE:,}."
                ) from why
            raise


def _check_example(spec: FeatureSpec) -> None:
    for column in spec.columns:
        length = getattr(column, "max_len", None) or 1
        size = math.prod(getattr(column, "shape", ())) * length
        if size > LARGEST_EXAMPLE:
            raise ModelFileError(
                f"its column '{column.name}' has {size:,} values in a row, and a model "
                f"file may have {LARGEST_EXAMPLE:,}."
            )


def _reason(why: Exception) -> str:
    text = " ".join(str(why).split()).rstrip(".")
    if isinstance(why, ValueError):
        return f"{text}."
    return f"it is damaged ({type(why).__name__}: {text[:200]})."
