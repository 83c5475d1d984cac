"""A connection to Redis whose failures say where, and never the password."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tfrec.errors import ConfigError

SCHEMES = ("redis", "rediss")
ATTEMPTS = 3


def connect(url: str, timeout: float) -> tuple[Any, str]:
    """A client for the server that a URL names; connects with its first command.

    A command is tried again when the connection breaks.

    Args:
        url: ``redis://[user:password@]host[:port][/database]``, or ``rediss://`` for
            TLS, whose options are redis-py's: ``?ssl_ca_certs=ca.pem``.
        timeout: Seconds for connecting and for each answer.

    Returns:
        The client, and ``host:port``.

    Raises:
        ConfigError: The URL is not of this form, or the package ``redis`` is missing.
    """
    if importlib.util.find_spec("redis") is None:
        raise ConfigError(
            "embeddings go to Redis through the package redis, which is not installed: "
            "run pip install -e '.[serving]' in the checkout of tfrec."
        )
    import redis
    from redis.backoff import ExponentialBackoff
    from redis.retry import Retry

    try:
        parts = urlsplit(url)
        place = f"{parts.hostname}:{parts.port or 6379}"
        database = parts.path.strip("/") or "0"
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise ValueError
        int(database)  # redis-py would take what is no number for 0
        client = redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), ATTEMPTS),
        )
    except ValueError:  # its text may hold the password
        raise ConfigError(
            "the URL of the Redis server cannot be read: write "
            "redis://[user:password@]host[:port][/database], or rediss:// for TLS."
        ) from None
    return client, place


@contextmanager
def told(place: str, cure: str = "") -> Iterator[None]:
    """Turns what Redis raises into one sentence.

    Args:
        place: ``host:port``.
        cure: What holds now and what to do, as the end of the sentence.

    Raises:
        PermissionError: The server wants another password or grants too little.
        TimeoutError: It is too slow.
        ConnectionError: It cannot be reached, or went away.
        OSError: Its memory is full, or it refuses a command.
    """
    from redis import exceptions

    end = f"; {cure}." if cure else "."
    try:
        yield
    except (
        exceptions.AuthenticationError,
        exceptions.AuthorizationError,
        exceptions.NoPermissionError,
    ) as why:
        raise PermissionError(
            f"Redis at {place} refuses this user or password: correct them in the "
            f"URL{end}"
        ) from why
    except exceptions.TimeoutError as why:
        raise TimeoutError(
            f"Redis at {place} gave no answer in time: raise the timeout, or look what "
            f"keeps it{end}"
        ) from why
    except exceptions.ConnectionError as why:
        raise ConnectionError(
            f"Redis at {place} cannot be reached ({_reason(why)}): start it, or "
            f"correct the URL{end}"
        ) from why
    except exceptions.OutOfMemoryError as why:
        raise OSError(
            f"the memory of Redis at {place} is full: raise its maxmemory, or delete "
            f"old versions{end}"
        ) from why
    except exceptions.RedisError as why:
        raise OSError(f"Redis at {place} refuses: {_reason(why)}{end}") from why


def _reason(why: Exception) -> str:
    # In a pipeline redis-py puts the command before it, with its values.
    text = str(why).rpartition("of pipeline caused error: ")[2]
    return " ".join(text.split()).rstrip(".")
