"""A small graph over the items of the test data, and a batch of pairs."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfrec.data.knowledge import KnowledgeGraph

USER, ITEM = np.array([2, 5, 2, 9, 17]), np.array([3, 3, 30, 9, 31])
LABEL = np.array([1, 0, 1, 1, 0], np.float32)
BATCH = {
    "user_id/index": tf.constant(USER, tf.int32),
    "movie_id/index": tf.constant(ITEM, tf.int32),
}


def with_graph(data, relations: int = 3, entities: int = 12):
    """The data with a random graph: an item of none, a self-loop, a relation of none.

    Item 31 has no triple, the last relation neither.
    """
    rng = np.random.default_rng(3)
    size = data.spec.item_column.size
    head = rng.integers(2, 31, 60)
    head[40:] = rng.integers(size, size + entities, 20)
    tail = rng.integers(size, size + entities, 60)
    tail[55:] = rng.integers(2, 31, 5)
    kind = rng.integers(0, relations - 1, 60)
    head[1:4], tail[1:4], kind[1:4] = 3, [3, size, size], [0, 1, 1]  # and twice
    graph = KnowledgeGraph(
        head.astype(np.int32),
        kind.astype(np.int32),
        tail.astype(np.int32),
        tuple(f"e{n}" for n in range(entities)),
        tuple(f"r{n}" for n in range(relations)),
    )
    return joined(data, graph)


def joined(data, graph: KnowledgeGraph):
    """The data with a graph over its items, as a loader of data sets joins them."""
    declared, tables = graph.columns(data.spec.item_column)
    spec = data.spec
    for column in declared:
        spec = spec.replace(column)
    items = {**data.items, **tables}
    return dataclasses.replace(data, spec=spec, items=items, graph=graph)


def softmax(logits: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Over the last axis, where ``mask`` is True."""
    raised = np.where(mask, np.exp(logits - logits.max(axis=-1, keepdims=True)), 0)
    total = raised.sum(axis=-1, keepdims=True)
    return raised / np.where(total > 0, total, 1)


def log_loss(logits: np.ndarray, label: np.ndarray) -> float:
    chance = 1 / (1 + np.exp(-logits))
    return float(np.mean(-label * np.log(chance) - (1 - label) * np.log(1 - chance)))
