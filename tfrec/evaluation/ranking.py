"""Ranking a catalogue for many users, in blocks of bounded memory.

A block of users is one call of one graph: scores, seen items masked, the k best. Two
blocks are under way at a time, because some steps (the mask, the features of the next
block) keep one core only.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfrec import backend
from tfrec.layers.top_k import check_k, mask_pairs, top_k

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

Tensors = dict[str, tf.Tensor]
Columns = dict[str, np.ndarray]

SCORE_MEMORY = 128 * 2**20  # bytes of scores at any moment, over all workers
WORKERS = 2


@dataclass(frozen=True)
class Seen:
    """Items that are not to be ranked for a user, as sparse rows.

    Attributes:
        start: ``(users + 1,)`` int64; the items of user index u are
            ``columns[start[u]:start[u + 1]]``.
        columns: Item columns, 0 for the first item of the vocabulary.
    """

    start: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, past: Interactions) -> Seen:
        """All items that each user has taken in ``past``."""
        column, users = past.spec.item_column, past.spec.user_column.size
        user, item = np.divmod(past.known, column.size)
        user, item = user[item >= column.first], item[item >= column.first]
        start = np.searchsorted(user, np.arange(users + 1))
        return cls(start, (item - column.first).astype(np.int32))

    def pairs(self, users: np.ndarray) -> np.ndarray:
        """``(n, 2)`` int32 rows and columns of the seen items of a block of users."""
        lengths = self.start[users + 1] - self.start[users]
        rows = np.repeat(np.arange(len(users), dtype=np.int32), lengths)
        begin = np.cumsum(lengths) - lengths
        place = np.arange(len(rows)) + np.repeat(self.start[users] - begin, lengths)
        return np.stack([rows, self.columns[place]], axis=1)


@dataclass(frozen=True)
class Ranked:
    """The k best items of each user.

    Attributes:
        columns: ``(users, k)`` int32 item columns, best first, -1 where none is left.
        scores: ``(users, k)`` float32, -inf where none is left.
    """

    columns: np.ndarray
    scores: np.ndarray


def block_rows(items: int, memory: int = SCORE_MEMORY) -> int:
    """Users in a block, so that all workers hold ``memory`` bytes of scores."""
    return max(1, memory // (WORKERS * items * 4))


class Ranker:
    """Ranks a catalogue of items for blocks of users.

    The graph is traced once; keep the object to rank again after more training.

    Args:
        score: Query features and catalogue state to ``(batch, items)`` scores, such as
            ``model.catalogue_scores``.
        items: Number of items.
        k: Items to keep for each user.
        memory: Bound, in bytes, of the scores held at a time. What the model needs to
            compute them, and at most once their size to round rows up, comes on top.

    Raises:
        ValueError: k is not in 1 .. items.
    """

    def __init__(
        self,
        score: Callable[[Tensors, Tensors], tf.Tensor],
        items: int,
        k: int,
        memory: int = SCORE_MEMORY,
    ) -> None:
        check_k(k, items)
        self.items, self.k = items, k
        self.rows = block_rows(items, memory)
        self._score = score
        self._graph: Callable[..., tuple[tf.Tensor, tf.Tensor]] | None = None

    def __call__(
        self,
        users: np.ndarray,
        queries: Callable[[np.ndarray], Columns],
        state: Tensors,
        seen: Seen | None = None,
    ) -> Ranked:
        """Ranks for users.

        Args:
            users: ``(n,)`` user indices.
            queries: Query features of some of the users.
            state: What the scores need beside them, ``model.catalogue_state()``.
            seen: Items never to return.

        Returns:
            The k best items of each user, in the order of ``users``.
        """
        if not len(users):
            empty = np.empty((0, self.k))
            return Ranked(empty.astype(np.int32), empty.astype(np.float32))
        state = _columnwise(state)
        if self._graph is None:
            self._graph = self._trace(queries(users[:1]), state)
        graph = self._graph

        def block(start: int) -> tuple[np.ndarray, np.ndarray]:
            some = users[start : start + self.rows]
            pairs = np.empty((0, 2), np.int32) if seen is None else seen.pairs(some)
            values, columns = graph(
                tf.nest.map_structure(tf.constant, queries(some)), state, pairs
            )
            return columns.numpy(), values.numpy()

        with ThreadPoolExecutor(WORKERS) as pool:
            futures = [pool.submit(block, s) for s in range(0, len(users), self.rows)]
            try:
                blocks = [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        columns, scores = zip(*blocks, strict=True)
        return Ranked(np.concatenate(columns), np.concatenate(scores))

    def _trace(self, features: Columns, state: Tensors) -> Callable:
        def free_batch(value: np.ndarray) -> tf.TensorSpec:
            return tf.TensorSpec([None, *value.shape[1:]], value.dtype)

        def fixed(value: tf.Tensor) -> tf.TensorSpec:
            return tf.TensorSpec(value.shape, value.dtype)

        signature = [
            tf.nest.map_structure(free_batch, features),
            tf.nest.map_structure(fixed, state),
            tf.TensorSpec([None, 2], tf.int32),
        ]

        def graph(
            features: Tensors, state: Tensors, pairs: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            scores = self._score(features, _columnwise(state))
            scores = tf.cast(scores, tf.float32)
            scores = tf.ensure_shape(scores, [None, self.items])
            return top_k(mask_pairs(scores, pairs), self.k)

        # The concrete function: TensorFlow would warn of the graphs of other models.
        return backend.traced(graph, *signature)


def _columnwise(state: Tensors) -> Tensors:
    """Transposes item vectors, ``(items, dim)`` or back.

    Done once outside the graph and undone inside, where TensorFlow folds it into the
    product, which then reads the vectors in the order it needs: a tenth less time.
    """
    item = state.get("item")
    if item is None or item.shape.rank != 2:
        return state
    return {**state, "item": tf.transpose(item)}


def hits(
    ranked: np.ndarray, users: np.ndarray, relevant: np.ndarray, items: int
) -> np.ndarray:
    """Whether each ranked item is relevant for its user.

    Args:
        ranked: ``(users, k)`` item columns, -1 for none.
        users: ``(users,)`` user indices.
        relevant: Sorted int64 keys ``user * items + column`` of the relevant pairs.
        items: Number of items.

    Returns:
        ``(users, k)`` bool.
    """
    keys = users[:, None].astype(np.int64) * items + ranked
    place = np.searchsorted(relevant, keys)
    found = relevant[np.minimum(place, len(relevant) - 1)] == keys
    return found & (ranked >= 0)
