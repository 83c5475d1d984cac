"""The comparisons with PyTorch: the same work, told by the same numbers."""

import itertools
import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfrec.benchmarks import speed
from tfrec.benchmarks.cases import gru4rec, gru4rec_worker, lightgcn, lightgcn_worker
from tfrec.benchmarks.cases.graph import drawn
from tfrec.benchmarks.peers import PYTORCH, Peer
from tfrec.benchmarks.synthetic import sessions
from tfrec.data.session_parallel import FRESH, NEXT, SessionParallel, flat_sessions
from tfrec.layers.propagation import Adjacency, layer_mean
from tfrec.losses import bpr
from tfrec.models.sequential._session_losses import LOSSES

FAKE = """
import json, sys
import numpy as np

with np.load(sys.argv[1]) as file:
    config = json.loads(str(file["config"]))
    print(sorted(file), file=sys.stderr)
for number, _ in enumerate(sys.stdin):
    print(json.dumps(config["seed"] + 0.5 ** number), flush=True)
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A library that answers with falling losses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    peer = Peer("PyTorch", "fake_torch", "0")
    (peer.folder / "fake_torch").mkdir(parents=True)
    (peer.folder / "fake_torch" / "__init__.py").write_text("")
    (peer.folder / "fake_torch" / "worker.py").write_text(FAKE)
    for case in (gru4rec, lightgcn):
        monkeypatch.setattr(case, "PEER", peer)
        monkeypatch.setattr(case, "WORKER", "fake_torch.worker")


@pytest.fixture
def torch(monkeypatch):
    """PyTorch itself, where it has been fetched."""
    if not PYTORCH.installed:
        pytest.skip("PyTorch is not in the cache: `tfrec bench speed --only gru4rec`")
    monkeypatch.syspath_prepend(str(PYTORCH.folder))
    import torch

    return torch


def check(rows, name):
    (row,) = rows
    assert row["name"] == name
    assert (row["target"], row["met"]) == (">= 1e+09", False)
    assert row["ours"] > 0 and row["baseline"] > 0 and "PyTorch" in row["note"]
    assert row["losses"][1] == [0.5, 0.25]
    assert row["losses"][0][1] < row["losses"][0][0]
    assert json.loads(json.dumps(row)) == row
    return row


@pytest.mark.parametrize("loss", ["bpr_max", "cross_entropy"])
def test_gru4rec_is_compared_on_the_same_sessions(fake, loss):
    size = {"items": 60, "count": 300, "lanes": 16, "units": 8, "negatives": 20}
    check(gru4rec.measure(loss, 2, 0, **size, at_least=1e9), f"gru4rec_{loss}")


def test_lightgcn_is_compared_on_the_same_graph(fake):
    size = (60, 40, 900)
    rows = lightgcn.measure(8, 2, 0, size=size, batch_size=64, at_least=1e9)
    row = check(rows, "lightgcn")
    share = 900 / (8 * 64)
    assert row["epoch_seconds"] == pytest.approx(
        [
            share * sorted(seconds)[0] / 2 + share * sorted(seconds)[1] / 2
            for seconds in row["seconds"]
        ]
    )


def test_both_are_measured_by_name(fake, tmp_path):
    assert {"gru4rec", "lightgcn"} <= set(speed.CASES)
    assert {"gru4rec", "lightgcn"} <= set(speed.defaults())
    gru4rec.PEER.folder.rename(tmp_path / "elsewhere")
    assert not {"gru4rec", "lightgcn"} & set(speed.defaults())


def test_the_lanes_of_the_worker_are_those_of_the_view():
    data = sessions(50, 40, seed=1)
    flat, begin, end = flat_sessions(data)
    batches = SessionParallel().batches(data, 6, shuffle=False)
    steps = gru4rec_worker.lanes(flat, begin, end, 6)
    for batch, (items, following, fresh) in itertools.zip_longest(batches, steps):
        np.testing.assert_array_equal(batch["item_id/index"], items)
        np.testing.assert_array_equal(batch[NEXT], following)
        np.testing.assert_array_equal(np.flatnonzero(batch[FRESH]), fresh)


def test_drawn_sessions_go_on_with_what_follows():
    data = sessions(500, 4_000, seed=0, longest=9)
    lengths = np.bincount(data.user)[2:]
    assert (lengths.min(), lengths.max()) == (2, 9)
    within = data.user[1:] == data.user[:-1]
    before, after = data.item[:-1][within], data.item[1:][within]
    often = np.argmax(np.bincount(before))
    counts = np.bincount(after[before == often])
    assert 0.45 < counts.max() / counts.sum() < 0.6
    assert (np.diff(data.columns["timestamp"]) > 0).all()


def test_the_worker_draws_other_items_for_those_who_have_edges():
    data = drawn(30, 20, 200, seed=0)
    order = np.argsort(data.user, kind="stable")
    users, items = (part[order].astype(np.int64) - 2 for part in (data.user, data.item))
    rng = np.random.default_rng(0)
    some, taken, others = lightgcn_worker.drawn(users, items, 5_000, rng)
    edges = set(zip(users.tolist(), items.tolist(), strict=True))
    assert set(zip(some.tolist(), taken.tolist(), strict=True)) == edges
    assert not edges & set(zip(some.tolist(), others.tolist(), strict=True))
    counts = np.bincount(some)[np.unique(users)]
    assert counts.min() > 0.7 * counts.mean()


@pytest.mark.parametrize("loss", ["bpr_max", "cross_entropy"])
def test_both_libraries_have_the_same_loss(torch, loss):
    scores = np.random.default_rng(0).normal(0, 1, (4, 9)).astype(np.float32)
    theirs = gru4rec_worker.LOSSES[loss](torch.from_numpy(scores), 0.7)
    given = tf.nn.elu(scores) if loss == "bpr_max" else tf.constant(scores)
    options = {"weight": 0.7} if loss == "bpr_max" else {}
    others = tf.eye(4, 9) == 0
    ours = LOSSES[loss](tf.linalg.diag_part(given), given, others, **options)
    assert float(theirs) == pytest.approx(float(tf.reduce_mean(ours)), rel=1e-5)


def test_both_libraries_take_the_same_steps_of_adagrad(torch):
    from tfrec.optimizers import MomentumAdagrad

    start = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    variable, optimizer = tf.Variable(start), MomentumAdagrad(0.1, 0.5)
    table = torch.nn.Embedding.from_pretrained(
        torch.from_numpy(start.copy()), freeze=False, sparse=True
    )
    dense = torch.nn.Parameter(torch.ones(3))
    theirs = gru4rec_worker.Adagrad([table.weight, dense], 0.1, 0.5)
    ones = tf.Variable(tf.ones(3))
    for ids in ([1, 2, 1], [4, 1, 0], [1, 1, 5]):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(variable, ids) ** 2 * ones)
        grads = tape.gradient(loss, [variable, ones])
        optimizer.apply_gradients(zip(grads, [variable, ones], strict=True))
        (table(torch.tensor(ids)) ** 2 * dense).sum().backward()
        theirs.step()
    np.testing.assert_allclose(table.weight.detach(), variable, atol=1e-6)
    np.testing.assert_allclose(dense.detach(), ones, atol=1e-6)


def test_both_libraries_propagate_alike(torch):
    users, items = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 2, 2])
    config = {"users": 4, "items": 3, "dim": 5, "layers": 2, "l2": 0.1}
    network = lightgcn_worker.Network(users, items, {**config, "learning_rate": 0.1})
    found = np.concatenate([part.detach() for part in network.propagate()])
    start = np.concatenate(
        [part.weight.detach() for part in (network.users, network.items)]
    )
    expected = layer_mean(Adjacency(users, items + 4, 7), tf.constant(start), 2)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    u, i, j = np.array([0, 2]), np.array([1, 0]), np.array([2, 1])
    query, taken, other = (tf.gather(found, ids) for ids in (u, i + 4, j + 4))
    below = tf.reduce_sum(query * other, axis=1)[:, None]
    loss = tf.reduce_mean(bpr(tf.reduce_sum(query * taken, axis=1), below))
    rows = start[np.concatenate([u, i + 4, j + 4])]
    loss += 0.1 / 2 * np.square(rows).sum() / 2
    assert network.loss(u, i, j).item() == pytest.approx(float(loss), rel=1e-5)
    for _ in range(20):
        last = network.step(u, i, j)
    assert last < float(loss)


@pytest.mark.parametrize("loss", ["bpr_max", "cross_entropy"])
def test_pytorch_learns_the_sessions(torch, loss, monkeypatch, tmp_path, capsys):
    flat, begin, end = flat_sessions(data := sessions(60, 300, seed=0))
    config = {
        "units": 8,
        "lanes": 16,
        "negatives": 20,
        "loss": loss,
        "alpha": 0.5,
        "score_weight": 1.0,
        "learning_rate": 0.05,
        "momentum": 0.1,
        "seed": 0,
    }
    arrays = {"items": flat, "begin": begin, "end": end, "counts": data.item_counts}
    np.savez(tmp_path / "arrays.npz", config=json.dumps(config), **arrays)
    monkeypatch.setattr(sys, "argv", ["worker", str(tmp_path / "arrays.npz")])
    monkeypatch.setattr(sys, "stdin", ["\n"] * 4)
    gru4rec_worker.main()
    losses = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) == 4 and losses[-1] < 0.95 * losses[0]
