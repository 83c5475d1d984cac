"""Ports of this machine that nobody else gets meanwhile."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved() -> Iterator[int]:
    """A free port, kept until the end.

    It is bound and not listened to: a server that sets SO_REUSEADDR (Redis) or
    SO_REUSEPORT (gRPC), as servers do, may still take it, the system gives it to no one
    else, and until then whoever asks is refused.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
