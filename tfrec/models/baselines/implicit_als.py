"""Matrix factorisation by alternating least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.models.base import Recommender
from tfrec.models.baselines._closed_form import OwnLoss, ridge, solved_weight, whole
from tfrec.models.baselines._taken import FromTaken, first_known
from tfrec.models.baselines._views import BothSides
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import FactorScorer, Tensors

NUMBERS = 1 << 23


class ImplicitALS(OwnLoss, FromTaken, FactorScorer, Recommender):
    """User and item factors, each solved for exactly while the other stands (iALS).

    Hu, Koren and Volinsky 2008, "Collaborative Filtering for Implicit Feedback
    Datasets", in the form of Rendle et al. 2021, "Revisiting the Performance of iALS on
    Item Recommendation Benchmarks", section 2 and equation 9::

        score(u, i) = w_u . h_i
        min  sum over events (w_u . h_i - 1)^2 + alpha sum over all pairs (w_u . h_i)^2
             + sum_u lambda (n_u + alpha |I|)^nu |w_u|^2
             + sum_i lambda (n_i + alpha |U|)^nu |h_i|^2

    with n the number of events of a user or an item. An epoch solves, batch by batch in
    the graph, for all users and then for all items::

        (sum of h_i h_i' over events + alpha H'H + lambda (n_u + alpha |I|)^nu) w_u
            = sum of h_i over events

    The loss is the objective at the end of the epoch; it never rises. That of
    ``evaluate`` is the first two sums over other data.

    Differs from the paper: repeated events count once. Without any event a user or item
    has zero factors.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 scores.

    Raises:
        ConfigError: A weight or a regularisation that is not positive.

    Example:
        >>> model = ImplicitALS(data.spec, dim=64)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=16)
    """

    paper = "Rendle et al. 2021, Revisiting the Performance of iALS"
    objective = "weighted squared error over all pairs, solved in turn"
    loss_kind = keras.metrics.Sum

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Factors.
            unobserved_weight: alpha, the weight of all pairs against events.
            regularisation: lambda.
            frequency_scaling: nu; 0 penalises all alike, 1 in proportion to events.
            stddev: Of the initial item factors, times the root of ``dim``.
        """

        dim: Annotated[int, Tune(8, 256, log=True)] = 64
        unobserved_weight: Annotated[float, Tune(0.01, 1.0, log=True)] = 0.1
        regularisation: Annotated[float, Tune(1e-4, 0.1, log=True)] = 0.003
        frequency_scaling: Annotated[float, Tune(0.0, 1.0)] = 1.0
        stddev: float = 0.1

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        for name in ("unobserved_weight", "regularisation", "stddev"):
            if getattr(config, name) <= 0:
                raise ConfigError(
                    f"{name}={getattr(config, name)} must be more than 0: without it "
                    "the equations may have no solution."
                )
        user, item = self.spec.user_column, self.spec.item_column
        self._rows = tuple(column.size - first_known(column) for column in (user, item))
        users, items = (user.size, config.dim), (item.size, config.dim)
        self.user_factors = solved_weight(self, "user_factors", users)
        self.item_factors = solved_weight(self, "item_factors", items)
        known = (self._rows[1], config.dim)
        stddev = config.stddev / config.dim**0.5
        drawn = keras.initializers.RandomNormal(0.0, stddev, seed=next(self.seeds))
        self.item_factors.assign(tf.pad(drawn(known), [[first_known(item), 0], [0, 0]]))

    def view(self) -> BothSides:
        """What each user took, then who took each item."""
        dim = self.config.dim
        return BothSides(max(1, NUMBERS // dim**2), max(1, NUMBERS // dim))

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``w_u``: ``(batch, dim)``."""
        return tf.gather(self.user_factors, inputs[self.spec.user])

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``h_i``: ``(batch, dim)``."""
        return tf.gather(self.item_factors, inputs[self.spec.item])

    def _equations(self, batch: Tensors) -> tuple[tf.Tensor, ...]:
        """Factors of the events ``(batch, longest, dim)``, their Gram matrix, penalty.

        The Gram matrix is that of the other side, times alpha.
        """
        config, second = self.config, is_second(batch)
        other = tf.cond(
            second,
            lambda: tf.convert_to_tensor(self.user_factors),
            lambda: tf.convert_to_tensor(self.item_factors),
        )
        users, items = (tf.cast(rows, tf.float32) for rows in self._rows)
        pairs = config.unobserved_weight * tf.where(second, users, items)
        events = tf.math.count_nonzero(batch["others"], axis=1, dtype=tf.float32)
        penalty = config.regularisation * (events + pairs) ** config.frequency_scaling
        gram = config.unobserved_weight * tf.matmul(other, other, transpose_a=True)
        # Row 0 is padding, its factors are zero and drop out of all sums.
        return tf.gather(other, batch["others"]), gram, penalty

    def _error(self, batch: Tensors, vectors: Any, gram: Any, own: Any) -> tf.Tensor:
        """``(batch,)`` squared errors of events and weighted squares of all pairs."""
        scores = tf.linalg.matvec(vectors, own)
        errors = tf.where(batch["others"] > 0, (1 - scores) ** 2, 0.0)
        squares = tf.reduce_sum(own * tf.matmul(own, gram), axis=1)
        return tf.reduce_sum(errors, axis=1) + squares

    def train_step(self, data: Any) -> Tensors:
        """Solves for a batch of users or of items."""
        batch, _, _ = whole(keras.utils.unpack_x_y_sample_weight(data))
        vectors, gram, penalty = self._equations(batch)
        own = ridge(vectors, gram, penalty, tf.reduce_sum(vectors, axis=1))
        update = tf.IndexedSlices(own, batch["row"])
        second = is_second(batch)

        def write(factors: tf.Variable) -> tf.Tensor:
            factors.scatter_update(update)
            return tf.constant(True)

        tf.cond(
            second,
            lambda: write(self.item_factors),
            lambda: write(self.user_factors),
        )
        # Items come last: their errors are those of the finished epoch.
        error = self._error(batch, vectors, gram, own)
        squares = tf.reduce_sum(own**2, axis=1)
        return self.report(penalty * squares + tf.where(second, error, 0.0))

    def test_step(self, data: Any) -> Tensors:
        """Squared errors over other data, taken once, on the side of the items."""
        batch = whole(data)
        vectors, gram, _ = self._equations(batch)
        second = is_second(batch)
        own = tf.gather(self.item_factors, tf.where(second, batch["row"], 0))
        error = self._error(batch, vectors, gram, own)
        return self.report(tf.where(second, error, 0.0))


def is_second(batch: Tensors) -> tf.Tensor:
    """Whether a batch of :class:`BothSides` is of items; scalar bool."""
    return tf.reduce_any(batch["second"] == 1)
