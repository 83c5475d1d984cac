"""Raw features as people give them, to tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.features import PADDING, FeatureSpec


def raw_features(
    spec: FeatureSpec, features: dict[str, Any], whole_numbers: tuple[str, ...] = ()
) -> dict[str, tf.Tensor]:
    """Raw query features as tensors of one batch.

    Args:
        spec: The columns.
        features: Raw values by column name, one per query; bags and sequences as lists
            of any lengths.
        whole_numbers: Names that are no columns of the spec and hold int64, such as
            times.

    Returns:
        ``{name: (queries, ...) or (queries, longest)}``, padded with ``""`` or -1.

    Raises:
        KeyError: A name is no column of the spec.
        ValueError: Values of another type, or columns of different lengths.
    """
    tensors: dict[str, tf.Tensor] = {}
    for name, values in features.items():
        if name in whole_numbers and name not in spec:
            tensors[name] = _tensor(name, values, "int64", False)
        else:
            many = spec.length(name) is not None
            tensors[name] = _tensor(name, values, spec.raw_dtype(name), many)
        _check_rows(name, tensors[name], int(next(iter(tensors.values())).shape[0]))
    return tensors


def raw_items(spec: FeatureSpec, name: str, items: Any, queries: int) -> tf.Tensor:
    """Raw item ids that may not, or alone may, come back.

    Args:
        spec: The columns.
        name: What the ids are for, as errors call it.
        items: Raw item ids for each query, lists of any lengths; None for none.
        queries: How many queries there are.

    Returns:
        ``(queries, longest)``, padded with ``""`` or -1.

    Raises:
        ValueError: Ids of another type, or not one list for each query.
    """
    if items is None:
        items = [[]] * queries
    tensor = _tensor(name, items, spec.item_column.dtype, True)
    _check_rows(name, tensor, queries)
    return tensor


def raw_labels(within: Any, queries: int) -> tf.Tensor:
    """Categories to stay within, as :func:`raw_items` for lists of text."""
    tensor = _tensor(
        "within", [[]] * queries if within is None else within, "string", True
    )
    _check_rows("within", tensor, queries)
    return tensor


def _check_rows(name: str, tensor: tf.Tensor, queries: int) -> None:
    if int(tensor.shape[0]) != queries:
        raise ConfigError(
            f"'{name}' has {tensor.shape[0]} rows for {queries} queries: give one for "
            "each query."
        )


def _tensor(name: str, values: Any, dtype: str, many: bool) -> tf.Tensor:
    values = np.asarray(values).tolist() if hasattr(values, "__array__") else values
    try:
        rows = _list(values)
        if not many:
            return tf.constant(rows, dtype)
        rows = [_list(row) for row in rows]
        longest = max(map(len, rows), default=0)
        rows = [row + [PADDING[dtype]] * (longest - len(row)) for row in rows]
        return tf.constant(rows, dtype, (len(rows), longest))
    except (TypeError, ValueError) as why:
        raise ConfigError(
            f"'{name}' cannot be read as {dtype} ({why}): give a list of "
            f"{'lists, one' if many else 'values, one'} for each query."
        ) from why


def _list(values: Any) -> list[Any]:
    if isinstance(values, str | bytes):  # would fall into its letters
        raise TypeError(f"{values!r} is no list")
    return list(values)
