"""Ranking a whole catalogue against the matrix product that it needs in any case."""

from __future__ import annotations

import json
import sys

import numpy as np
import tensorflow as tf

from tfrec.benchmarks.synthetic import events
from tfrec.benchmarks.timing import Row, in_fresh_process, in_turns, row
from tfrec.data.interactions import Interactions
from tfrec.evaluation.ranking import Ranker, Seen

MEMORY = 1.5  # GB
WIDTH, K, HISTORY = 64, 20, 27  # Gowalla has 27 training events of a user


def vectors(data: Interactions, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Query vectors by user index and item vectors in the order of the vocabulary."""
    rng = np.random.default_rng(seed)
    users = data.spec.user_column.size
    items = len(data.spec.item_column.vocabulary)
    normal = (rng.normal(size=(rows, WIDTH)) for rows in (users, items))
    query, item = (values.astype(np.float32) for values in normal)
    return query, item


class Task:
    """Ranks the catalogue for all users, in full or as far as the product.

    Args:
        users: Number of users.
        items: Number of items.
        seed: Seed of vectors and histories.
    """

    def __init__(self, users: int, items: int, seed: int) -> None:
        data = events(users, items, HISTORY * users, seed)
        self.seen = Seen.of(data)
        self.query, item = vectors(data, seed)
        self.item = tf.constant(item)
        self.users = np.arange(users) + data.spec.user_column.first
        self.ranker = Ranker(self._score, items, K)

    def _score(self, features: dict, state: dict) -> tf.Tensor:
        return tf.matmul(features["query"], state["item"], transpose_b=True)

    def _queries(self, users: np.ndarray) -> dict[str, np.ndarray]:
        return {"query": self.query[users]}

    def rank(self) -> np.ndarray:
        """``(users, k)`` best item columns, seen items left out."""
        state = {"item": self.item}
        return self.ranker(self.users, self._queries, state, self.seen).columns

    def product(self) -> None:
        """The scores of the same blocks, and nothing done with them."""
        for start in range(0, len(self.users), self.ranker.rows):
            block = self.query[self.users[start : start + self.ranker.rows]]
            tf.matmul(block, self.item, transpose_b=True)

    def error(self, columns: np.ndarray, n: int = 8) -> float:
        """Largest difference of the scores of ``n`` rows from those of a full sort."""
        scores = self.query[self.users[:n]] @ self.item.numpy().T
        rows, seen = self.seen.pairs(self.users[:n]).T
        scores[rows, seen] = -np.inf
        best = np.sort(scores, axis=1)[:, : -K - 1 : -1]
        found = np.take_along_axis(scores, columns[:n], axis=1)
        return float(np.abs(found - best).max())


def measure(
    rounds: int,
    seed: int,
    users: int = 29_858,
    items: int = 40_981,
    at_most: float | None = None,
) -> list[Row]:
    """Seconds of the ranking, and the peak memory of a process that does it once.

    Args:
        rounds: Timed rounds.
        seed: Seed of vectors and histories.
        users: Number of users.
        items: Number of items.
        at_most: Target of the ratio of the times.
    """
    task = Task(users, items, seed)
    ours, baseline = in_turns(task.rank, task.product, rounds)
    shape = f"{users:,} users x {items:,} items, d={WIDTH}, k={K}"
    peak = in_fresh_process(__name__, str(users), str(items), str(seed))
    return [
        row(
            "full_ranking",
            ours.median,
            baseline.median,
            "s",
            f"{shape}, seen items masked; baseline: the bare product, same blocks",
            at_most=at_most,
            error=task.error(ours.results[-1]),
        ),
        row(
            "full_ranking_memory",
            peak["gigabytes"],
            MEMORY,
            "GB",
            f"{shape}: peak resident memory of a fresh process; baseline: the limit",
            at_most=1.0,
        ),
    ]


def main() -> None:
    """Ranks once and prints the peak resident memory of this process as JSON."""
    import resource  # not on Windows

    users, items, seed = map(int, sys.argv[1:])
    Task(users, items, seed).rank()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes, but bytes on macOS.
    unit = 1e9 if sys.platform == "darwin" else 1e6
    print(json.dumps({"gigabytes": peak / unit}))


if __name__ == "__main__":
    main()
