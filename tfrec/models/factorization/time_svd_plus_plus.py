"""Matrix factorisation with implicit feedback and temporal dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.layers.embedding import table
from tfrec.layers.resident import Resident
from tfrec.losses import sum_of_squares
from tfrec.models.baselines._taken import END, first_known
from tfrec.models.config import Tune
from tfrec.models.factorization._ratings import (
    SECONDS,
    Implicit,
    RatingConfig,
    RatingFactors,
    Side,
    Timed,
    check_timestamp,
    whole_seconds,
)
from tfrec.models.families import Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

SPAN = 2**31  # days that a key has room for


class TimeSVDPlusPlus(Timed, Implicit, RatingFactors):
    """SVD++ whose biases and user factors change in time.

    Koren 2009, "Collaborative Filtering with Temporal Dynamics", sections 4.2 (biases)
    and 4.3 (factors)::

        r(u, i, t) = mu + b_u(t) + b_i(t) c_u(t)
                     + q_i . (p_u(t) + |R(u)|^-1/2 sum_(j in R(u)) y_j)
        b_i(t) = b_i + b_(i, Bin(t))        c_u(t) = 1 + c_u + c_(u, t)
        b_u(t) = b_u + a_u dev_u(t) + b_(u, t)
        p_u(t) = p_u + alpha_u dev_u(t) + p_(u, t)
        dev_u(t) = sign(t - t_u) |t - t_u|^beta

    R(u) are the items that the user rated, t_u is the mean time of these ratings. What
    carries (u, t) belongs to one day of one user and exists for the days of training
    alone: at another date it is 0. p_(u, t) is left out unless ``daily_factors`` is
    set. Times before or after the training period count as its begin or end, a time
    that is not given as the end.

    Differs from the paper: trained by mini-batch Adam on the mean loss instead of
    single-example gradient descent, with one ``l2`` for what is constant and one for
    what changes; time in dev is measured in lengths of the training period, not in
    days. c_u(t), which the paper has in its best baseline predictor and not in the rule
    of timeSVD++, scales b_i(t) here, too; it is written around 1, so that L2 pulls it
    there. A user has ``days_per_user`` rows for days on average; of more days the last
    ones share the rows of others.

    Args:
        spec: The columns; user id, item id, label and timestamp are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each and, where known, the timestamp ``(batch,)`` int64
    seconds to ``(batch,)`` float32 ratings.

    Raises:
        ValueError: No timestamp in the spec, or hashed items; less than one bin or row;
            on ``adapt``, ratings that are no numbers or outside ``rating_range``.

    Example:
        >>> model = TimeSVDPlusPlus(data.spec, dim=32)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=20)
        >>> model.recommend({"user_id": ["42"], "timestamp": [978_300_760]})
    """

    paper = "Koren 2009, Collaborative Filtering with Temporal Dynamics"
    objective = "squared error on ratings"

    @dataclass(frozen=True)
    class Config(RatingConfig):
        """Hyper-parameters, beside those of every model of ratings.

        Attributes:
            bins: Slices of the training period, each with a bias for every item; the
                paper has 30, of about ten weeks each, for Netflix's hundred million
                ratings.
            beta: Exponent of the distance from the user's mean time; the paper's.
            l2_time: ``l2`` of what changes in time.
            daily_factors: Whether users have factors of single days.
            days_per_user: Rows for single days, for each user on average.
        """

        bins: Annotated[int, Tune(1, 60)] = 8
        beta: Annotated[float, Tune(0.1, 1.0)] = 0.4
        l2_time: Annotated[float, Tune(1e-2, 30.0, log=True)] = 1.0
        daily_factors: bool = False
        days_per_user: int = 16

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        check_timestamp(self)
        config, seeds = self.config, self.seeds
        for name in ("bins", "days_per_user"):
            if getattr(config, name) < 1:
                raise ConfigError(f"{name}={getattr(config, name)} must be 1 or more.")
        users, items, dim = (
            self.spec.user_column.size,
            self.spec.item_column,
            config.dim,
        )
        self.user_table = self.factors(users)
        # [a_u, c_u, alpha_u] and [b_(u,t), c_(u,t), p_(u,t)]: one lookup for each.
        self.drift = table(users, 2 + dim, next(seeds), 0.0)
        self.rows = users * config.days_per_user
        width = 2 + dim * config.daily_factors
        self.daily = table(self.rows, width, next(seeds), 0.0)
        self.bin_bias = table(items.size, config.bins, next(seeds), 0.0)
        self.mean_time = self.add_weight(
            "mean_time",
            (users,),
            trainable=False,
            experimental_autocast=False,
            initializer="zeros",
        )
        self.user_days = Resident(self.catalogue, "user_days", tf.int64, END)

    def adapt(self, data: Interactions) -> None:
        """Takes over what users took; the days that were learned stay."""
        days = self.user_days.array
        super().adapt(data)
        if days is not None:
            self.user_days.put(days)

    def learn_constants(self, data: Interactions) -> None:
        """The users' days and mean times, too."""
        super().learn_constants(data)
        users, moments = data.user, tf.constant(whole_seconds(data))
        size = self.spec.user_column.size
        count = np.bincount(users, minlength=size)
        total = np.bincount(users, self.clock.elapsed(moments).numpy(), minlength=size)
        self.mean_time.assign(np.where(count, total / np.maximum(count, 1), 1.0))
        known = users >= first_known(self.spec.user_column)
        keys = users.astype(np.int64) * SPAN + self.clock.days(moments).numpy()
        self.user_days.put(np.unique(keys[known]))

    def user_side(self, inputs: Tensors, training: bool | None = None) -> Side:
        """``[p_u(t) + ..., mu + b_u(t), c_u(t), c_u(t) one_hot(Bin(t))]``."""
        user, seconds, config = inputs[self.spec.user], inputs[SECONDS], self.config
        factors, bias = self.user_table(user), self.user_bias(user)
        drift, daily = self.drift(user), self._daily(user, seconds)
        taken, squares = self.taken_by(user)
        away = self.clock.elapsed(seconds) - tf.gather(self.mean_time, user)
        deviation = tf.sign(away) * tf.abs(away) ** config.beta
        deviation = tf.cast(deviation, factors.dtype)[:, None]
        moved = factors + drift[:, 2:] * deviation + tf.cast(taken, factors.dtype)
        if config.daily_factors:
            moved += daily[:, 2:]
        own = bias + drift[:, :1] * deviation + daily[:, :1]
        scale = 1 + drift[:, 1:2] + daily[:, 1:2]
        which = self.clock.slices(seconds, config.bins)
        chosen = tf.one_hot(which, config.bins, dtype=scale.dtype)
        own += tf.cast(self.mean, own.dtype)
        penalty = config.l2 * (sum_of_squares(factors, bias) + tf.reduce_mean(squares))
        penalty += config.l2_time * sum_of_squares(drift, daily)
        return tf.concat([moved, own, scale, scale * chosen], axis=1), penalty

    def item_side(self, inputs: Tensors) -> Side:
        """``[q_i, 1, b_i, b_(i, 1), b_(i, 2), ...]``: ``(batch, dim + 2 + bins)``."""
        vector, penalty = super().item_side(inputs)
        bins = self.bin_bias(inputs[self.spec.item])
        if SECONDS in inputs:
            which = self.clock.slices(inputs[SECONDS], self.config.bins)
            chosen = tf.gather(bins, which, batch_dims=1)
            penalty += self.config.l2_time * sum_of_squares(chosen)
        return tf.concat([vector, bins], axis=1), penalty

    def _daily(self, user: tf.Tensor, seconds: tf.Tensor) -> tf.Tensor:
        """Rows of the users' days; 0 for a day that training did not see."""
        day, keys = self.clock.days(seconds), self.user_days.values
        wanted = tf.cast(user, tf.int64) * SPAN + day
        wanted = tf.where((day >= 0) & (day < SPAN), wanted, -1)
        place = tf.searchsorted(keys, wanted)
        rows = self.daily(place % self.rows)
        known = tf.gather(keys, place) == wanted
        return tf.where(known[:, None], rows, tf.zeros_like(rows))
