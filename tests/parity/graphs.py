"""Users and items as one graph, and a batch of triples on it."""

import numpy as np
import tensorflow as tf
from matrices import FIRST

USER, ITEM = np.array([2, 5, 2, 9, 4]), np.array([3, 3, 15, 2, 8])
NEGATIVE = np.array([[9, 3], [4, 4], [11, 12], [14, 2], [8, 5]])
BATCH = {
    "user_id/index": tf.constant(USER, tf.int32),
    "item_id/index": tf.constant(ITEM, tf.int32),
}
TRIPLES = {**BATCH, "negative/index": tf.constant(NEGATIVE, tf.int32)}


def adjacency(matrix: np.ndarray) -> np.ndarray:
    """The normalised graph over user rows, then item rows; of each 2 are no id."""
    users, items = (FIRST + n for n in matrix.shape)
    joined = np.zeros((users + items, users + items))
    joined[FIRST:users, users + FIRST :] = matrix
    joined += joined.T
    degree = np.maximum(joined.sum(axis=1), 1)
    return joined / np.sqrt(degree[:, None] * degree)
