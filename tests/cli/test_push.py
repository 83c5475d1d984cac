"""``tfrec push`` to a real Redis server."""

import json
import shutil

import numpy as np
import ports
import pyarrow as pa
import pytest
import redis_local
from pyarrow import csv, parquet

from tfrec import models, serving

redis_local.require()


@pytest.fixture(scope="module")
def running():
    with redis_local.server() as started:
        yield started


@pytest.fixture(scope="module")
def served(run, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "films"
    for _ in range(2):
        assert run("export", trained, "--out", folder).exit_code == 0
    return folder


def test_push_and_push_again(run, served, running, trained, monkeypatch):
    running.client().flushall()
    monkeypatch.setenv("TFREC_REDIS_URL", running.url)
    result = run("push", served / "1", "--json", "--batch", 7)
    assert result.exit_code == 0, result.output
    first = {"model": "films", "version": 1, "written": 35, "user": 20, "item": 15}
    assert json.loads(result.stdout) == first
    again = run("push", served / "1", "--json")
    assert json.loads(again.stdout) == {**first, "written": 0}
    assert f"version 2 of films is live on {running.place}: 20 users and 15 items" in (
        run("push", served, "--redis", running.url).stdout
    )
    store = serving.EmbeddingStore(running.url, "films")
    assert store.live == 2 and store.versions() == [1, 2]
    model = models.load(trained / "model.keras")
    users, items = store.vectors("user"), store.vectors("item")
    best = items.ids[np.argmax(items.vectors @ users.vectors[3])]
    found = model.recommend({"u": [users.ids[3]]}, k=1, drop_seen=False)
    assert best == found.item_id[0, 0]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_from_files(run, served, running, tmp_path, kind):
    file = tmp_path / f"users.{kind}"
    table = pa.table({"u": ["u3", "stranger"], "noise": [1, 2]})
    csv.write_csv(table, file) if kind == "csv" else parquet.write_table(table, file)
    asked = ["push", served, "--redis", running.url, "--name", kind, "--users", file]
    result = run(*asked, "--prefix", "other", "--ttl", 50, "--json")
    assert json.loads(result.stdout)["user"] == 2, result.output
    store = serving.EmbeddingStore(running.url, kind, "other")
    assert store.get("user", ["stranger", "u1"])[1].tolist() == [True, False]


def test_wrong_input(refused, run, served, running, tmp_path, monkeypatch):
    monkeypatch.delenv("TFREC_REDIS_URL", raising=False)
    assert "'--redis'" in refused("push", served)
    to = ["--redis", running.url]
    assert "is no exported model" in refused("push", tmp_path, *to)
    with ports.reserved() as port:
        closed = f"redis://:s3cret@127.0.0.1:{port}"
        message = refused("push", served, "--redis", closed)
    assert f"Redis at 127.0.0.1:{port} cannot be reached" in message
    assert "s3cret" not in message
    assert "cannot be read" in refused("push", served, "--redis", "http://h")
    assert "part of a key" in refused("push", served, *to, "--name", "a b")
    assert "keep=0" in refused("push", served, *to, "--keep", 0)
    missing = tmp_path / "no.csv"
    assert "no.csv" in refused("push", served, *to, "--users", missing)
    items = tmp_path / "items.csv"
    items.write_text("i\n101\nfilm\n")
    assert "cannot be read" in refused("push", served, *to, "--items", items)
    items.write_text("film\n101\n")
    message = refused("push", served, *to, "--items", items)
    assert "item vectors of TwoTower need the column 'i'" in message
    unnumbered = tmp_path / "model"
    unnumbered.symlink_to(served / "1")
    copied = tmp_path / "copy"
    shutil.copytree(served / "1", copied)
    assert "has no number" in refused("push", copied, *to)
    result = run("push", unnumbered, *to, "--name", "linked", "--json")
    assert json.loads(result.stdout)["version"] == 1
