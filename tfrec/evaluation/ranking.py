"""Ranking a catalogue for many users, in blocks of bounded memory.

A block of users is one call of one graph: scores, seen items masked, the k best, and
how many items are tied with the last of them, where some are not in the list. Two
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
class ItemsOfUsers:
    """Some items of each user, such as those not to be ranked, as sparse rows.

    Attributes:
        start: ``(users + 1,)`` int64; the items of user u are
            ``columns[start[u]:start[u + 1]]``.
        columns: Item columns, 0 for the first item of the vocabulary.
    """

    start: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, past: Interactions) -> ItemsOfUsers:
        """All items that each user has taken in ``past``."""
        column = past.spec.item_column
        user, item = np.divmod(past.known, column.size)
        user, item = user[item >= column.first], item[item >= column.first]
        return cls.of_pairs(user, item - column.first, past.people)

    @classmethod
    def of_pairs(cls, user: np.ndarray, column: np.ndarray, users: int) -> ItemsOfUsers:
        """Pairs in ascending order of the user, of whom there are ``users``."""
        start = np.searchsorted(user, np.arange(users + 1))
        return cls(start, column.astype(np.int32))

    def pairs(self, users: np.ndarray) -> np.ndarray:
        """``(n, 2)`` int32 rows and columns of the items of a block of users."""
        lengths = self.start[users + 1] - self.start[users]
        rows = np.repeat(np.arange(len(users), dtype=np.int32), lengths)
        begin = np.cumsum(lengths) - lengths
        place = np.arange(len(rows)) + np.repeat(self.start[users] - begin, lengths)
        return np.stack([rows, self.columns[place]], axis=1)


@dataclass(frozen=True)
class Ranked:
    """The k best items of each user; of equal scores, the lowest columns come first.

    Attributes:
        columns: ``(users, k)`` int32 item columns, best first, -1 where none is left.
        scores: ``(users, k)`` float32, -inf where none is left.
        tied: ``(users,)`` int32 items, in the list and beyond it, with the score of its
            last; 0 where no item beyond the list has it.
        relevant_tied: ``(users,)`` int32, how many of these are relevant.
    """

    columns: np.ndarray
    scores: np.ndarray
    tied: np.ndarray
    relevant_tied: np.ndarray


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
            compute them, and about their size to round rows up or to count ties, comes
            on top.

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
        self._graph: Callable[..., tuple[tf.Tensor, ...]] | None = None

    def __call__(
        self,
        users: np.ndarray,
        queries: Callable[[np.ndarray], Columns],
        state: Tensors,
        seen: ItemsOfUsers | None = None,
        relevant: ItemsOfUsers | None = None,
    ) -> Ranked:
        """Ranks for users.

        Args:
            users: ``(n,)`` users.
            queries: Query features of some of the users.
            state: What the scores need beside them, ``model.catalogue_state()``.
            seen: Items never to return.
            relevant: Items to count among those tied with the last of a list.

        Returns:
            The k best items of each user, in the order of ``users``.
        """
        if not len(users):
            empty, none = np.empty((0, self.k)), np.empty(0, np.int32)
            return Ranked(empty.astype(np.int32), empty.astype(np.float32), none, none)
        state = _columnwise(state)
        if self._graph is None:
            self._graph = self._trace(queries(users[:1]), state)
        graph = self._graph

        def block(start: int) -> list[np.ndarray]:
            some = users[start : start + self.rows]
            pairs = (
                np.empty((0, 2), np.int32) if items is None else items.pairs(some)
                for items in (seen, relevant)
            )
            features = tf.nest.map_structure(tf.constant, queries(some))
            return [part.numpy() for part in graph(features, state, *pairs)]

        with ThreadPoolExecutor(WORKERS) as pool:
            futures = [pool.submit(block, s) for s in range(0, len(users), self.rows)]
            try:
                blocks = [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return Ranked(*map(np.concatenate, zip(*blocks, strict=True)))

    def _trace(self, features: Columns, state: Tensors) -> Callable:
        def free_batch(value: np.ndarray) -> tf.TensorSpec:
            return tf.TensorSpec([None, *value.shape[1:]], value.dtype)

        def fixed(value: tf.Tensor) -> tf.TensorSpec:
            return tf.TensorSpec(value.shape, value.dtype)

        signature = [
            tf.nest.map_structure(free_batch, features),
            tf.nest.map_structure(fixed, state),
            tf.TensorSpec([None, 2], tf.int32),
            tf.TensorSpec([None, 2], tf.int32),
        ]

        def graph(
            features: Tensors, state: Tensors, seen: tf.Tensor, relevant: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            scores = self._score(features, _columnwise(state))
            scores = tf.cast(scores, tf.float32)
            scores = tf.ensure_shape(scores, [None, self.items])
            scores = mask_pairs(scores, seen)
            # One more than asked for: whether a tie reaches beyond the list.
            values, columns = top_k(scores, min(self.k + 1, self.items))
            last = values[:, self.k - 1]
            beyond = (values[:, -1] == last) & (last > -np.inf)
            if self.k == self.items:
                beyond = tf.zeros_like(last, tf.bool)
            tied = tf.cond(
                tf.reduce_any(beyond),
                lambda: _tied(scores, tf.where(beyond, last, np.nan), relevant),
                lambda: (tf.zeros_like(last, tf.int32),) * 2,
            )
            return columns[:, : self.k], values[:, : self.k], *tied

        # The concrete function: TensorFlow would warn of the graphs of other models.
        return backend.compiled(graph, *signature)


def _tied(
    scores: tf.Tensor, value: tf.Tensor, relevant: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Items of that score in each row, and how many of them are relevant.

    Args:
        scores: ``(batch, items)``.
        value: ``(batch,)``, NaN where none are to be counted.
        relevant: ``(n, 2)`` int32 rows and columns.

    Returns:
        Two ``(batch,)`` int32.
    """
    tied = tf.reduce_sum(tf.cast(scores == value[:, None], tf.int32), axis=1)
    row = relevant[:, 0]
    same = tf.gather_nd(scores, relevant) == tf.gather(value, row)
    count = tf.math.unsorted_segment_sum(tf.cast(same, tf.int32), row, tf.size(value))
    return tied, count


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
        users: ``(users,)`` users.
        relevant: Sorted int64 keys ``user * items + column`` of the relevant pairs.
        items: Number of items.

    Returns:
        ``(users, k)`` bool.
    """
    keys = users[:, None].astype(np.int64) * items + ranked
    place = np.searchsorted(relevant, keys)
    found = relevant[np.minimum(place, len(relevant) - 1)] == keys
    return found & (ranked >= 0)


def hits_and_ties(
    ranked: Ranked, users: np.ndarray, relevant: np.ndarray, items: int
) -> tuple[np.ndarray, np.ndarray]:
    """What :mod:`tfrec.metrics` reads of lists with tied items.

    Args:
        ranked: Lists.
        users: ``(users,)`` users.
        relevant: Sorted int64 keys ``user * items + column`` of the relevant pairs.
        items: Number of items.

    Returns:
        For each place, the relevant and all items that share its score, in the list
        and beyond it: two ``(users, k)`` int64.
    """
    found = hits(ranked.columns, users, relevant, items)
    begins = np.ones(found.shape, bool)
    begins[:, 1:] = ranked.scores[:, 1:] != ranked.scores[:, :-1]
    run = np.cumsum(begins).reshape(found.shape) - 1
    tied = np.bincount(run.ravel())[run]
    among = np.bincount(run.ravel(), found.ravel()).astype(int)[run]
    beyond = (run == run[:, -1:]) & (ranked.tied[:, None] > 0)
    return (
        np.where(beyond, ranked.relevant_tied[:, None], among),
        np.where(beyond, ranked.tied[:, None], tied),
    )
