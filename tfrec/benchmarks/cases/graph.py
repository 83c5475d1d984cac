"""Propagation over a graph: a product against TensorFlow's own, and a large graph."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfrec.benchmarks.timing import Row, in_fresh_process, in_turns, peak_memory, row
from tfrec.data.interactions import Interactions
from tfrec.features import Categorical, FeatureSpec
from tfrec.layers.propagation import Adjacency, layer_mean

DIM, LAYERS, BATCH = 64, 3, 2048
MEMORY = 8.0  # GB
GOWALLA = (29_858, 40_981, 810_128)  # users, items and edges as of that data set


def edges(
    users: int, items: int, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of edges, some far more often than others, few twice.

    Args:
        users: Number of users.
        items: Number of items.
        count: Number of edges.
        seed: Seed of the draw.

    Returns:
        Two ``(count,)`` int32 arrays, from 0.
    """
    rng = np.random.default_rng(seed)
    left = (users * rng.random(count, np.float32) ** 1.5).astype(np.int32)
    right = (items * rng.random(count, np.float32) ** 2).astype(np.int32)
    return np.minimum(left, users - 1), np.minimum(right, items - 1)


def drawn(users: int, items: int, count: int, seed: int) -> Interactions:
    """Events of users and items in no order, see :func:`edges`."""
    left, right = edges(users, items, count, seed)
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", "int64", tuple(range(users))),
            Categorical("item_id", "item", "int64", tuple(range(items))),
        )
    )
    columns = {"user_id": left + 2, "item_id": right + 2}
    return Interactions(spec, columns, name="drawn", ordered=False)


def products(rounds: int, seed: int, at_least: float | None = None) -> list[Row]:
    """Layer mean and gradient on a graph of Gowalla's size, beside ``tf.sparse``.

    Args:
        rounds: Timed rounds of each.
        seed: Seed of graph and embeddings.
        at_least: Target of how many times as fast.
    """
    users, items, count = GOWALLA
    left, right = edges(users, items, count, seed)
    nodes = users + items
    adjacency = Adjacency(left, right + users, nodes)
    ends = np.concatenate([left, right + users]).astype(np.int64)
    others = np.concatenate([right + users, left]).astype(np.int64)
    row_, column = np.divmod(np.unique(ends * nodes + others), nodes)
    degree = np.bincount(row_, minlength=nodes)
    values = (degree[row_] * degree[column]) ** -0.5
    sparse = tf.SparseTensor(
        np.stack([row_, column], axis=1), values.astype(np.float32), (nodes, nodes)
    )
    start = tf.random.stateless_normal([nodes, DIM], [seed, 0])

    def plain(values: tf.Tensor) -> tf.Tensor:
        layers = [values]
        for _ in range(LAYERS):
            layers.append(tf.sparse.sparse_dense_matmul(sparse, layers[-1]))
        return tf.add_n(layers) / (LAYERS + 1)

    def timed(mean: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[], np.ndarray]:
        @tf.function
        def both(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(values)
                result = mean(values)
                total = tf.reduce_sum(tf.square(result))
            return result[0], tape.gradient(total, values)

        return lambda: both(start)[1].numpy()

    ours, baseline = in_turns(
        timed(lambda values: layer_mean(adjacency, values, LAYERS)),
        timed(plain),
        rounds,
    )
    apart = float(np.abs(ours.results[0] - baseline.results[0]).max())
    return [
        row(
            "propagation",
            1 / ours.median,
            1 / baseline.median,
            "per second",
            f"LightGCN's mean of {LAYERS} layers and its gradient, {nodes:,} nodes of "
            f"{DIM} numbers and {len(values):,} entries; baseline: tf.sparse",
            at_least=at_least,
            apart=apart,
        )
    ]


def train(users: int, items: int, count: int, seed: int) -> dict[str, float]:
    """Builds LightGCN on a drawn graph and makes one step.

    Returns:
        Seconds of ``build`` (graph, histories and first propagation) and of ``step``
        (one step, traced before), the loss, and the entries of the matrix.
    """
    from tfrec.models.graph.lightgcn import LightGCN

    data = drawn(users, items, count, seed)
    model = LightGCN(data.spec, dim=DIM, layers=LAYERS, seed=seed)
    model.compile(steps_per_execution=1)
    begin = time.perf_counter()
    batches = iter(data.batches(model, BATCH, seed=seed))
    build = time.perf_counter() - begin
    step = model.make_train_function()
    step(batches)
    begin = time.perf_counter()
    loss = float(step(batches)["loss"])
    return {
        "build": build,
        "step": time.perf_counter() - begin,
        "loss": loss,
        "entries": model.adjacency.entries,
    }


def large(users: int, items: int, count: int, seed: int) -> list[Row]:
    """Seconds and peak memory of a fresh process that builds and makes a step.

    Args:
        users: Number of users.
        items: Number of items.
        count: Number of edges.
        seed: Seed of graph and model.
    """
    shape = (
        f"LightGCN-{DIM}, {LAYERS} layers, {users:,} users, {items:,} items, "
        f"{count:,} edges, batch {BATCH}"
    )
    numbers = map(str, (users, items, count, seed))
    found = in_fresh_process(__name__, *numbers)
    return [
        row(
            "large_graph",
            found["step"],
            found["build"],
            "s",
            f"{shape}: one step; baseline: seconds to build the graph",
            loss=found["loss"],
            entries=found["entries"],
        ),
        row(
            "large_graph_memory",
            found["gigabytes"],
            MEMORY,
            "GB",
            f"{shape}: peak resident memory, TensorFlow included; baseline: the limit",
            at_most=1.0,
        ),
    ]


def main() -> None:
    """Builds, makes a step, and prints what it took as JSON."""
    users, items, count, seed = map(int, sys.argv[1:])
    found = train(users, items, count, seed)
    print(json.dumps({**found, "gigabytes": peak_memory()}))


if __name__ == "__main__":
    main()
