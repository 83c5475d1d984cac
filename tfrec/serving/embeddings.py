"""Tables of vectors by raw id, from arrays or from an exported model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError, DataError, ModelFileError, did_you_mean
from tfrec.features import Categorical
from tfrec.models.raw import raw_features
from tfrec.serving.load import Served, load

ROWS = 1024
SIGNATURES = {"user": "query_embedding", "item": "item_embedding"}


@dataclass(frozen=True)
class Table:
    """Vectors by raw id.

    Attributes:
        ids: ``(rows,)`` distinct raw ids, text or whole numbers.
        vectors: ``(rows, dim)``; kept as float32.
    """

    ids: np.ndarray
    vectors: np.ndarray

    def __post_init__(self) -> None:
        ids, vectors = raw_ids(self.ids), np.asarray(self.vectors)
        if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.size:
            raise DataError(
                f"vectors of shape {vectors.shape} and type {vectors.dtype} are no "
                "table: give numbers as (rows, dim), at least one."
            )
        if len(ids) != len(vectors):
            raise DataError(
                f"there are {len(ids)} ids for {len(vectors)} vectors: give one each."
            )
        if len(set(ids.tolist())) != len(ids):
            raise DataError("an id stands twice among the ids: give each one vector.")
        if not np.isfinite(vectors).all():
            row = int(np.argmin(np.isfinite(vectors).all(axis=1)))
            raise DataError(
                f"the vector of id {ids[row]!r} is not finite: train again, or leave "
                "it out."
            )
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "vectors", np.ascontiguousarray(vectors, "<f4"))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of ids and vectors."""
        found = hashlib.sha256(json.dumps(self.ids.tolist()).encode())
        found.update(self.vectors.data)
        return found.hexdigest()


def raw_ids(ids: Any) -> np.ndarray:
    """Ids as ``(rows,)`` text objects or int64.

    Raises:
        DataError: Anything else.
    """
    array = np.asarray(ids)
    if array.ndim == 1 and array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.ndim == 1 and array.dtype.kind in "UO":
        array = array.astype(object)
        if all(isinstance(value, str) for value in array.tolist()):
            return array
    raise DataError(
        f"ids of shape {array.shape} and type {array.dtype} are none: give one list "
        "of text or of whole numbers."
    )


def kind(ids: np.ndarray) -> str:
    """``string`` or ``int64``, of ids from :func:`raw_ids`."""
    return "string" if ids.dtype == object else "int64"


def embeddings(
    model: Served | str | Path,
    features: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Table]:
    """The user and item vectors of an exported model.

    A model whose vectors depend on an id alone gives those of its vocabulary. Where it
    reads further columns, they are given in ``features``.

    Args:
        model: A loaded export, or its directory as :func:`tfrec.serving.load` takes it.
        features: Under ``user`` and ``item``, raw columns by name: the id column and
            those that the signature reads, one value per row.

    Returns:
        ``user`` and ``item`` tables.

    Raises:
        ValueError: The model has no such vectors, or columns are missing or do not fit.
    """
    served = model if isinstance(model, Served) else load(model)
    given = dict(features or {})
    for side in given:
        if side not in SIGNATURES:
            raise ConfigError(
                f"features are for the sides user and item, not '{side}'; "
                f"{did_you_mean(side, SIGNATURES)}"
            )
    absent = [name for name in SIGNATURES.values() if name not in served.signatures]
    if absent:
        raise ModelFileError(
            f"{served.config['class']} at {served.path} has no signature "
            f"{' and no '.join(absent)}, so no vectors: export a model with two towers."
        )
    return {
        side: _table(served, side, signature, given.get(side))
        for side, signature in SIGNATURES.items()
    }


def _table(
    served: Served, side: str, signature: str, features: Mapping[str, Any] | None
) -> Table:
    spec, function = served.spec, served.signatures[signature]
    names = list(function.structured_input_signature[1])
    column = spec.user_column if side == "user" else spec.item_column
    if features is None:
        features = _vocabulary(served, side, column, names)
    missing = [name for name in (column.name, *names) if name not in features]
    if missing:
        raise ConfigError(
            f"the {side} vectors of {served.config['class']} need the column "
            f"'{missing[0]}': add it to those of the {side}s."
        )
    inputs = raw_features(spec, {name: features[name] for name in names})
    ids = raw_ids(features[column.name])
    parts = []
    for begin in range(0, len(ids), ROWS):
        rows = {name: values[begin : begin + ROWS] for name, values in inputs.items()}
        parts.append(function(**rows)["embedding"])
    return Table(ids, tf.concat(parts, 0).numpy() if parts else np.zeros((0, 1)))


def _vocabulary(
    served: Served, side: str, column: Categorical, names: list[str]
) -> dict[str, Any]:
    further = [name for name in names if name != column.name]
    if further or not column.vocabulary:
        wanted = ", ".join(further) or f"the ids of '{column.name}', which is hashed"
        raise ConfigError(
            f"the {side} vectors of {served.config['class']} depend on {wanted}: give "
            f"these columns of the {side}s beside '{column.name}'."
        )
    kind: Any = object if column.dtype == "string" else np.int64
    return {column.name: np.array(column.vocabulary, kind)}
