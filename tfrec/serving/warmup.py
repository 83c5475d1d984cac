"""Requests that TensorFlow Serving runs before it lets a new version answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from tfrec.data.examples import serialise
from tfrec.features import PADDING
from tfrec.models.base import Recommender
from tfrec.serving.live import STATE, VERSION
from tfrec.serving.observe import RATINGS, WHEN

ROWS, K = 2, 10


def write_warmup(
    path: Path, model: Recommender, signatures: dict[str, Any], name: str
) -> None:
    """Writes one request for each signature as a TFRecord of ``PredictionLog``.

    TensorFlow Serving looks for it at ``assets.extra/tf_serving_warmup_requests``.

    Args:
        path: The file.
        model: The model whose columns the requests fill with synthetic values.
        signatures: Concrete functions by name.
        name: The served model's name.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    values = _values(model)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, function in signatures.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            ((specs,), _) = function.structured_input_signature
            for key, spec in specs.items():
                value = values[key]
                if spec.shape.rank == 2 and np.ndim(value) == 1:  # lists of ids
                    value = value[:, None]
                tensor = tf.make_tensor_proto(value, spec.dtype)
                request.inputs[key].CopyFrom(tensor)
            writer.write(log.SerializeToString())


def _values(model: Recommender) -> dict[str, Any]:
    """A value for every input that any signature has."""
    item = model.spec.item_column
    rows = {name: value.numpy() for name, value in model.example(ROWS).items()}
    columns = {
        name: pa.array(rows[name].reshape(ROWS, -1).tolist())
        for name in model.query_columns
    }
    return {
        **rows,
        "k": min(K, item.size - item.first),
        "exclude": np.full((ROWS, 1), PADDING[item.dtype], object),
        "candidates": np.full((ROWS, 1), PADDING[item.dtype], object),
        "within": np.full((ROWS, 1), "", object),
        "examples": serialise(columns),
        RATINGS: np.zeros((ROWS, 1), np.float32),
        WHEN: np.zeros(ROWS, np.int64),
        STATE: np.zeros((ROWS, 0), np.float32),
        VERSION: "",
    }
