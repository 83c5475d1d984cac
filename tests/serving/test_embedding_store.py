"""Vectors through real Redis servers, and what breaks on the way."""

import json
import signal
import threading
import time

import numpy as np
import ports
import pytest
import redis_local
import tensorflow as tf

from tfrec.errors import ServerError
from tfrec.serving import EmbeddingStore, Table, embeddings

redis_local.require()


@pytest.fixture(scope="module")
def running():
    with redis_local.server() as started:
        yield started


@pytest.fixture
def url(running):
    running.client().flushall()
    return running.url


def table(rows=25, dim=4, seed=0, start="i"):
    rng = np.random.default_rng(seed)
    ids = [f"{start}{n}" for n in range(rows)] if start else range(7, 7 + rows)
    return Table(np.array(list(ids)), rng.normal(size=(rows, dim)))


def test_vectors_come_back_with_one_mget(url, running):
    items, users = table(start="i:ü "), table(9, start="", seed=1)
    store = EmbeddingStore(url, "two_tower")
    assert store.live is None and store.versions() == []
    assert store.push(3, {"item": items, "user": users}, batch=10) == 34
    assert store.live == 3 and store.versions() == [3]
    client = running.client()
    client.config_resetstat()
    found, known = store.get("item", [items.ids[4], "nobody", items.ids[0]])
    assert client.info("commandstats")["cmdstat_mget"]["calls"] == 1
    np.testing.assert_array_equal(known, [True, False, True])
    np.testing.assert_array_equal(found, [items.vectors[4], [0] * 4, items.vectors[0]])
    assert found.dtype == np.float32
    found, known = store.get("user", [8, 1000])
    np.testing.assert_array_equal(found[0], users.vectors[1])
    assert known.tolist() == [True, False]
    empty, known = store.get("user", [])
    assert empty.shape == (0, 4) and known.shape == (0,)
    for name, pushed in (("item", items), ("user", users)):
        back = store.vectors(name)
        np.testing.assert_array_equal(back.ids, pushed.ids)
        np.testing.assert_array_equal(back.vectors, pushed.vectors)
    raw = client.get(f"tfrec:two_tower:3:item:{items.ids[2]}")
    assert raw == items.vectors[2].astype("<f4").tobytes()


def test_an_export_is_pushed_and_its_neighbours_found(neumf, two_tower, url):
    features = {
        "user": two_tower.queries(40),
        "item": {
            "movie_id": two_tower.items,
            "genres": [["drama"]] * 30,
            "title": ["alien story"] * 30,
            "year": [1990.0] * 30,
        },
    }
    tables = embeddings(two_tower.path, features)
    assert tables["item"].vectors.shape == (30, 8)
    store = EmbeddingStore(url, "two_tower")
    store.push(1, tables)
    signature = two_tower.served.signatures["item_embedding"]
    specs = signature.structured_input_signature[1]
    rows = features["item"]
    alone = {n: tf.constant(rows[n][3:4], specs[n].dtype) for n in specs}
    found, _ = store.get("item", ["m3"])
    np.testing.assert_allclose(found, signature(**alone)["embedding"], rtol=1e-5)
    with pytest.raises(
        ValueError, match=r"NeuMF at .* has no signature query_embedding"
    ):
        embeddings(neumf.path)
    with pytest.raises(ValueError, match=r"user vectors of TwoTower depend on .*age"):
        embeddings(two_tower.path)
    del features["user"]["age"]
    with pytest.raises(ValueError, match=r"user vectors .* need the column 'age'"):
        embeddings(two_tower.path, features)
    with pytest.raises(ValueError, match="did you mean 'item'"):
        embeddings(two_tower.path, {"items": {}})


def test_a_new_version_answers_at_once_and_old_ones_go(url, running):
    store = EmbeddingStore(url, "model")
    other = EmbeddingStore(url, "model2")
    other.push(1, {"item": table()})
    for version in (1, 2, 3, 10):
        store.push(version, {"item": table(seed=version)}, keep=2)
        assert store.live == version
        found, _ = store.get("item", ["i0"])
        np.testing.assert_array_equal(found, table(seed=version).vectors[:1])
    assert store.versions() == [3, 10]
    left = {
        key.decode().split(":")[2] for key in running.client().keys("tfrec:model:*")
    }
    assert left == {"live", "versions", "3", "10"}
    assert len(other.vectors("item").ids) == 25
    store.activate(3)
    assert store.live == 3 and store.prune(1) == [10] and store.versions() == [3]
    with pytest.raises(
        ValueError, match=r"version 10 .* not there or not finished: .*3"
    ):
        store.activate(10)
    assert store.live == 3


def test_an_old_version_goes_without_those_whose_number_begins_alike(url):
    store, tables = EmbeddingStore(url, "model"), {}
    for version in (1, 10, 12):
        tables[version] = table(seed=version)
        store.push(version, {"item": tables[version]}, keep=3)
    assert store.prune(2) == [1] and store.versions() == [10, 12]
    for version in (10, 12):
        found = store.vectors("item", version).vectors
        np.testing.assert_array_equal(found, tables[version].vectors)


def test_readers_see_the_old_version_or_the_new_one(url):
    old, new = table(400, seed=1), table(400, seed=2)
    store = EmbeddingStore(url, "model")
    store.push(1, {"item": old})
    seen, over = [], threading.Event()

    def read():
        reader = EmbeddingStore(url, "model")
        while not over.is_set():
            seen.append(reader.get("item", old.ids))

    thread = threading.Thread(target=read)
    thread.start()
    store.push(2, {"item": new}, batch=10)
    until = time.monotonic() + 120
    while not (seen and (seen[-1][0] == new.vectors).all()):
        assert time.monotonic() < until
    over.set()
    thread.join()
    for found, known in seen:
        assert known.all()
        assert (found == old.vectors).all() or (found == new.vectors).all()


def test_a_version_may_expire(url, running):
    store = EmbeddingStore(url, "model")
    store.push(1, {"item": table()}, ttl=100)
    client = running.client()
    keys = set(client.keys("tfrec:model:1:*"))
    assert len(keys) == 25 + 1 + 1
    assert all(0 < client.ttl(key) <= 100 for key in keys)
    client.delete("tfrec:model:1:item:i3")
    with pytest.raises(ValueError, match=r"item vectors of version 1 .* lost keys"):
        store.vectors("item")
    client.delete("tfrec:model:1:meta")
    with pytest.raises(ValueError, match="never finished, or have expired"):
        store.get("item", ["i1"])


def test_what_is_not_what_was_pushed(url, running):
    store, client = EmbeddingStore(url, "model"), running.client()
    store.push(1, {"item": table()})
    client.set("tfrec:model:1:item:i3", np.ones(4, "<f4").tobytes())
    with pytest.raises(ValueError, match="not those that were pushed"):
        store.vectors("item")
    client.set("tfrec:model:1:item:i3", b"text")
    with pytest.raises(ValueError, match=r"1:item:i3 holds no vector of 4 finite"):
        store.get("item", ["i3"])
    with pytest.raises(ValueError, match=r"version 1 .* holds other item vectors"):
        store.push(1, {"item": table(seed=5)})


@pytest.mark.parametrize(
    "wrong",
    [
        {"i3": b"x" * 12, "i4": b"x" * 20},  # as many bytes as two vectors
        {"i4": np.array([1, np.nan, 0, 0], "<f4").tobytes()},
        {"i4": np.array([1, 0, np.inf, 0], "<f4").tobytes()},
        {"i4": b""},
    ],
)
def test_each_vector_has_its_size_and_is_finite(url, running, wrong):
    store, client = EmbeddingStore(url, "model"), running.client()
    store.push(1, {"item": table()})
    for name, value in wrong.items():
        client.set(f"tfrec:model:1:item:{name}", value)
    with pytest.raises(ServerError, match=r"item:i[34] holds no vector of 4 finite"):
        store.get("item", ["i1", "i3", "i4"])
    with pytest.raises(ServerError, match=r"item:i[34] holds no vector of 4 finite"):
        store.activate(1)


GOOD = {"dim": 4, "ids": "string", "count": 25, "batch": 1000, "checksum": "0" * 64}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "were never finished"),
        ("{", "are not described by what tfrec writes"),
        ("[" * 100_000, "are not described by what"),
        ("null", "are not described by what"),
        (b"\xff", "are not described by what"),
        (json.dumps({"dim": 4}), "are not described by what"),
        (json.dumps({**GOOD, "more": 1}), "are not described by what"),
        (json.dumps({**GOOD, "dim": 10**12}), "dim 1000000000000, count 25"),
        (json.dumps({**GOOD, "dim": True}), "dim True, count 25"),
        (json.dumps({**GOOD, "count": -1}), "count -1, batch 1000"),
        (json.dumps({**GOOD, "batch": 0}), "count 25, batch 0"),
        (json.dumps({**GOOD, "ids": "float"}), "ids 'float' and dtype"),
        (json.dumps({**GOOD, "dtype": "object"}), "dtype 'object', which cannot be"),
        (json.dumps({**GOOD, "count": 10**18}), "have lost keys"),
        (json.dumps(GOOD), "are not those that were pushed"),
    ],
)
def test_metadata_that_somebody_else_wrote_are_one_sentence(url, running, text, words):
    store = EmbeddingStore(url, "model")
    store.push(1, {"item": table()})
    running.client().hset("tfrec:model:1:meta", "item", text)
    with pytest.raises(ServerError, match=words) as told:
        store.vectors("item")
    assert "the item vectors of version 1 of 'model' on 127" in str(told.value)
    with pytest.raises(ServerError):
        store.activate(1)
    if "described" in words:
        with pytest.raises(ServerError, match=f"version 1 of 'model' {words}"):
            store.push(1, {"item": table()})


@pytest.mark.parametrize("text", ["{", "[[1], 2]", "7", '["i1", "i1"]', "[1, 2]"])
def test_lists_of_ids_that_somebody_else_wrote_are_one_sentence(url, running, text):
    store = EmbeddingStore(url, "model")
    store.push(1, {"item": table()})
    running.client().set("tfrec:model:1:ids:item:0", text)
    with pytest.raises(ServerError, match="item vectors of version 1 of 'model' on"):
        store.vectors("item")


def test_a_version_that_is_no_number(url, running):
    running.client().set("tfrec:model:live", "first")
    running.client().sadd("tfrec:model:versions", "x" * 1000)
    store = EmbeddingStore(url, "model")
    with pytest.raises(ServerError, match=r"b'first' on .* is no version of 'model'"):
        store.get("item", ["i1"])
    with pytest.raises(ServerError, match=r"b'x{40}' on .* is no version") as told:
        store.versions()
    assert len(str(told.value)) < 200


def test_a_version_without_all_its_vectors_is_not_activated(url, running):
    store = EmbeddingStore(url, "model")
    tables = {"item": table(), "user": table(start="u")}
    store.push(1, tables)
    store.push(2, {"item": table(seed=2)})
    running.client().delete("tfrec:model:1:user:u24")
    with pytest.raises(ServerError, match=r"user vectors of version 1 .* lost keys"):
        store.activate(1)
    assert store.live == 2
    assert store.push(1, tables) == 25 and store.live == 1


def test_a_version_that_is_pruned_is_refused_before_its_vectors_go(url, running):
    """The metadata go first, also under a reader that has begun."""
    store, client = EmbeddingStore(url, "model"), running.client()
    store.push(1, {"item": table()})
    store.push(2, {"item": table(seed=2)})
    inner = store._redis.scan

    def nothing_found(cursor, *_):
        assert not client.exists("tfrec:model:1:meta")
        assert client.exists("tfrec:model:1:item:i3")
        with pytest.raises(ServerError, match="never finished, or have expired"):
            store.get("item", ["i3"], version=1)
        store._redis.scan = inner
        return inner(cursor, *_)

    store._redis.scan = nothing_found
    assert store.prune(1) == [1]
    assert store._redis.scan == inner
    assert store.versions() == [2] and not client.keys("tfrec:model:1:*")


def test_a_reader_who_has_begun_takes_no_vector_that_went_for_an_unknown_id(url):
    store = EmbeddingStore(url, "model")
    store.push(1, {"item": table()})
    version, described = store._open("item", 1)
    store.push(2, {"item": table(seed=2)}, keep=1)
    with pytest.raises(ServerError, match="never finished, or have expired"):
        store._read(version, "item", described.dim, np.array(["i3"], object))


def test_the_metadata_expire_first(url, running):
    store, client = EmbeddingStore(url, "model"), running.client()
    store.push(1, {"item": table(), "user": table(start="u")}, batch=5, ttl=100)
    first = client.pexpiretime("tfrec:model:1:meta")
    keys = set(client.keys("tfrec:model:1:*")) - {b"tfrec:model:1:meta"}
    assert len(keys) == 60
    assert all(client.pexpiretime(key) >= first for key in keys)


def test_a_server_that_dies_in_the_middle(url):
    items = table(3000, 16)
    with redis_local.server() as dying:
        store = EmbeddingStore(dying.url, "model", timeout=2.0)
        store.push(1, {"item": table()})
        inner = store._redis.pipeline
        pipelines = []

        def kill_at_the_fifth(**options):
            pipelines.append(1)
            if len(pipelines) == 5:
                dying.process.send_signal(signal.SIGKILL)
                dying.process.wait()
            return inner(**options)

        store._redis.pipeline = kill_at_the_fifth
        with pytest.raises(ConnectionError) as told:
            store.push(2, {"item": items}, batch=100)
    message = str(told.value)
    assert f"Redis at 127.0.0.1:{dying.port} cannot be reached" in message
    assert "version 2 is not live" in message and "goes on" in message


@pytest.mark.parametrize("limit", [200, 20_000, 60_000])
def test_a_broken_line_keeps_the_old_version_and_the_push_goes_on(url, running, limit):
    items, old = table(1000, 16), table(seed=9)
    store = EmbeddingStore(url, "model")
    store.push(1, {"item": old})
    with redis_local.breaking_line(running.port, limit) as port:
        broken = EmbeddingStore(f"redis://127.0.0.1:{port}", "model", timeout=2.0)
        with pytest.raises(OSError, match=f"127.0.0.1:{port}.*what was live stays so"):
            broken.push(2, {"item": items}, batch=100)
    assert store.live == 1
    np.testing.assert_array_equal(store.vectors("item").vectors, old.vectors)
    with pytest.raises(ValueError, match=r"version 2 .* were never finished"):
        store.get("item", ["i1"], version=2)
    with pytest.raises(ValueError, match="not there or not finished"):
        store.activate(2)
    client = running.client()
    there = len(client.keys("tfrec:model:2:item:*"))
    assert there % 100 == 0 and there < 1000
    assert (there > 0) == (limit > 200)
    evicted = client.delete("tfrec:model:2:item:i5")
    # A batch that has lost a key is written again; its size stays that of the first.
    assert store.push(2, {"item": items}, batch=300) == 1000 - there + 100 * evicted
    assert store.live == 2
    np.testing.assert_array_equal(store.vectors("item").vectors, items.vectors)
    assert store.push(2, {"item": items}) == 0


def test_full_memory_is_told_and_the_old_version_stays(url):
    with redis_local.server("--maxmemory-policy", "noeviction") as small:
        store = EmbeddingStore(small.url, "model")
        store.push(1, {"item": table()})
        client = small.client()
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", used + 400_000)
        items = table(20_000, 16)
        with pytest.raises(OSError, match=f"memory of Redis at 127.0.0.1:{small.port}"):
            store.push(2, {"item": items})
        assert store.live == 1 and len(store.vectors("item").ids) == 25
        client.config_set("maxmemory", 0)
        assert 0 < store.push(2, {"item": items}) < 20_000
        assert store.live == 2


def test_keys_that_are_gone_before_the_switch_are_missed(url, running):
    store, pipelines = EmbeddingStore(url, "model"), []
    inner = store._redis.pipeline

    def one_is_evicted(**options):
        pipelines.append(1)
        if len(pipelines) == 4:
            assert running.client().delete("tfrec:model:1:item:i3")
        return inner(**options)

    store._redis.pipeline = one_is_evicted
    with pytest.raises(OSError, match=r"has 24 of 25 item vectors .* evicts keys"):
        store.push(1, {"item": table()}, batch=5)
    assert store.live is None
    assert store.push(1, {"item": table()}, batch=5) == 5
    assert store.live == 1


def test_a_refusal_is_one_sentence_without_the_vectors(url, running):
    running.client().set("tfrec:model:versions", "no set")
    with pytest.raises(OSError, match=r"refuses: WRONGTYPE .* value; version 1 is not"):
        EmbeddingStore(url, "model").push(1, {"item": table()})


def test_a_password(url):
    options = ["--requirepass", "s3cret-word"]
    with redis_local.server(
        *options, url="redis://:s3cret-word@127.0.0.1:{port}"
    ) as own:
        store = EmbeddingStore(own.url, "model")
        store.push(1, {"item": table()})
        assert len(store.vectors("item").ids) == 25
        assert "s3cret-word" not in repr(store)
        for wrong in ("redis://:wr0ng-one@127.0.0.1", "redis://127.0.0.1"):
            with pytest.raises(PermissionError) as told:
                EmbeddingStore(f"{wrong}:{own.port}", "model").push(
                    2, {"item": table()}
                )
            message = str(told.value)
            assert f"Redis at 127.0.0.1:{own.port} refuses this user" in message
            assert "wr0ng-one" not in message
        assert store.live == 1


def test_tls(url, tmp_path):
    cert, key = redis_local.certificate(tmp_path)
    options = ["--port", "0", "--tls-cert-file", str(cert), "--tls-key-file", str(key)]
    options += ["--tls-ca-cert-file", str(cert), "--tls-auth-clients", "no"]
    secure = f"rediss://127.0.0.1:{{port}}?ssl_ca_certs={cert}"
    with redis_local.server(*options, url=secure, port_flag="--tls-port") as own:
        store = EmbeddingStore(own.url, "model")
        store.push(1, {"item": table()})
        assert len(store.vectors("item").ids) == 25
        for plain in ("redis", "rediss"):  # no TLS; a certificate nobody vouches for
            with pytest.raises(OSError, match=f"Redis at 127.0.0.1:{own.port} cannot"):
                EmbeddingStore(f"{plain}://127.0.0.1:{own.port}", "model").push(
                    2, {"item": table()}
                )


def test_nobody_there():
    with ports.reserved() as port:
        store = EmbeddingStore(f"redis://:s3cret@127.0.0.1:{port}", "model")
        with pytest.raises(ConnectionError) as told:
            _ = store.live
    assert f"Redis at 127.0.0.1:{port} cannot be reached" in str(told.value)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    "wrong",
    [
        "http://:s3cret@localhost",
        "localhost:6379",
        "redis://",
        "redis://h:port",
        "redis://:s3cret@h:6379/one",
    ],
)
def test_urls_that_are_none(wrong):
    with pytest.raises(ValueError, match="URL of the Redis server cannot be") as told:
        EmbeddingStore(wrong, "model")
    assert "s3cret" not in str(told.value) and told.value.__cause__ is None


def test_names_versions_and_tables_that_do_not_fit(url):
    for name in ("a:b", "", "a*", "ü"):
        with pytest.raises(ValueError, match="cannot be part of a key"):
            EmbeddingStore(url, name)
    store = EmbeddingStore(url, "model")
    with pytest.raises(ValueError, match=f"'model' is live on {'127.0.0.1'}"):
        store.get("item", ["i1"])
    with pytest.raises(ValueError, match="no table 'items'; did you mean 'item'"):
        store.push(1, {"items": table()})
    with pytest.raises(ValueError, match="nothing to push"):
        store.push(1, {})
    for wrong in ({"batch": 0}, {"ttl": 0}, {"keep": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}=0 must be at least"):
            store.push(1, {"item": table()}, **wrong)
    with pytest.raises(ValueError, match="version=0"):
        store.push(0, {"item": table()})
    assert store.versions() == []
    store.push(1, {"item": table()})
    with pytest.raises(ValueError, match="ids of string, not int64"):
        store.get("item", [1, 2])


@pytest.mark.parametrize(
    ("ids", "vectors", "words"),
    [
        (["a", "b"], np.ones((1, 2)), "2 ids for 1 vectors"),
        (["a", "a"], np.ones((2, 2)), "an id stands twice"),
        (["a"], np.ones(2), r"vectors of shape \(2,\)"),
        (["a"], np.full((1, 2), np.nan), "vector of id 'a' is not finite"),
        ([1.5], np.ones((1, 2)), "ids of shape .* float64 are none"),
        ([b"a"], np.ones((1, 2)), "are none"),
        ([], np.ones((0, 2)), "no table"),
    ],
)
def test_tables_that_are_none(ids, vectors, words):
    with pytest.raises(ValueError, match=words):
        Table(ids if len(ids) else np.zeros(0, object), vectors)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[serving\]'"):
        EmbeddingStore("redis://localhost", "model")
