"""Items like those the user took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tensorflow as tf

from tfrec import keras
from tfrec.layers.top_k import top_k
from tfrec.models.base import Recommender
from tfrec.models.baselines._closed_form import OwnLoss, solved_weight, whole
from tfrec.models.baselines._taken import FromTaken
from tfrec.models.baselines._views import Together
from tfrec.models.config import Config, Tune
from tfrec.models.families import Tensors


class ItemKNN(OwnLoss, FromTaken, Recommender):
    """Cosine item-item neighbourhoods with shrinkage.

    Sarwar et al. 2001, "Item-Based Collaborative Filtering Recommendation Algorithms",
    section 3, on binary events; shrinkage as in Bell and Koren 2007, "Scalable
    Collaborative Filtering with Jointly Derived Neighborhood Interpolation Weights"::

        sim(i, j) = users of both / (sqrt(users of i * users of j) + shrink)
        score(u, i) = sum over j in N(i) and in the history of u of sim(i, j)

    N(i) are the ``neighbours`` items most similar to i, equal ones in index order,
    those of similarity 0 left out. They are kept sparse, ``(items, neighbours)``. With
    ``score="average"`` it is the weighted average around the items' shares of users
    (the paper's weighted sum, as the BARS benchmark has it)::

        score(u, i) = m_i + sum over j in N(i) of sim(i, j) (x_uj - m_j) / sum sim(i, j)

    Differs from the paper: events are binary, so nothing is centred on user means. The
    loss is the mean distance ``1 - sim`` to the neighbours.

    A user is known by everything in the training data; see
    :class:`~tfrec.models.baselines._taken.FromTaken`.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 scores.

    Raises:
        ValueError: Less than one neighbour, or negative shrinkage.

    Example:
        >>> model = ItemKNN(data.spec, neighbours=50)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096))
    """

    paper = "Sarwar et al. 2001, Item-Based Collaborative Filtering"
    objective = "cosine neighbours by counting"
    one_pass = True

    @dataclass(frozen=True)
    class Config(Config):
        """Hyper-parameters.

        Attributes:
            neighbours: Neighbours of each item.
            shrink: Added to the denominator, in users.
            score: ``sum`` or ``average``.
        """

        neighbours: Annotated[int, Tune(5, 500, log=True)] = 50
        shrink: Annotated[float, Tune(0.0, 100.0)] = 10.0
        score: Literal["sum", "average"] = "sum"

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        if self.config.neighbours < 1:
            raise ValueError(f"neighbours={self.config.neighbours} must be 1 or more.")
        if self.config.shrink < 0:
            raise ValueError(f"shrink={self.config.shrink} must not be negative.")
        items = self.taken.items
        shape = (items, min(self.config.neighbours, max(items - 1, 1)))
        self.neighbours = solved_weight(self, "neighbours", shape, "int32")
        self.similarities = solved_weight(self, "similarities", shape)
        self.bias = solved_weight(self, "bias", (items,))

    def view(self) -> Together:
        """How many users took both of two items."""
        return Together()

    def _similarity(self, features: Tensors) -> tf.Tensor:
        """``(block, items)`` similarities of other items; -inf of itself or none."""
        together, column = features["together"], features["column"]
        own = tf.gather(features["counts"], column, batch_dims=1)
        norms = tf.sqrt(own[:, None] * features["counts"])
        similarity = tf.math.divide_no_nan(together, norms + self.config.shrink)
        itself = tf.one_hot(column, self.taken.items, True, False, dtype=tf.bool)
        return tf.where(itself | (together == 0), -float("inf"), similarity)

    def train_step(self, data: Any) -> Tensors:
        """Finds the neighbours of a block of items."""
        features, _, _ = whole(keras.utils.unpack_x_y_sample_weight(data))
        column, counts = features["column"], features["counts"]
        values, found = top_k(self._similarity(features), self.neighbours.shape[1])
        found, values = tf.maximum(found, 0), tf.maximum(values, 0.0)
        logs = self.report(1 - values)
        if self.config.score == "average":
            total = tf.reduce_sum(values, axis=1, keepdims=True)
            values = tf.math.divide_no_nan(values, total)
            share = counts / features["users"][:, None]
            around = values * tf.gather(share, found, batch_dims=1)
            bias = tf.gather(share, column, batch_dims=1) - tf.reduce_sum(around, 1)
            self.bias.scatter_update(tf.IndexedSlices(bias, column))
        self.neighbours.scatter_update(tf.IndexedSlices(found, column))
        self.similarities.scatter_update(tf.IndexedSlices(values, column))
        return logs

    def test_step(self, data: Any) -> Tensors:
        """Mean distance to the same neighbours in other data."""
        features = whole(data)
        found = tf.gather(self.neighbours, features["column"])
        values = tf.gather(self._similarity(features), found, batch_dims=1)
        return self.report(1 - tf.maximum(values, 0.0))

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Pair scores ``(batch,)``; 0 for unknown items."""
        inputs = self.lookup(features)
        column = inputs[self.spec.item] - self.spec.item_column.first
        known = tf.maximum(column, 0)
        taken = self.taken.contains(
            inputs[self.spec.user], tf.gather(self.neighbours, known)
        )
        near = tf.where(taken, tf.gather(self.similarities, known), 0.0)
        scores = tf.gather(self.bias, known) + tf.reduce_sum(near, axis=1)
        return tf.where(column < 0, 0.0, scores)

    def catalogue_state(self) -> Tensors:
        """``neighbours``, ``similarities``: ``(items, neighbours)``; ``bias``."""
        names = ("neighbours", "similarities", "bias")
        return {name: tf.convert_to_tensor(getattr(self, name)) for name in names}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """A sparse matrix product: similarities times what the users took."""
        users = self.lookup(features)[self.spec.user]
        rows, columns = self.taken.pairs(users)
        items, batch = self.taken.items, tf.size(users, tf.int64)
        taken = tf.scatter_nd(
            tf.stack([columns, rows], axis=1),
            tf.ones_like(columns, tf.float32),
            tf.stack([tf.constant(items, tf.int64), batch]),
        )
        near = tf.cast(state["neighbours"], tf.int64)
        owner = tf.repeat(tf.range(items, dtype=tf.int64), near.shape[1])
        matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=tf.stack([owner, tf.reshape(near, [-1])], axis=1),
            values=tf.reshape(state["similarities"], [-1]),
            dense_shape=tf.constant([items, items], tf.int64),
        )
        scores = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=taken)
        return tf.transpose(scores) + state["bias"]

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Similarities of the neighbours; 0 of all others."""
        chosen = items - self.spec.item_column.first
        near = tf.gather(self.neighbours, chosen)
        row = tf.repeat(tf.range(tf.size(items)), tf.shape(near)[1])
        # Summed, because places without a neighbour say item 0 with similarity 0.
        return tf.scatter_nd(
            tf.stack([row, tf.reshape(near, [-1])], axis=1),
            tf.reshape(tf.gather(self.similarities, chosen), [-1]),
            tf.stack([tf.size(items), self.taken.items]),
        )
