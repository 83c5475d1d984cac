"""What a served model takes and gives, and values in that form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError, ServerError, did_you_mean
from tfrec.features import PADDING


@dataclass(frozen=True)
class TensorInfo:
    """An input or output.

    Attributes:
        dtype: TensorFlow's name of the type.
        shape: None where a dimension is free.
    """

    dtype: str
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, info: Any) -> TensorInfo:
        """From a ``TensorInfo`` message."""
        sizes = (dim.size for dim in info.tensor_shape.dim)
        shape = tuple(None if size < 0 else int(size) for size in sizes)
        return cls(tf.as_dtype(info.dtype).name, shape)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of this shape can be one."""
        return len(shape) == len(self.shape) and all(
            wanted in (None, size)
            for wanted, size in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Signature:
    """One function of a served model.

    Attributes:
        name: As requests call it.
        inputs: By name.
        outputs: By name.
    """

    name: str
    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]

    @classmethod
    def of(cls, name: str, message: Any) -> Signature:
        """From a ``SignatureDef`` message."""
        inputs = {n: TensorInfo.of(info) for n, info in message.inputs.items()}
        outputs = {n: TensorInfo.of(info) for n, info in message.outputs.items()}
        return cls(name, inputs, outputs)

    def tensors(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Values as arrays that fit the inputs.

        Args:
            values: One for each input. Where rows may have any length, lists of
                different lengths are filled up with padding.

        Raises:
            ConfigError: A name, type or shape does not fit.
        """
        for name in values:
            if name not in self.inputs:
                raise ConfigError(
                    f"signature {self.name} reads no '{name}'; "
                    f"{did_you_mean(name, self.inputs)}"
                )
        for name in self.inputs:
            if name not in values:
                raise ConfigError(
                    f"signature {self.name} reads '{name}', which is not given: pass "
                    f"features['{name}']."
                )
        arrays = {
            name: _array(name, self.inputs[name], values[name]) for name in values
        }
        free = [n for n, info in self.inputs.items() if info.shape[:1] == (None,)]
        for name in free:
            first = next(n for n in values if n in free)
            if len(arrays[name]) != len(arrays[first]):
                raise ConfigError(
                    f"'{name}' has {len(arrays[name])} rows and '{first}' "
                    f"{len(arrays[first])}: give one for each query."
                )
        return arrays

    def check(self, outputs: Mapping[str, np.ndarray]) -> None:
        """Refuses an answer that the signature does not promise.

        Raises:
            ServerError: A name, type or shape differs.
        """
        if outputs.keys() != self.outputs.keys():
            raise ServerError(
                f"it gives {', '.join(sorted(outputs)) or 'nothing'} for "
                f"{', '.join(sorted(self.outputs))}"
            )
        for name, info in self.outputs.items():
            value = outputs[name]
            kind = np.dtype(object if info.dtype == "string" else info.dtype)
            if value.dtype != kind or not info.fits(value.shape):
                raise ServerError(
                    f"its {name} is {value.dtype}{list(value.shape)}, not "
                    f"{info.dtype}{_sizes(info)}"
                )


def text(values: np.ndarray) -> np.ndarray:
    """Bytes as str."""
    flat = [value.decode() for value in values.ravel()]
    return np.array(flat, object).reshape(values.shape)


def _array(name: str, info: TensorInfo, values: Any) -> np.ndarray:
    values = np.asarray(values).tolist() if hasattr(values, "__array__") else values
    if info.shape[:1] == (None,) and isinstance(values, list | tuple) and not values:
        raise ConfigError(f"'{name}' has no rows: ask at least one query.")
    try:
        if info.dtype in PADDING and info.shape[1:] == (None,):
            values = _filled_up(values, PADDING[info.dtype])
        array = tf.constant(values, info.dtype).numpy()
    except (TypeError, ValueError) as why:
        raise ConfigError(
            f"'{name}' cannot be read as {info.dtype}{_sizes(info)} ({why}): give "
            "values of that type and shape."
        ) from why
    array = np.asarray(array, object if info.dtype == "string" else None)
    if not info.fits(array.shape):
        raise ConfigError(
            f"'{name}' has the shape {list(array.shape)}, not {_sizes(info)}: give "
            "values of that shape."
        )
    return array


def _filled_up(rows: Any, padding: Any) -> list[list[Any]]:
    for row in rows:
        if isinstance(row, str | bytes):  # would fall into its letters
            raise TypeError(f"{row!r} is no list")
    lists = [list(row) for row in rows]
    # At least one, since JSON cannot say how long the rows of [[], []] are.
    longest = max([1, *map(len, lists)])
    return [row + [padding] * (longest - len(row)) for row in lists]


def _sizes(info: TensorInfo) -> str:
    return f"[{', '.join('any' if n is None else str(n) for n in info.shape)}]"
