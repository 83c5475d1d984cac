"""Real Redis servers on free ports, and a line to one that breaks."""

import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ports
import pytest
import redis

BINARY = shutil.which("redis-server")


def require():
    """Skips where there is no redis-server, or fails where there must be one."""
    if BINARY is None:
        reason = "redis-server is not installed: apt-get install redis-server"
        if os.environ.get("TFREC_NEED_REDIS"):
            raise RuntimeError(reason)
        pytest.skip(reason, allow_module_level=True)


@dataclass
class Server:
    process: subprocess.Popen
    port: int
    url: str

    @property
    def place(self) -> str:
        return (
            self.url.rpartition("@")[2].partition("//")[2] or f"127.0.0.1:{self.port}"
        )

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)


@contextmanager
def server(*options: str, url: str = "redis://127.0.0.1:{port}", port_flag="--port"):
    """A server without files; ``url`` is how to reach it."""
    silent = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    with ports.reserved() as port:
        process = subprocess.Popen(
            [BINARY, port_flag, str(port), *silent, *options],
            stdout=subprocess.DEVNULL,
        )
        started = Server(process, port, url.format(port=port))
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    started.client().ping()
                    break
                except redis.ConnectionError:
                    assert process.poll() is None and time.monotonic() < until
                    time.sleep(0.02)
            yield started
        finally:
            process.kill()
            process.wait()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


@contextmanager
def breaking_line(port: int, limit: int):
    """A port that leads to another until ``limit`` bytes were sent; then nowhere."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    left, over = limit, threading.Event()
    lines = []

    def send(source: socket.socket, target: socket.socket, counted: bool):
        nonlocal left
        while not over.is_set():
            try:
                data = source.recv(4096)
                if counted:
                    data, left = data[: max(left, 0)], left - len(data)
                if data:
                    target.sendall(data)
            except OSError:
                break
            if not data:
                break
            if left < 0:
                over.set()
        for end in (source, target):
            end.close()

    def accept():
        while not over.is_set():
            try:
                here, _ = listener.accept()
            except TimeoutError:
                continue
            there = socket.create_connection(("127.0.0.1", port))
            for pair in ((here, there, True), (there, here, False)):
                lines.append(threading.Thread(target=send, args=pair, daemon=True))
                lines[-1].start()
        listener.close()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        accepting.join()
