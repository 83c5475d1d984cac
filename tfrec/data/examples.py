"""Arrow columns as serialised ``tf.train.Example``, many at a time.

``tf.io.encode_proto`` writes the messages of a whole block in one call. A column's
distinct values are encoded once and repeated by index; the entries of all columns are
then joined, since the bytes of a map are those of its entries one after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf


def serialise(columns: dict[str, pa.Array]) -> np.ndarray:
    """One serialised example per row.

    Args:
        columns: ``(n,)`` strings, bytes, integers or floats, or lists of them, by name.
            Integers become an ``int64_list``, floats a ``float_list``, text and bytes a
            ``bytes_list``.

    Returns:
        ``(n,)`` bytes, equal to ``tf.train.Example.SerializeToString`` up to the order
        of the features.
    """
    with tf.device("CPU"):
        entries = [_entries(name, values) for name, values in columns.items()]
        features = pc.binary_join_element_wise(*entries, b"")
        return _message("Example", features=_objects(features)[:, None]).numpy()


def _entries(name: str, values: pa.Array) -> pa.Array:
    """``(n,)`` bytes of ``tf.train.Features`` that hold this feature alone."""
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        dense, lengths = _dense(values)
        return pa.array(_features(name, dense, lengths), pa.binary())
    if not pa.types.is_dictionary(kind):
        values = values.dictionary_encode()
    distinct = _plain(values.dictionary)[:, None]
    ones = np.ones(len(distinct), np.int32)
    encoded = pa.array(_features(name, distinct, ones), pa.binary())
    return encoded.take(values.indices)


def _dense(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Lists as ``(n, longest)`` padded values and ``(n,)`` int32 lengths."""
    lengths = pc.list_value_length(values).fill_null(0).to_numpy().astype(np.int32)
    flat = _plain(pc.list_flatten(values))
    empty: Any = b"" if flat.dtype == object else 0
    dense = np.full((len(lengths), max(1, lengths.max(initial=0))), empty, flat.dtype)
    dense[np.arange(dense.shape[1]) < lengths[:, None]] = flat
    return dense, lengths


def _plain(values: pa.Array) -> np.ndarray:
    """int64, float32 or bytes objects."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        return values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    if pa.types.is_floating(values.type):
        return values.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    return _objects(values.cast(pa.binary()))


def _objects(values: pa.Array) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False).astype(object)


def _features(name: str, values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """``(n, longest)`` values of one feature to ``(n,)`` bytes of a one-entry map."""
    kind = {"i": "int64", "f": "float", "O": "bytes"}[values.dtype.kind]
    message = f"{kind.capitalize()}List"
    packed = _message(message, lengths[:, None], value=values)
    feature = _message("Feature", **{f"{kind}_list": packed[:, None]})
    key = np.full((len(values), 1), name.encode(), object)
    entry = _message("Features.FeatureEntry", key=key, value=feature[:, None])
    return _message("Features", feature=entry[:, None]).numpy()


def _message(kind: str, sizes: np.ndarray | None = None, **fields: Any) -> tf.Tensor:
    """``(n, values)`` per field to ``(n,)`` messages of ``tensorflow.<kind>``."""
    values = [tf.convert_to_tensor(field) for field in fields.values()]
    if sizes is None:
        sizes = np.ones((len(values[0]), len(fields)), np.int32)
    return tf.io.encode_proto(
        sizes=sizes,
        values=values,
        field_names=list(fields),
        message_type=f"tensorflow.{kind}",
    )
