"""Good items, kind users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.models.base import Recommender
from tfrec.models.baselines._closed_form import ClosedForm, solved_weight
from tfrec.models.baselines._taken import first_known
from tfrec.models.baselines._views import Twice
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import Tensors


class BiasBaseline(ClosedForm, Recommender):
    """The mean rating, shifted by item and user.

    Koren 2010, "Factor in the Neighbors", section 2.1 (baseline estimates)::

        r(u, i) = mu + b_u + b_i
        min  sum (r_ui - mu - b_u - b_i)^2 + lambda_u sum b_u^2 + lambda_i sum b_i^2

    An epoch reads the events twice: once for the mean rating and the item biases given
    the user biases, once for the user biases given the item biases::

        b_i = sum (r_ui - mu - b_u) / (lambda_i + n_i)
        b_u = sum (r_ui - mu - b_i) / (lambda_u + n_u)

    Each half minimises the objective exactly, so the loss (the objective per event)
    never rises. Ten epochs are plenty. An unknown user or item has bias 0.

    Differs from the paper: its decoupled estimate is the first epoch; more epochs go to
    the joint minimum. Predictions are not cut to the range of the ratings: that belongs
    to the protocol, and cut scores would tie.

    Args:
        spec: The columns; user id, item id and label are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 ratings.

    Raises:
        ConfigError: Negative regularisation; in ``fit``, batches of another view.

    Example:
        >>> model = BiasBaseline(data.spec)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=10)
    """

    paper = "Koren 2010, Factor in the Neighbors"
    objective = "squared error, user and item biases in turn"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            user_regularisation: lambda_u, in ratings.
            item_regularisation: lambda_i, in ratings.
        """

        user_regularisation: Annotated[float, Tune(1.0, 50.0, log=True)] = 15.0
        item_regularisation: Annotated[float, Tune(1.0, 50.0, log=True)] = 10.0

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        for name in ("user_regularisation", "item_regularisation"):
            if getattr(self.config, name) < 0:
                raise ConfigError(
                    f"{name}={getattr(self.config, name)} must not be negative."
                )
        columns = (self.spec.user_column, self.spec.item_column)
        self._known = tuple(
            np.arange(column.size) >= first_known(column) for column in columns
        )
        self.mean = solved_weight(self, "mean", ())
        self.user_bias = solved_weight(self, "user_bias", (columns[0].size,))
        self.item_bias = solved_weight(self, "item_bias", (columns[1].size,))

    def view(self) -> Twice:
        """Labelled events, twice over."""
        return Twice()

    def default_loss(self) -> keras.losses.Loss:
        """Squared error, for validation."""
        return keras.losses.MeanSquaredError()

    def sum_specs(self) -> dict[str, tf.TensorSpec]:
        """Numbers of events and sums of residuals, in all, by item and by user."""
        scalar = tf.TensorSpec((), tf.float64)
        users = tf.TensorSpec(self.user_bias.shape, tf.float64)
        items = tf.TensorSpec(self.item_bias.shape, tf.float64)
        return {
            **{"count": scalar, "total": scalar, "squares": scalar},
            **{"item_count": items, "item_total": items},
            **{"user_count": users, "user_total": users},
        }

    def collect(
        self, features: Tensors, target: tf.Tensor | None, weight: tf.Tensor | None
    ) -> None:
        """Residuals by item in the first pass, by user in the second."""
        if target is None or "second" not in features:
            raise ConfigError(
                "BiasBaseline learns from two passes over labelled events: fit it on "
                "train.batches(model, n)."
            )
        inputs, sums = self.lookup(features), self.sums
        user, item = inputs[self.spec.user], inputs[self.spec.item]
        rating = tf.cast(target, tf.float64)
        weight = tf.ones_like(rating) if weight is None else tf.cast(weight, tf.float64)
        second = tf.cast(features["second"], tf.float64)

        first = weight * (1 - second)
        residual = rating - tf.gather(tf.cast(self.user_bias, tf.float64), user)
        sums.add("count", tf.reduce_sum(first))
        sums.add("total", tf.reduce_sum(first * rating))
        sums.add("item_count", first, item)
        sums.add("item_total", first * residual, item)

        second *= weight
        mean, item_bias = self._solve_items()
        residual = rating - mean - tf.gather(item_bias, item)
        sums.add("squares", tf.reduce_sum(second * residual**2))
        sums.add("user_count", second, user)
        sums.add("user_total", second * residual, user)

    def _solve_items(self) -> tuple[tf.Tensor, tf.Tensor]:
        sums, penalty = self.sums, self.config.item_regularisation
        mean = tf.math.divide_no_nan(sums["total"], sums["count"])
        residual = sums["item_total"] - mean * sums["item_count"]
        bias = tf.math.divide_no_nan(residual, penalty + sums["item_count"])
        return mean, tf.where(self._known[1], bias, 0)

    def solve(self) -> float:
        """Sets the mean and both biases; the objective per event."""
        sums, config = self.sums, self.config
        mean, item_bias = self._solve_items()
        total, count = sums["user_total"], sums["user_count"]
        bias = tf.math.divide_no_nan(total, config.user_regularisation + count)
        bias = tf.where(self._known[0], bias, 0)
        self.mean.assign(tf.cast(mean, tf.float32))
        self.item_bias.assign(tf.cast(item_bias, tf.float32))
        self.user_bias.assign(tf.cast(bias, tf.float32))
        # The squared residuals after the user biases, from the sums before them.
        squares = sums["squares"] + tf.reduce_sum(bias * (count * bias - 2 * total))
        penalty = config.user_regularisation * tf.reduce_sum(bias**2)
        penalty += config.item_regularisation * tf.reduce_sum(item_bias**2)
        return float(tf.math.divide_no_nan(squares + penalty, tf.reduce_sum(count)))

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Ratings ``(batch,)``."""
        inputs = self.lookup(features)
        return (
            self.mean
            + tf.gather(self.user_bias, inputs[self.spec.user])
            + tf.gather(self.item_bias, inputs[self.spec.item])
        )

    def catalogue_state(self) -> Tensors:
        """``bias``: ``(items,)``."""
        return {"bias": self.item_bias[self.spec.item_column.first :]}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Ratings of all items."""
        users = self.lookup(features)[self.spec.user]
        own = self.mean + tf.gather(self.user_bias, users)
        return own[:, None] + state["bias"][None]
