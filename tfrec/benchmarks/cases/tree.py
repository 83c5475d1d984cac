"""A query down a tree against the same network over every leaf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.benchmarks.timing import Row, Timed, in_turns, row
from tfrec.features import Categorical, FeatureSpec, Sequence
from tfrec.models.rank import Wanted, best
from tfrec.models.retrieval.tree_deep_match import TreeDeepMatch

K, BEAM, LENGTH = 10, 50, 20
MANY = 1_000_000  # leaves of which one scoring of all is enough


class Task:
    """A model with random weights and random histories, one query at a time.

    Args:
        leaves: Items of the catalogue.
        seed: Seed of weights, tree and histories.
        beam: Nodes of a level that the search keeps.
    """

    def __init__(self, leaves: int, seed: int, beam: int = BEAM) -> None:
        spec = FeatureSpec(
            (
                Categorical("user_id", "user", "int64", (0,)),
                Categorical("item_id", "item", "int64", tuple(range(leaves))),
                Sequence("history", of="item_id", max_len=LENGTH),
            )
        )
        self.model = TreeDeepMatch(spec, beam=beam, seed=seed)
        self.model.ensure_built()
        self.first = spec.item_column.first
        self.rng = np.random.default_rng(seed)
        self.state = self.model.catalogue_state()
        self._search, self._exact = self._graphs()

    def _graphs(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        none = tf.zeros([1, 0], tf.int32)
        shapes = [tf.TensorSpec([1, LENGTH], tf.int32)]

        @tf.function(input_signature=shapes)
        def search(history: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            features = {"history/index": history}
            return self.model.search(features, K, none, none, self.state)

        @tf.function(input_signature=shapes)
        def exact(history: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            features = {"history/index": history}
            scores = self.model.catalogue_scores(features, self.state)
            return best(scores, Wanted(tf.constant(K), none, none), self.first)

        return search, exact

    def history(self) -> tf.Tensor:
        """``(1, length)`` random items."""
        size = self.model.spec.item_column.size
        drawn = self.rng.integers(self.first, size, (1, LENGTH))
        return tf.constant(drawn.astype(np.int32))

    def search(self) -> tuple[tf.Tensor, tf.Tensor]:
        """A query down the tree."""
        return self._search(self.history())

    def exact(self) -> tuple[tf.Tensor, tf.Tensor]:
        """A query of all leaves, by parts."""
        return self._exact(self.history())


def measure(
    leaves: tuple[int, ...], rounds: int, seed: int, growth: float | None = None
) -> list[Row]:
    """Milliseconds of a query, beside those of scoring every leaf.

    Both keep k items of the same network with random weights. All leaves are scored in
    full, however many there are.

    Args:
        leaves: Sizes of the catalogue, ascending.
        rounds: Timed queries of each; of scoring ``MANY`` leaves one.
        seed: Seed of weights, tree and histories.
        growth: Target of how much longer a query takes at the largest size than at the
            smallest.
    """
    rows: list[Row] = []
    timings: list[Timed] = []
    for count in leaves:
        task = Task(count, seed)
        turns = rounds if count < MANY else 1
        exact = in_turns(task.search, task.exact, turns)[1]
        searching = in_turns(task.search, task.search, rounds)[0]
        timings.append(searching)
        times = "once" if turns == 1 else f"{turns} times"
        rows.append(
            row(
                f"tree_{count // 1000}k",
                1000 * searching.median,
                1000 * exact.median,
                "ms",
                f"one query of {count:,} leaves, beam {BEAM}, k={K}, history of "
                f"{LENGTH}; baseline: the same network over every leaf, timed {times}",
                nodes=visited(task.model),
            )
        )
    rows.append(
        row(
            "tree_growth",
            1000 * timings[-1].median,
            1000 * timings[0].median,
            "ms",
            f"one query of {leaves[-1]:,} leaves; baseline: of {leaves[0]:,}",
            at_most=growth,
        )
    )
    return rows


def visited(model: TreeDeepMatch) -> int:
    """Nodes that a search scores."""
    depth, beam = model.tree.depth, model.config.beam
    start = min(beam.bit_length() - 1, depth)
    nodes = width = 2**start
    for _ in range(start, depth):
        width = 2 * min(width, beam)
        nodes += width
    return nodes
