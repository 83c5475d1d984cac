"""Users, items and time as one tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.losses import sum_of_squares
from tfrec.models.config import Tune
from tfrec.models.factorization._ratings import (
    SECONDS,
    RatingConfig,
    RatingFactors,
    Side,
    Timed,
    check_timestamp,
)
from tfrec.models.families import Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class TemporalTensorFactorization(Timed, RatingFactors):
    """Factors of user, item and time slice, those of time drifting slowly.

    Xiong et al. 2010, "Temporal Collaborative Filtering with Bayesian Probabilistic
    Tensor Factorization", section 3, the model's maximum a posteriori::

        r(u, i, k) = sum_d U_ud V_id T_kd,   k = slice of the training period
        T_k ~ N(T_(k-1), 1 / chain),   T_0 ~ N(1, 1 / chain_start)
        min sum (r_uik - r(u, i, k))^2 + l2 (|U_u|^2 + |V_i|^2)
            + chain sum_(k >= 1) |T_k - T_(k-1)|^2 + chain_start |T_0 - 1|^2

    Slices without an event are where their neighbours pull them. Times before or after
    the training period belong to the first or last slice, a time that is not given to
    the last.

    Differs from the paper: the maximum, not the posterior by Gibbs sampling; trained by
    mini-batch Adam on the mean loss, L2 on the rows of the batch and the chain's terms
    divided by the number of events. Unless ``biases`` is off, ``mu + b_u + b_i`` is
    added to the product; without it mu alone is.

    Args:
        spec: The columns; user id, item id, label and timestamp are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each and, where known, the timestamp ``(batch,)`` int64
    seconds to ``(batch,)`` float32 ratings.

    Raises:
        ValueError: No timestamp in the spec; less than one slice, or a negative weight
            of the chain; on ``adapt``, ratings that are no numbers or outside
            ``rating_range``.

    Example:
        >>> model = TemporalTensorFactorization(data.spec, dim=32)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=20)
        >>> model.recommend({"user_id": ["42"], "timestamp": [978_300_760]})
    """

    paper = "Xiong et al. 2010, Bayesian Probabilistic Tensor Factorization"
    objective = "squared error on ratings"

    @dataclass(frozen=True)
    class Config(RatingConfig):
        """Hyper-parameters, beside those of every model of ratings.

        Attributes:
            slices: Parts of the training period, of equal length.
            chain: Precision of the steps of time factors, in events.
            chain_start: Precision of the first time factors around 1, in events.
            biases: Whether users and items have biases.
        """

        slices: Annotated[int, Tune(2, 60)] = 30
        chain: Annotated[float, Tune(1.0, 1e4, log=True)] = 100.0
        chain_start: Annotated[float, Tune(1.0, 1e4, log=True)] = 100.0
        biases: bool = True

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        check_timestamp(self)
        config, users = self.config, self.spec.user_column.size
        if config.slices < 1:
            raise ConfigError(f"slices={config.slices} must be 1 or more.")
        for name in ("chain", "chain_start"):
            if getattr(config, name) < 0:
                raise ConfigError(
                    f"{name}={getattr(config, name)} must not be negative."
                )
        self.user_table = self.factors(users)
        self.time_factors = self.add_weight(
            "time_factors",
            (1 + config.slices, config.dim),
            experimental_autocast=False,
            initializer="ones",
        )
        self.events = self.add_weight("events", (), trainable=False, initializer="ones")
        if not config.biases:
            self.user_bias.trainable = self.item_bias.trainable = False

    def learn_constants(self, data: Interactions) -> None:
        """The number of events, too."""
        super().learn_constants(data)
        self.events.assign(float(len(data)))

    def user_side(self, inputs: Tensors, training: bool | None = None) -> Side:
        """``[U_u T_k, mu + b_u, 1]``: ``(batch, dim + 2)``."""
        user, config = inputs[self.spec.user], self.config
        factors, bias = self.user_table(user), self.user_bias(user)
        which = 1 + self.clock.slices(inputs[SECONDS], config.slices)
        moment = tf.cast(tf.gather(self.time_factors, which), factors.dtype)
        own = bias + tf.cast(self.mean, bias.dtype)
        vector = tf.concat([factors * moment, own, tf.ones_like(own)], axis=1)
        return vector, config.l2 * sum_of_squares(factors, bias) + self._chain()

    def _chain(self) -> tf.Tensor:
        """What the prior of the time factors adds to the mean loss."""
        times, config = self.time_factors, self.config
        steps = tf.reduce_sum((times[1:] - times[:-1]) ** 2)
        start = tf.reduce_sum((times[0] - 1) ** 2)
        total = config.chain * steps + config.chain_start * start
        return total / tf.cast(self.events, tf.float32)
