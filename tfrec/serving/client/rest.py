"""The REST protocol of TensorFlow Serving."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import numpy as np
import requests
import urllib3
from google.protobuf import json_format
from requests.adapters import HTTPAdapter
from tensorflow_serving.apis import get_model_metadata_pb2

from tfrec.errors import ServerError
from tfrec.serving.client.failures import Failure, Kind, too_large
from tfrec.serving.client.signature import Signature

KINDS = {
    400: Kind.REFUSED,
    404: Kind.UNKNOWN,
    408: Kind.SLOW,
    412: Kind.REFUSED,
    429: Kind.BUSY,
    503: Kind.BUSY,
    504: Kind.SLOW,
}
CONNECTIONS = 64
PART = 2**16  # bytes read at a time


class Rest:
    """A model behind ``http://`` or ``https://``.

    Args:
        url: Of the server.
        model: Its name.
        version: Its version, or None.
        label: Its label, or None.
        timeout: Seconds for a request, and for each wait for a part of its answer.
        limit: Bytes of a request, and of an answer, at most.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: int | None,
        label: str | None,
        timeout: float,
        limit: int,
    ) -> None:
        self._all = f"{url.rstrip('/')}/v1/models/{model}"
        self._one = self._all
        if version is not None:
            self._one += f"/versions/{version}"
        if label is not None:
            self._one += f"/labels/{label}"
        self._timeout, self._limit = timeout, limit
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))

    def close(self) -> None:
        """Closes all connections."""
        self._session.close()

    def signatures(self) -> dict[str, Signature]:
        """What the server says of the model."""
        answer = self._ask("GET", f"{self._one}/metadata")
        try:
            found = json_format.ParseDict(
                answer["metadata"]["signature_def"],
                get_model_metadata_pb2.SignatureDefMap(),
                ignore_unknown_fields=True,
            )
        except (KeyError, TypeError, json_format.ParseError) as why:
            raise Failure(Kind.BROKEN, f"its metadata lack {why}") from why
        return {
            name: Signature.of(name, message)
            for name, message in found.signature_def.items()
            if not name.startswith("__")
        }

    def versions(self) -> list[int]:
        """The versions that answer."""
        answer = self._ask("GET", self._all)
        try:
            return sorted(
                int(status["version"])
                for status in answer["model_version_status"]
                if status["state"] == "AVAILABLE"
            )
        except (KeyError, TypeError, ValueError) as why:
            raise Failure(Kind.BROKEN, f"its status lacks {why}") from why

    def predict(
        self, signature: Signature, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The outputs for inputs that fit."""
        body = {
            "signature_name": signature.name,
            "inputs": {name: _plain(value) for name, value in inputs.items()},
        }
        answer = self._ask("POST", f"{self._one}:predict", json.dumps(body))
        try:
            values = answer["outputs"]
            if len(signature.outputs) == 1 and not isinstance(values, dict):
                values = dict.fromkeys(signature.outputs, values)
            outputs = {
                name: _array(value, signature.outputs[name].dtype)
                for name, value in values.items()
            }
            signature.check(outputs)
        except (AttributeError, KeyError, TypeError, ValueError) as why:
            raise Failure(Kind.BROKEN, str(why)) from why
        return outputs

    def _ask(self, method: str, url: str, body: str = "") -> Any:
        if len(body) > self._limit:
            raise too_large("request", self._limit)
        end = time.monotonic() + self._timeout
        try:
            with self._session.request(
                method,
                url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = self._whole(response, end)
        except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as why:
            raise Failure(Kind.SLOW, str(why)) from why
        except (requests.ConnectionError, urllib3.exceptions.ProtocolError) as why:
            inner = why.args[0] if why.args else None
            reason = getattr(inner, "reason", None) or inner or why
            raise Failure(Kind.UNREACHABLE, _network(reason)) from why
        except (requests.RequestException, urllib3.exceptions.HTTPError) as why:
            raise Failure(Kind.BROKEN, str(why)) from why
        return self._read(response.status_code, content)

    def _whole(self, response: requests.Response, end: float) -> bytes:
        """All of an answer, which comes in parts."""
        content = bytearray()
        while part := response.raw.read1(PART, decode_content=True):
            content += part
            if len(content) > self._limit:
                raise too_large("answer", self._limit)
            if time.monotonic() > end:
                raise Failure(Kind.SLOW, "it comes too slowly")
        return bytes(content)

    def _read(self, code: int, content: bytes) -> Any:
        status = f"status {code}"
        kind = KINDS.get(code, Kind.BROKEN)
        try:
            answer = json.loads(content)
        except ValueError as why:
            # What is busy may be a proxy, which has its own words.
            if code == 200 or kind in (Kind.UNKNOWN, Kind.REFUSED):
                kind = Kind.BROKEN
            raise Failure(kind, f"{status} and no JSON") from why
        if code == 200:
            return answer
        reason = answer.get("error") if isinstance(answer, dict) else None
        raise Failure(kind, str(reason or status))


def _network(reason: Any) -> str:
    """What urllib3 says, without the objects it names."""
    return (
        str(reason).rpartition(">: ")[2].rpartition("object at 0x")[0]
        or (str(reason).rpartition(": ")[2])
    )


def _plain(array: np.ndarray) -> Any:
    if array.dtype != object:
        return array.tolist()
    flat = np.empty(array.size, object)
    flat[:] = [_text(value) for value in array.ravel()]
    return flat.reshape(array.shape).tolist()


def _text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _array(value: Any, dtype: str) -> np.ndarray:
    if dtype != "string":
        return np.array(value, dtype)
    array = np.array(value, object)
    if not all(isinstance(part, str) for part in array.ravel()):
        raise ServerError("its text is no text")
    return array
