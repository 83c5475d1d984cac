"""ScaNN beside the exact index, on vectors in clusters."""

from __future__ import annotations

import time

import numpy as np
import tensorflow as tf

from tfrec.benchmarks.timing import LeftOut, Row, busy_ratio, in_turns, row
from tfrec.indexes import Exact, Scann
from tfrec.indexes.scann import scann_operations
from tfrec.models.rank import Wanted

DIM, K, QUERIES, CLUSTER = 64, 100, 512, 500  # items of a cluster, on average
NOISE = 0.5  # of the distance between two clusters


def clustered(n: int, centres: np.ndarray, seed: int) -> np.ndarray:
    """``(n, dim)`` float32 vectors around centres, popular ones more often."""
    rng = np.random.default_rng(seed)
    chances = np.arange(1, len(centres) + 1) ** -0.5
    near = rng.choice(len(centres), n, p=chances / chances.sum())
    noise = rng.standard_normal((n, centres.shape[1]), np.float32)
    return centres[near] + NOISE * noise


def measure(
    items: int, leaves: int, searched: int, rounds: int, seed: int, at_least: float
) -> list[Row]:
    """Queries/s of both indexes, and the recall of ScaNN.

    Args:
        items: Items.
        leaves: Of ScaNN.
        searched: Leaves that a query looks into.
        rounds: Timed rounds.
        seed: Seed of the vectors.
        at_least: Target of the ratio of the speeds.

    Raises:
        LeftOut: ScaNN is not installed.
    """
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((items // CLUSTER, DIM), np.float32)
    vectors = tf.constant(clustered(items, centres, seed))
    queries = tf.constant(clustered(QUERIES, centres, seed + 1))
    approximate = Scann(leaves, searched, reordered=4 * K)
    try:
        scann_operations()
    except ValueError as why:
        raise LeftOut(f"scann is left out: {why}") from why
    start = time.perf_counter()
    approximate.fit(vectors)
    built = time.perf_counter() - start
    exact = Exact()
    exact.fit(vectors)
    fast, slow = in_turns(
        lambda: _search(approximate, queries), lambda: _search(exact, queries), rounds
    )
    pairs = zip(fast.results[-1], slow.results[-1], strict=True)
    recall = float(np.mean([np.isin(best, found).mean() for found, best in pairs]))
    shape = (
        f"{QUERIES} queries in one batch, {items:,} items in {len(centres)} clusters, "
        f"d={DIM}, top {K}; {leaves} leaves, {searched} searched, built in "
        f"{built:.0f} s"
    )
    return [
        row(
            "scann",
            QUERIES / fast.median,
            QUERIES / slow.median,
            "queries/s",
            f"{shape}; baseline: exact in blocks",
            at_least=at_least,
            busy_ratio=busy_ratio(slow, fast),
        ),
        row(
            "scann_recall",
            recall,
            1.0,
            f"recall@{K}",
            f"{shape}; baseline: the exact answer",
            at_least=0.95,
        ),
    ]


@tf.function(reduce_retracing=True)
def _graph(index: Exact | Scann, queries: tf.Tensor) -> tf.Tensor:
    nothing = tf.zeros([tf.shape(queries)[0], 0], tf.int32)
    return index.search(queries, Wanted(tf.constant(K), nothing, nothing), 0)[0]


def _search(index: Exact | Scann, queries: tf.Tensor) -> np.ndarray:
    return _graph(index, queries).numpy()
