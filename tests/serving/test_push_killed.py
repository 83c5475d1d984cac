"""A push to a real Redis server, killed at any command that it sends."""

import numpy as np
import pytest
import redis_local
from redis.connection import AbstractConnection

from tfrec.serving import EmbeddingStore, Table

redis_local.require()


class Killed(BaseException):
    """Nothing catches it, and no command is sent after it."""


@pytest.fixture(scope="module")
def running():
    with redis_local.server() as started:
        yield started


def tables(seed):
    rng = np.random.default_rng(seed)
    return {
        "user": Table([f"u{n}" for n in range(7)], rng.normal(size=(7, 3))),
        "item": Table(list(range(20)), rng.normal(size=(20, 3))),
    }


def push(url, version):
    store = EmbeddingStore(url, "model")
    return store.push(version, tables(version), batch=8, ttl=1000, keep=1)


def contents(client):
    """All keys with their values, and whether they expire."""
    read = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers}
    return {
        key: (read[client.type(key)](key), client.ttl(key) > 0)
        for key in client.keys("*")
    }


def killing(monkeypatch, number, share):
    """Kills before a command has gone whole; one that is never reached kills none."""
    send, left = AbstractConnection.send_packed_command, number

    def sent(self, command, check_health=True):
        nonlocal left
        left -= 1
        if left <= 0:
            if left == 0:
                whole = command if isinstance(command, bytes) else b"".join(command)
                self._sock.sendall(whole[: int(share * len(whole))])
                self._sock.close()
            raise Killed
        return send(self, command, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", sent)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_the_same_push_ends_it(running, monkeypatch, share):
    client = running.client()
    client.flushall()
    for version in (1, 2):
        push(running.url, version)
    expected = contents(client)
    for number in range(1, 1000):
        client.flushall()
        push(running.url, 1)
        with monkeypatch.context() as patch:
            killing(patch, number, share)
            try:
                push(running.url, 2)
            except Killed:
                ended = False
            else:
                ended = True
        if ended:
            break
        store = EmbeddingStore(running.url, "model")
        assert store.live in (1, 2)
        for name, table in tables(store.live).items():
            np.testing.assert_array_equal(store.vectors(name).vectors, table.vectors)
        push(running.url, 2)
        assert contents(client) == expected, number
    assert 20 < number < 1000
