"""Evaluation on a whole catalogue against the matrix product that it cannot avoid."""

from __future__ import annotations

import json
import sys

import numpy as np
import tensorflow as tf

from tfrec.benchmarks.synthetic import events
from tfrec.benchmarks.timing import (
    Row,
    busy_ratio,
    in_fresh_process,
    in_turns,
    peak_memory,
    row,
)
from tfrec.data.interactions import Interactions
from tfrec.evaluation.evaluator import Evaluator
from tfrec.evaluation.protocols import FullRanking
from tfrec.evaluation.ranking import ItemsOfUsers, Ranked, Ranker
from tfrec.evaluation.result import Result
from tfrec.models.factorization.matrix_factorization import MatrixFactorization

MEMORY = 1.5  # GB
DIM, K = 64, 20
HISTORY, HELD_OUT = 27, 7  # Events of a user in train and test, as in Gowalla


def held_out(users: int, items: int, seed: int) -> Interactions:
    """Test events whose past is the rest, a random split of synthetic pairs."""
    share = HELD_OUT / (HISTORY + HELD_OUT)
    data = events(users, items, (HISTORY + HELD_OUT) * users, seed)
    test = np.random.default_rng(seed).random(len(data)) < share
    train = data.take(~test)
    return data.take(test, past=train, train=train)


class Task:
    """A model with random factors, evaluated in full or as far as its product.

    Args:
        users: Number of users.
        items: Number of items.
        seed: Seed of weights and events.
    """

    def __init__(self, users: int, items: int, seed: int) -> None:
        self.test = held_out(users, items, seed)
        self.model = MatrixFactorization(self.test.spec, dim=DIM, seed=seed)
        self.model.ensure_built()
        self.model.item_bias.set_weights([np.zeros((items + 2, 1), np.float32)])
        self.evaluator = Evaluator(self.test, FullRanking(k=K))
        self.users = np.unique(self.test.user)
        self.ranker = Ranker(self.model.catalogue_scores, items, K)
        self.seen = ItemsOfUsers.of(self.test.past or self.test)
        self.item = self.model.item_table.embeddings[-items:]
        self.query = self.model.user_table.embeddings.numpy()[self.users]

    def rank(self) -> Ranked:
        """The k best items of each user, seen items left out."""

        def queries(users: np.ndarray) -> dict[str, np.ndarray]:
            return self.test.queries(users, self.model.query_columns)

        return self.ranker(self.users, queries, self.model.catalogue_state(), self.seen)

    def evaluate(self) -> Result:
        """The same and all metrics."""
        return self.evaluator.evaluate(self.model)

    def product(self) -> None:
        """The scores of the same blocks, with which nothing is done."""
        for start in range(0, len(self.users), self.ranker.rows):
            block = self.query[start : start + self.ranker.rows]
            tf.matmul(block, self.item, transpose_b=True)

    def error(self, ranked: Ranked, n: int = 8) -> float:
        """Largest difference of the scores of ``n`` rows from those of a full sort."""
        scores = self.query[:n] @ self.item.numpy().T
        rows, seen = self.seen.pairs(self.users[:n]).T
        scores[rows, seen] = -np.inf
        best = np.sort(scores, axis=1)[:, : -K - 1 : -1]
        found = np.take_along_axis(scores, ranked.columns[:n], axis=1)
        return float(np.abs(found - best).max() / np.abs(best).max())


def measure(
    rounds: int,
    seed: int,
    users: int = 29_858,
    items: int = 40_981,
    at_most: float | None = None,
) -> list[Row]:
    """Seconds of ranking and of evaluating, and peak memory of a process that does it.

    Args:
        rounds: Timed rounds.
        seed: Seed of weights and events.
        users: Number of users.
        items: Number of items.
        at_most: Target of the ratio of the times.
    """
    task = Task(users, items, seed)
    shape = f"{users:,} users x {items:,} items, d={DIM}, k={K}"
    against = "baseline: the bare product in the same blocks"
    ranking, product = in_turns(task.rank, task.product, rounds)
    ranked = row(
        "full_ranking",
        ranking.median,
        product.median,
        "s",
        f"{shape}, seen items masked; {against}",
        at_most=at_most,
        error=task.error(ranking.results[-1]),
        busy_ratio=busy_ratio(ranking, product),
    )
    evaluation, product = in_turns(task.evaluate, task.product, rounds)
    evaluated = row(
        "full_ranking_metrics",
        evaluation.median,
        product.median,
        "s",
        f"{shape}, ranking and all metrics; {against}",
        recall=evaluation.results[-1][f"recall@{K}"],
        busy_ratio=busy_ratio(evaluation, product),
    )
    peak = in_fresh_process(__name__, str(users), str(items), str(seed))
    memory = row(
        "full_ranking_memory",
        peak["gigabytes"],
        MEMORY,
        "GB",
        f"{shape}: peak resident memory of a process that evaluates, TensorFlow "
        "included; baseline: the limit",
        at_most=1.0,
        recall=peak["recall"],
    )
    return [ranked, evaluated, memory]


def main() -> None:
    """Evaluates once and prints the peak resident memory of this process as JSON."""
    users, items, seed = map(int, sys.argv[1:])
    result = Task(users, items, seed).evaluate()
    found = {"gigabytes": peak_memory(), "recall": result[f"recall@{K}"]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
