"""Arrays of any length that live with a model and are read in its graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


class Resident:
    """One array of a catalogue as a variable.

    The catalogue saves the array; the variable follows it, so that graphs traced
    earlier read what a later ``adapt`` put there. A plain object on purpose: Keras
    would save the variable again, and could not load it at another length.

    Args:
        catalogue: Whose ``arrays`` hold it.
        name: Name of the array.
        dtype: Of the variable.
        end: A last value, beyond the array, for the searches and gathers that run over
            its end.
    """

    def __init__(self, catalogue: Any, name: str, dtype: tf.DType, end: Any) -> None:
        self.catalogue, self.name, self.dtype, self.end = catalogue, name, dtype, end
        self._source: np.ndarray | None = None
        self._variable: tf.Variable | None = None

    @property
    def array(self) -> np.ndarray | None:
        """The array as the catalogue holds it; None before any data."""
        return self.catalogue.arrays.get(self.name)

    def put(self, values: np.ndarray) -> None:
        """Hands a new array over to the catalogue."""
        self.catalogue.arrays[self.name] = values
        _ = self.values  # graphs traced earlier shall read it, too

    @property
    def values(self) -> tf.Variable:
        """``(entries + 1,)``: the array and ``end``; ``end`` alone before any data."""
        array = self.array
        if self._variable is None or self._source is not array:
            dtype = self.dtype.as_numpy_dtype
            known = np.asarray([] if array is None else array, dtype)
            padded = np.concatenate([known, np.asarray([self.end], dtype)])
            self._source = array
            with tf.init_scope():
                if self._variable is None:
                    self._variable = tf.Variable(
                        padded, trainable=False, shape=tf.TensorShape([None])
                    )
                else:
                    self._variable.assign(padded)
        return self._variable
