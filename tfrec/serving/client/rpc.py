"""The gRPC protocol of TensorFlow Serving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfrec.serving.client.failures import Failure, Kind, too_large
from tfrec.serving.client.signature import Signature, text

KINDS = {
    grpc.StatusCode.UNAVAILABLE: Kind.UNREACHABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Kind.BUSY,
    grpc.StatusCode.DEADLINE_EXCEEDED: Kind.SLOW,
    grpc.StatusCode.NOT_FOUND: Kind.UNKNOWN,
    grpc.StatusCode.INVALID_ARGUMENT: Kind.REFUSED,
    grpc.StatusCode.FAILED_PRECONDITION: Kind.REFUSED,
    grpc.StatusCode.OUT_OF_RANGE: Kind.REFUSED,
}
OPTIONS = (
    ("grpc.max_send_message_length", -1),  # refused before, in a sentence
    # How soon to connect again is for the client's own waiting to say.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),
)


class Grpc:
    """A model behind ``grpc://``.

    Args:
        target: ``host:port``.
        model: Its name.
        version: Its version, or None.
        label: Its label, or None.
        timeout: Seconds for each request.
        limit: Bytes of a request, and of an answer, at most.
    """

    def __init__(
        self,
        target: str,
        model: str,
        version: int | None,
        label: str | None,
        timeout: float,
        limit: int,
    ) -> None:
        self._spec: dict[str, Any] = {"name": model}
        if version is not None:
            self._spec["version"] = {"value": version}
        if label is not None:
            self._spec["version_label"] = label
        self._timeout, self._limit = timeout, limit
        options = (*OPTIONS, ("grpc.max_receive_message_length", limit))
        self._channel = grpc.insecure_channel(target, options)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def signatures(self) -> dict[str, Signature]:
        """What the server says of the model."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=["signature_def"]
        )
        answer = self._ask(self._predictions.GetModelMetadata, request)
        found = get_model_metadata_pb2.SignatureDefMap()
        try:
            unpacked = answer.metadata["signature_def"].Unpack(found)
        except DecodeError as why:
            raise Failure(Kind.BROKEN, f"its metadata are {why}") from why
        if not unpacked:
            raise Failure(Kind.BROKEN, "its metadata lack signature_def")
        return {
            name: Signature.of(name, message)
            for name, message in found.signature_def.items()
            if not name.startswith("__")
        }

    def versions(self) -> list[int]:
        """The versions that answer."""
        request = get_model_status_pb2.GetModelStatusRequest(
            model_spec={"name": self._spec["name"]}
        )
        answer = self._ask(self._models.GetModelStatus, request)
        available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        return sorted(
            int(status.version)
            for status in answer.model_version_status
            if status.state == available
        )

    def predict(
        self, signature: Signature, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The outputs for inputs that fit."""
        request = predict_pb2.PredictRequest(
            model_spec={**self._spec, "signature_name": signature.name},
            inputs={
                name: tf.make_tensor_proto(value, signature.inputs[name].dtype)
                for name, value in inputs.items()
            },
        )
        answer = self._ask(self._predictions.Predict, request)
        try:
            outputs = {
                name: tf.make_ndarray(value) for name, value in answer.outputs.items()
            }
            outputs = {
                name: text(value) if value.dtype == object else value
                for name, value in outputs.items()
            }
            signature.check(outputs)
        except (TypeError, ValueError) as why:
            raise Failure(Kind.BROKEN, str(why)) from why
        return outputs

    def _ask(self, method: Callable[..., Any], request: Any) -> Any:
        if request.ByteSize() > self._limit:
            raise too_large("request", self._limit)
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as why:
            if "Received message larger than max" in (why.details() or ""):
                raise too_large("answer", self._limit) from why
            kind = KINDS.get(why.code(), Kind.BROKEN)
            raise Failure(kind, why.details() or why.code().name) from why
