"""Shallow linear autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec import backend, keras
from tfrec.errors import ConfigError
from tfrec.models.base import Recommender
from tfrec.models.baselines._closed_form import ClosedForm, solved_weight, whole
from tfrec.models.baselines._taken import FromTaken
from tfrec.models.baselines._views import Together
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import Tensors

GROUP = 1024  # pairs that are scored at a time, each from a whole history


class EASE(ClosedForm, FromTaken, Recommender):
    """Items predicted from all other items by ridge regression, in closed form.

    Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", equations 4, 8::

        score(u, j) = sum over i in the history of u of B_ij
        min |X - X B|^2 + lambda |B|^2   with  diag(B) = 0
        P = (X'X + lambda I)^-1,   B_ij = -P_ij / P_jj,   B_jj = 0

    X is binary: an event is taken or not, however often and however it was rated. The
    loss of ``fit`` is the minimum, ``sum_j (1 / P_jj - lambda)``; that of ``evaluate``
    is the squared error of other data, without the penalty.

    Differs from the paper: nothing. The inverse is taken in float64, B kept in float32.
    Memory while solving is about 30 bytes times items squared (0.4 GB for 3,706 items),
    and 4 bytes times items squared later.

    A user is known by everything in the training data; see
    :class:`~tfrec.models.baselines._taken.FromTaken`.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 scores.

    Raises:
        ConfigError: Regularisation that is not positive.

    Example:
        >>> model = EASE(data.spec, regularisation=1000.0)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096))
    """

    paper = "Steck 2019, Embarrassingly Shallow Autoencoders for Sparse Data"
    objective = "squared error of rebuilt rows, in closed form"
    loss_kind = keras.metrics.Sum
    one_pass = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            regularisation: lambda, in users.
        """

        regularisation: Annotated[float, Tune(10.0, 5000.0, log=True)] = 500.0

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        if self.config.regularisation <= 0:
            raise ConfigError(
                f"regularisation={self.config.regularisation} must be more than 0: "
                "without it the equations may have no solution."
            )
        items = self.taken.items
        self.item_weights = solved_weight(self, "item_weights", (items, items))

    def view(self) -> Together:
        """How many users took both of two items: rows of X'X."""
        return Together()

    def sum_specs(self) -> dict[str, tf.TensorSpec]:
        """X'X."""
        return {"together": tf.TensorSpec(self.item_weights.shape, tf.float32)}

    def collect(
        self, features: Tensors, target: tf.Tensor | None, weight: tf.Tensor | None
    ) -> None:
        """Rows of X'X."""
        self.sums.add("together", features["together"], features["column"])

    def solve(self) -> float:
        """Sets B; the minimum of the objective."""
        penalty = self.config.regularisation
        gram = self.sums["together"].numpy().astype(np.float64)
        gram[np.diag_indices_from(gram)] += penalty
        inverse = np.linalg.inv(gram)
        diagonal = inverse.diagonal().copy()
        inverse /= -diagonal
        np.fill_diagonal(inverse, 0)
        self.item_weights.assign(inverse.astype(np.float32))
        return float(np.sum(1 / diagonal - penalty))

    def test_step(self, data: Any) -> Tensors:
        """``|X - X B|^2`` of other data, from rows of its X'X: tr (I-B)' X'X (I-B)."""
        features = whole(data)
        together, weights = features["together"], self.item_weights
        own = tf.one_hot(features["column"], self.taken.items)
        own -= tf.gather(weights, features["column"])
        return self.report(tf.reduce_sum(own * (together - together @ weights), axis=1))

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Pair scores ``(batch,)``; 0 for unknown items."""
        inputs = self.lookup(features)
        target = tf.cast(inputs[self.spec.item], tf.int64) - self.spec.item_column.first
        flat = tf.reshape(self.item_weights, [-1])
        pairs = tf.size(target)
        group = tf.maximum(1, tf.minimum(GROUP, pairs))

        def some(number: tf.Tensor) -> tf.Tensor:
            chosen = tf.minimum(number * group + tf.range(group), pairs - 1)
            rows, columns = self.taken.pairs(tf.gather(inputs[self.spec.user], chosen))
            wanted = tf.gather(tf.maximum(tf.gather(target, chosen), 0), rows)
            weights = tf.gather(flat, columns * self.taken.items + wanted)
            return tf.math.unsorted_segment_sum(weights, rows, group)

        scores = backend.mapped(some, tf.range((pairs + group - 1) // group))
        return tf.where(target < 0, 0.0, tf.reshape(scores, [-1])[:pairs])

    def catalogue_state(self) -> Tensors:
        """``weights``: ``(items, items)``, B."""
        return {"weights": tf.convert_to_tensor(self.item_weights)}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Sums of the rows of B that the user took."""
        users = self.lookup(features)[self.spec.user]
        rows, columns = self.taken.pairs(users)
        return tf.sparse.segment_sum(
            state["weights"], columns, rows, num_segments=tf.size(users)
        )

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Rows of B: the scores of somebody who took just that item."""
        return tf.gather(self.item_weights, items - self.spec.item_column.first)
