"""A model on a server, asked from Python."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np

from tfrec.errors import ConfigError, ServerError, did_you_mean
from tfrec.models.audience import Audience
from tfrec.models.recommend import Recommendations
from tfrec.serving.client.failures import Failure, Kind, retrying
from tfrec.serving.client.rest import Rest
from tfrec.serving.client.rpc import Grpc
from tfrec.serving.client.signature import Signature

Answer = TypeVar("Answer")
Arrays = dict[str, np.ndarray]


class Client:
    """An exported model behind TensorFlow Serving.

    What the model reads and gives is asked of the server once, and again when a request
    does not fit, since a new version may read other columns. Requests are compared with
    it before they are sent. A client may be used by many threads.

    Example:
        >>> with Client("grpc://localhost:8500", "films") as films:  # doctest: +SKIP
        ...     films.recommend({"user_id": ["42"]}, k=10, exclude=[["1", "50"]])

    Args:
        url: ``http://host:port``, ``https://host:port`` or ``grpc://host:port``.
        model: The name under which it is served.
        version: A version; the highest that is served when None.
        label: A label of a version, such as ``canary``, instead of its number.
        timeout: Seconds for each request. Over REST it may be twice as long until a
            server that falls silent in its answer is given up.
        retries: How often a request is sent again while the server cannot be reached
            or is busy. What is refused, or slow, is not sent again.
        limit: Bytes of a request, and of an answer, at most.

    Raises:
        ValueError: The URL cannot be used, or a number is too small.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        limit: int = 64 * 2**20,
    ) -> None:
        if version is not None and label is not None:
            raise ConfigError(
                f"version {version} and label '{label}' name a version twice: give one."
            )
        if timeout <= 0 or limit <= 0 or retries < 0:
            raise ConfigError(
                f"timeout={timeout} and limit={limit} must be above 0, and "
                f"retries={retries} not below."
            )
        self.url, self.model = url, model
        self._timeout, self._retries = timeout, retries
        self._named = f"model '{model}'"
        if version is not None:
            self._named += f", version {version}"
        if label is not None:
            self._named += f", label '{label}'"
        self._channel = _channel(url, model, version, label, timeout, limit)
        self._signatures: dict[str, Signature] | None = None

    def __repr__(self) -> str:
        return f"Client({self._named} at {self.url})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._channel.close()

    def metadata(self) -> dict[str, Signature]:
        """The model's signatures by name, as the server has them now.

        Raises:
            ValueError: There is no such model, version or label.
            OSError: The server cannot be reached, or is too slow.
            RuntimeError: It is no model server, or failed.
        """
        self._signatures = self._ask(self._channel.signatures)
        return self._signatures

    def versions(self) -> list[int]:
        """The versions that the server has ready, ascending.

        Raises:
            ValueError, OSError, RuntimeError: As :meth:`metadata`.
        """
        return self._ask(self._channel.versions)

    def recommend(
        self,
        features: dict[str, Any],
        k: int = 10,
        exclude: Any = None,
        candidates: Any = None,
        within: Any = None,
    ) -> Recommendations:
        """The k best items for each query.

        Args:
            features: Raw values of every query column, one per query; bags and
                sequences as lists of any lengths.
            k: Items for each query.
            exclude: Raw item ids for each query, lists of any lengths.
            candidates: Raw item ids for each query to stay within, lists of any
                lengths; an empty list restricts nothing.
            within: For each query a list of categories as ``column=value`` to stay
                within.

        Returns:
            As :meth:`tfrec.serving.Served.recommend` gives.

        Raises:
            ValueError: The request does not fit the model, or the server refuses it.
            OSError, RuntimeError: As :meth:`metadata`.
        """
        lists = {"exclude": exclude, "candidates": candidates, "within": within}

        def inputs(signature: Signature) -> Arrays:
            rows = max((len(values) for values in features.values()), default=0)
            given = {
                name: [[]] * rows if values is None else values
                for name, values in lists.items()
                if values is not None or name in signature.inputs
            }
            return signature.tensors({**features, **given, "k": k})

        wanted = ("item_id", "score", "cold")
        found = self._predict("serving_default", inputs, wanted)
        return Recommendations(*(found[name] for name in wanted))

    def audience(self, features: dict[str, Any], k: int = 10) -> Audience:
        """The k users nearest to each item, of a model exported with its users.

        Args:
            features: Raw values of every item column, one per item.
            k: Users for each item.

        Raises:
            ValueError, OSError, RuntimeError: As :meth:`recommend`.
        """
        wanted = ("user_id", "score")
        found = self._predict(
            "audience", lambda s: s.tensors({**features, "k": k}), wanted
        )
        return Audience(*(found[name] for name in wanted))

    def score(self, features: dict[str, Any]) -> np.ndarray:
        """``(pairs,)`` float32 scores of users with items.

        Args:
            features: Raw values of all columns, one per pair.

        Raises:
            ValueError, OSError, RuntimeError: As :meth:`recommend`.
        """
        return self._one("score", features, "score")

    def query_embedding(self, features: dict[str, Any]) -> np.ndarray:
        """``(queries, dim)`` float32 vectors of the query side.

        Args:
            features: Raw values of every query column.

        Raises:
            ValueError, OSError, RuntimeError: As :meth:`recommend`.
        """
        return self._one("query_embedding", features, "embedding")

    def item_embedding(self, features: dict[str, Any]) -> np.ndarray:
        """``(items, dim)`` float32 vectors of the item side.

        Args:
            features: Raw values of every item column.

        Raises:
            ValueError, OSError, RuntimeError: As :meth:`recommend`.
        """
        return self._one("item_embedding", features, "embedding")

    def _one(self, name: str, features: dict[str, Any], output: str) -> np.ndarray:
        return self._predict(name, lambda s: s.tensors(features), (output,))[output]

    def _predict(
        self,
        name: str,
        inputs: Callable[[Signature], Arrays],
        wanted: tuple[str, ...],
    ) -> Arrays:
        known = self._signature(name, self._signatures or self.metadata(), wanted)
        try:
            return self._send(known, inputs)
        except (ValueError, RuntimeError):
            # A new version may have come since the signature was read.
            fresh = self._signature(name, self.metadata(), wanted)
            if fresh == known:
                raise
        return self._send(fresh, inputs)

    def _send(
        self, signature: Signature, inputs: Callable[[Signature], Arrays]
    ) -> Arrays:
        try:
            arrays = inputs(signature)
        except ValueError as why:
            raise ConfigError(f"{self._named}: {why}") from why
        return self._ask(lambda: self._channel.predict(signature, arrays))

    def _signature(
        self, name: str, known: dict[str, Signature], wanted: tuple[str, ...]
    ) -> Signature:
        if name not in known:
            raise ServerError(
                f"{self._named} at {self.url} has no signature '{name}'; "
                f"{did_you_mean(name, known)}"
            )
        given = known[name].outputs
        if not given.keys() >= set(wanted):
            raise ServerError(
                f"signature '{name}' of {self._named} at {self.url} gives "
                f"{', '.join(sorted(given))}, not {', '.join(wanted)}: ask for a model "
                "that tfrec exported."
            )
        return known[name]

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        try:
            return retrying(call, self._retries)
        except Failure as failure:
            if failure.kind is Kind.UNKNOWN:
                failure.reason += self._there()
            raise failure.told(self.url, self._named, self._timeout) from failure

    def _there(self) -> str:
        try:
            versions = retrying(self._channel.versions, 0)
        except Failure:
            return ""
        return f"; it has the versions {', '.join(map(str, versions))}"


def _channel(
    url: str,
    model: str,
    version: int | None,
    label: str | None,
    timeout: float,
    limit: int,
) -> Rest | Grpc:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https", "grpc") and bool(parts.hostname)
        port = parts.port  # raises where it is no number
        if parts.scheme == "grpc":
            known = known and bool(port) and not parts.path.strip("/")
    except ValueError:
        known = False
    if not known:
        raise ConfigError(
            f"'{url}' is no address of a model server: write http://host:port, "
            "https://host:port or grpc://host:port."
        )
    if parts.scheme == "grpc":
        target = f"{parts.hostname}:{parts.port}"
        return Grpc(target, model, version, label, timeout, limit)
    return Rest(url, model, version, label, timeout, limit)
