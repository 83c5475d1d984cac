"""An exported catalogue: how fast it answers, and what it weighs."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.benchmarks.synthetic import events
from tfrec.benchmarks.timing import (
    Row,
    in_fresh_process,
    in_turns,
    mapped_memory,
    peak_memory,
    row,
)
from tfrec.indexes import Exact, Indexed
from tfrec.models.factorization.matrix_factorization import MatrixFactorization

DIM, K, USERS, ITEMS, BATCH = 64, 10, 1000, 100_000, 64
MEMORY = 1.0  # GB


def random_factors(items: int, seed: int) -> MatrixFactorization:
    """A model of random factors that has met data."""
    data = events(USERS, items, 5 * USERS, seed)
    # The vectors are [q, 1, b]: of DIM columns in all.
    model = MatrixFactorization(data.spec, dim=DIM - 2, seed=seed)
    model.adapt(data)
    model.ensure_built()
    return model


def by_hand(queries: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """The k best columns of each query by NumPy: product, partition, sort."""
    scores = queries @ items.T
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    return np.take_along_axis(best, order, 1)


def latency(rounds: int, calls: int, seed: int) -> list[Row]:
    """Milliseconds of a request to an export, beside NumPy.

    Args:
        rounds: Timed rounds.
        calls: Requests in a round.
        seed: Seed of the factors.
    """
    model = random_factors(ITEMS, seed)
    with tempfile.TemporaryDirectory(prefix="tfrec-serving-") as folder:
        served = tf.saved_model.load(str(model.export(folder)))
    users = model.spec.user_column.raw[-BATCH:]
    queries = model.query_embedding({"user_id": tf.constant(users)}).numpy()
    items = model.catalogue_state()["item"].numpy()
    rows = []
    for name, batch, at_most in (("serve_1", 1, 1.5), ("serve_64", BATCH, 1.0)):
        ask = request(served.signatures["serving_default"], users[:batch])

        def ours(ask: Callable[[], tf.Tensor] = ask) -> np.ndarray:
            return [ask().numpy() for _ in range(calls)][-1]

        def numpy(some: np.ndarray = queries[:batch]) -> np.ndarray:
            return [by_hand(some, items, K) for _ in range(calls)][-1]

        answered, computed = in_turns(ours, numpy, rounds)
        # Ids are numbers from 0, so a column is its item.
        same = float(np.mean(computed.results[-1] == answered.results[-1]))
        rows.append(
            row(
                name,
                1000 * answered.median / calls,
                1000 * computed.median / calls,
                "ms",
                f"{batch} of {USERS} users by id, top {K} of {ITEMS:,} items, d={DIM}, "
                "from the SavedModel; baseline: NumPy product and argpartition of "
                "vectors that lie ready",
                at_most=at_most,
                same_items=same,
            )
        )
    return rows


def request(
    signature: Callable[..., dict[str, tf.Tensor]], users: np.ndarray
) -> Callable[[], tf.Tensor]:
    """Asks for the ``item_id`` of users, with nothing excluded."""
    nothing = tf.zeros((len(users), 0), tf.int64)
    asked = {
        "user_id": tf.constant(users),
        "k": tf.constant(K),
        "exclude": nothing,
        "candidates": nothing,
    }
    return lambda: signature(**asked)["item_id"]


def memory(items: int, seed: int) -> list[Row]:
    """Peak memory of a process that loads an exported index and answers.

    Args:
        items: Items of the index.
        seed: Seed of the factors.
    """
    with tempfile.TemporaryDirectory(prefix="tfrec-serving-") as folder:
        made = in_fresh_process(__name__, "export", folder, str(items), str(seed))
        found = in_fresh_process(__name__, "load", made["path"])
    shape = f"{items:,} items, d={DIM}"
    return [
        row(
            "index_memory",
            found["gigabytes"],
            MEMORY,
            "GB",
            f"{shape}: peak memory of a process that loads the exported index and "
            "answers, TensorFlow included, the files of its libraries "
            f"({found['libraries']:.2f} GB) not; baseline: the limit",
            at_most=1.0,
        ),
        row(
            "index_size",
            made["gigabytes"],
            items * DIM * 4 / 1e9,
            "GB",
            f"{shape}: the export on disk, ids and graph included; baseline: one table "
            "of vectors",
            at_most=1.5,
        ),
    ]


def main() -> None:
    """One half of the work, and what it took as JSON."""
    what, folder, *rest = sys.argv[1:]
    found: dict[str, Any] = {}
    if what == "export":
        items, seed = map(int, rest)
        path = Indexed(random_factors(items, seed), Exact()).export(folder)
        files = (file for file in path.rglob("*") if file.is_file())
        found["path"] = str(path)
        found["gigabytes"] = sum(file.stat().st_size for file in files) / 1e9
    else:
        served = tf.saved_model.load(str(Path(folder)))
        ids = request(served.signatures["serving_default"], np.array([1]))
        found["answered"] = int(tf.size(ids()))
        found["libraries"] = mapped_memory()
        found["gigabytes"] = peak_memory() - found["libraries"]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
