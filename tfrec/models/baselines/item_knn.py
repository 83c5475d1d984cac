"""Items like those the user took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from tfrec import backend
from tfrec.errors import ConfigError
from tfrec.layers.top_k import mask, top_k
from tfrec.models.base import Recommender
from tfrec.models.baselines._closed_form import ClosedForm, solved_weight, whole
from tfrec.models.baselines._taken import FromTaken
from tfrec.models.baselines._views import Together
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import Tensors


class ItemKNN(ClosedForm, FromTaken, Recommender):
    """Cosine item-item neighbourhoods with shrinkage.

    Sarwar et al. 2001, "Item-Based Collaborative Filtering Recommendation Algorithms",
    section 3, on binary events; shrinkage as in Bell and Koren 2007, "Scalable
    Collaborative Filtering with Jointly Derived Neighborhood Interpolation Weights"::

        sim(i, j) = users of both / (sqrt(users of i * users of j) + shrink)
        score(u, i) = sum over j in N(i) and in the history of u of sim(i, j)

    N(i) are the ``neighbours`` items most similar to i, equal ones in index order,
    those of similarity 0 left out, kept sparse in ``(items, neighbours)``. With
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
        ConfigError: Less than one neighbour, or negative shrinkage.

    Example:
        >>> model = ItemKNN(data.spec, neighbours=50)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096))
    """

    paper = "Sarwar et al. 2001, Item-Based Collaborative Filtering"
    objective = "cosine neighbours by counting"
    one_pass = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
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
            raise ConfigError(f"neighbours={self.config.neighbours} must be 1 or more.")
        if self.config.shrink < 0:
            raise ConfigError(f"shrink={self.config.shrink} must not be negative.")
        items = self.taken.items
        shape = (items, min(self.config.neighbours, max(items - 1, 1)))
        self.neighbours = solved_weight(self, "neighbours", shape, "int32")
        self.similarities = solved_weight(self, "similarities", shape)
        self.bias = solved_weight(self, "bias", (items,))
        # The places of `neighbours` in the order of the neighbour they hold, those that
        # hold none last, and where the places of each neighbour start.
        self.order = solved_weight(self, "order", (shape[0] * shape[1],), "int32")
        self.start = solved_weight(self, "start", (items + 1,), "int32")

    def view(self) -> Together:
        """How many users took both of two items."""
        return Together()

    def _similarity(self, features: Tensors) -> tf.Tensor:
        """``(block, items)`` similarities of other items; -inf of itself or none."""
        together, column = features["together"], features["column"]
        own = tf.gather(features["counts"], column, batch_dims=1)
        norms = tf.sqrt(own[:, None] * features["counts"]) + self.config.shrink
        similarity = tf.where(together > 0, together / norms, -float("inf"))
        return mask(similarity, column[:, None])

    def sum_specs(self) -> dict[str, tf.TensorSpec]:
        """Neighbours found so far, and the sum and number of their distances."""
        weights = {"neighbours", "similarities", "bias"}
        kept = {name: getattr(self, name) for name in weights}
        specs = {n: tf.TensorSpec(w.shape, w.dtype) for n, w in kept.items()}
        scalar = tf.TensorSpec((), tf.float64)
        return {**specs, "distance": scalar, "places": scalar}

    def collect(
        self, features: Tensors, target: tf.Tensor | None, weight: tf.Tensor | None
    ) -> None:
        """Finds the neighbours of a block of items."""
        column, counts, sums = features["column"], features["counts"], self.sums
        values, found = top_k(self._similarity(features), self.neighbours.shape[1])
        found, values = tf.maximum(found, 0), tf.maximum(values, 0.0)
        sums.add("distance", tf.reduce_sum(1 - values))
        sums.add("places", tf.size(values))
        if self.config.score == "average":
            total = tf.reduce_sum(values, axis=1, keepdims=True)
            values = tf.math.divide_no_nan(values, total)
            share = counts / features["users"][:, None]
            around = values * tf.gather(share, found, batch_dims=1)
            bias = tf.gather(share, column, batch_dims=1) - tf.reduce_sum(around, 1)
            sums.put("bias", bias, column)
        sums.put("neighbours", found, column)
        sums.put("similarities", values, column)

    def solve(self) -> float:
        """Takes over the neighbours; mean distance to them."""
        for name in ("neighbours", "similarities", "bias"):
            getattr(self, name).assign(self.sums[name])
        near, items = self.neighbours.numpy().ravel(), self.taken.items
        near[self.similarities.numpy().ravel() == 0] = items
        self.order.assign(np.argsort(near, kind="stable").astype(np.int32))
        lengths = np.bincount(near, minlength=items + 1)[:items]
        self.start.assign(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
        return float(self.sums["distance"] / self.sums["places"])

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
        """Whose neighbour each item is: ``start`` of its stretch of ``item``.

        With ``similarity`` by the side of ``item``, and ``bias`` ``(items,)``.
        """
        return {
            "start": tf.convert_to_tensor(self.start),
            "item": self.order // self.neighbours.shape[1],
            "similarity": tf.gather(tf.reshape(self.similarities, [-1]), self.order),
            "bias": tf.convert_to_tensor(self.bias),
        }

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """User by user, the similarities of those whose neighbours the user took."""
        users = self.lookup(features)[self.spec.user]
        start, items = state["start"], self.taken.items

        def one(stretch: tf.Tensor) -> tf.Tensor:
            columns = self.taken.keys[stretch[0] : stretch[1]] % items
            begin, end = tf.gather(start, columns), tf.gather(start, columns + 1)
            place = tf.ragged.range(begin, end).flat_values
            near = tf.gather(state["similarity"], place)
            owner = tf.gather(state["item"], place)
            return tf.math.unsorted_segment_sum(near, owner, items)

        stretches = tf.stack(self.taken.stretch(users), axis=1)
        scores = backend.mapped(one, stretches)
        return tf.ensure_shape(scores, [None, items]) + state["bias"]

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
