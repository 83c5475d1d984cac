"""Item-item weights in factored form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.layers.embedding import table
from tfrec.layers.resident import Resident
from tfrec.layers.sums import weighted_sums
from tfrec.losses import sum_of_squares
from tfrec.models.baselines._taken import FromTaken, first_known
from tfrec.models.config import Tune
from tfrec.models.factorization._ratings import (
    SECONDS,
    RatingConfig,
    RatingFactors,
    Side,
    Timed,
    root_of_count,
    taken_vectors,
    times,
    whole_seconds,
)
from tfrec.models.families import Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

SPAN = 2**31  # days that a key has room for


class FactorizedNeighborhood(Timed, FromTaken, RatingFactors):
    """A global neighbourhood model whose item-item weights are inner products.

    Koren 2010, "Factor in the Neighbors: Scalable and Accurate Collaborative
    Filtering", sections 3 (global weights), 4 (factored form) and 5 (time, as in Koren
    2009, "Collaborative Filtering with Temporal Dynamics", section 5)::

        r(u, i, t) = mu + b_u + b_i
            + q_i . |R(u)|^-1/2 sum_(j in R(u)) e^(-beta_u |t - t_j|) (
                  (r_uj - b_uj) x_j + y_j )

    so that the weight of item j for item i is ``q_i . x_j`` for how it was rated and
    ``q_i . y_j`` for that it was. There are no user factors: a new rating changes a
    user's predictions with ``adapt`` alone. b_uj are constants (section 2.1)::

        b_uj = mu + b_u + b_j,   b_j = sum (r - mu) / (item_regularisation + n_j),
        b_u = sum (r - mu - b_j) / (user_regularisation + n_u)

    and ``beta_u = decay * e^(theta_u)`` is learned; time is in days, those before or
    after the training period count as its begin or end, a time that is not given as the
    end.

    Differs from the paper: forgetting, which it adds to weights that are not factored,
    is added to the factored ones. Trained by mini-batch Adam on the mean loss, one
    ``l2`` for all; biases do not change in time; N(u) is R(u), all distinct items of
    the user's training events, the latest rating of each. In training a rating is
    predicted from the user's other ratings unless ``leave_own_out`` is off, where the
    sum over R(u) holds the very rating that is asked for.

    Args:
        spec: The columns; user id, item id, label and timestamp are read. Without a
            timestamp nothing decays.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each and, where known, the timestamp ``(batch,)`` int64
    seconds to ``(batch,)`` float32 ratings.

    Raises:
        ValueError: The items are hashed; negative decay or regularisation; on
            ``adapt``, ratings that are no numbers or outside ``rating_range``.

    Example:
        >>> model = FactorizedNeighborhood(data.spec, dim=32)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=10)
    """

    paper = "Koren 2010, Factor in the Neighbors"
    objective = "squared error on ratings"
    takes_dislikes = True

    @dataclass(frozen=True)
    class Config(RatingConfig):
        """Hyper-parameters, beside those of every model of ratings.

        Attributes:
            decay: Where the rates of forgetting start, per day; 0 for no forgetting.
            leave_own_out: Whether training hides a rating from its own prediction.
            user_regularisation: Of the constants b_u, in ratings.
            item_regularisation: Of the constants b_i, in ratings.
        """

        decay: Annotated[float, Tune(1e-4, 1e-1, log=True)] = 1e-3
        leave_own_out: bool = True
        user_regularisation: Annotated[float, Tune(1.0, 50.0, log=True)] = 10.0
        item_regularisation: Annotated[float, Tune(1.0, 50.0, log=True)] = 25.0

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        for name in ("decay", "user_regularisation", "item_regularisation"):
            if getattr(config, name) < 0:
                raise ConfigError(
                    f"{name}={getattr(config, name)} must not be negative."
                )
        self.explicit = taken_vectors(self, "explicit")
        self.implicit = taken_vectors(self, "implicit")
        self.decays = config.decay > 0 and self.spec.timestamp is not None
        if self.decays:
            users = self.spec.user_column.size
            self.forgetting = table(users, 1, next(self.seeds), 0.0)
        self.residuals = Resident(self.catalogue, "residuals", tf.float32, 0)
        self.rated_on = Resident(self.catalogue, "rated_on", tf.int64, 0)

    def adapt(self, data: Interactions) -> None:
        """Takes over what users rated, how and when, too."""
        super().adapt(data)
        first, user = self.spec.item_column.first, data.user.astype(np.int64)
        known = (data.item >= first) & (user >= first_known(self.spec.user_column))
        keys = user * self.taken.items + data.item - first
        rows = np.flatnonzero(known)
        rows = rows[np.lexsort((rows, times(data)[rows], keys[rows]))]
        latest = np.append(keys[rows][1:] != keys[rows][:-1], [True] * bool(len(rows)))
        rows = rows[latest.astype(bool)]
        self.residuals.put(self._residuals(data)[rows].astype(np.float32))
        days = self.clock.days(tf.constant(whole_seconds(data)[rows])).numpy()
        self.rated_on.put(days)

    def _residuals(self, data: Interactions) -> np.ndarray:
        """``r_uj - b_uj`` of every event."""
        rest = data.label.astype(np.float64)
        rest = rest - rest.mean()
        for index, weight in (
            (data.item, self.config.item_regularisation),
            (data.user, self.config.user_regularisation),
        ):
            bias = np.bincount(index, rest) / np.maximum(
                weight + np.bincount(index), 1e-9
            )
            rest = rest - bias[index]
        return rest

    def user_side(self, inputs: Tensors, training: bool | None = None) -> Side:
        """``[the sum over R(u), mu + b_u, 1]``: ``(batch, dim + 2)``."""
        user = inputs[self.spec.user]
        bias = self.user_bias(user)
        day = self.clock.days(self.clock.inside(inputs[SECONDS]))
        day = tf.minimum(day, SPAN - 1)
        moment = tf.cast(user, tf.int64) * SPAN + (day if self.decays else 0)
        distinct, place = tf.unique(moment)
        rated, squares = self._rated(distinct // SPAN, distinct % SPAN)
        rated, squares = tf.gather(rated, place), tf.gather(squares, place)
        if training and self.config.leave_own_out:
            rated -= self._own(user, inputs[self.spec.item], day)
        own = bias + tf.cast(self.mean, bias.dtype)
        vector = tf.concat([tf.cast(rated, own.dtype), own, tf.ones_like(own)], axis=1)
        penalty = sum_of_squares(bias) + tf.reduce_mean(squares)
        return vector, self.config.l2 * penalty

    def _rated(self, users: tf.Tensor, days: tf.Tensor) -> Side:
        """The sum over R(u) for distinct users and days, and that of |x|^2 + |y|^2."""
        count = tf.size(users)
        entries = tf.ragged.range(*self.taken.stretch(users))
        rows, entry = entries.value_rowids(), entries.flat_values
        columns = tf.gather(self.taken.keys, entry) % self.taken.items
        kept = self._kept(
            tf.gather(users, rows), tf.gather(days, rows) - self._day_of(entry)
        )
        explicit, implicit = map(tf.convert_to_tensor, (self.explicit, self.implicit))
        residual = tf.gather(self.residuals.values, entry)
        total = weighted_sums(kept * residual, explicit, rows, columns, count)
        total += weighted_sums(kept, implicit, rows, columns, count)
        norms = tf.reduce_sum(explicit**2 + implicit**2, axis=1)
        squares = tf.math.unsorted_segment_sum(tf.gather(norms, columns), rows, count)
        return total * root_of_count(self, users)[:, None], squares

    def _own(self, user: tf.Tensor, item: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
        """What the rating that is asked for adds to the sum by its value."""
        column = tf.cast(item - self.spec.item_column.first, tf.int64)
        wanted = tf.cast(user, tf.int64) * self.taken.items + column
        entry = tf.searchsorted(self.taken.keys, wanted)
        there = (column >= 0) & (tf.gather(self.taken.keys, entry) == wanted)
        weight = self._kept(user, day - self._day_of(entry))
        weight *= tf.gather(self.residuals.values, entry) * root_of_count(self, user)
        vectors = tf.gather(self.explicit, tf.maximum(column, 0))
        return tf.where(there, weight, 0.0)[:, None] * vectors

    def _day_of(self, entry: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.rated_on.values, entry)

    def _kept(self, user: tf.Tensor, days: tf.Tensor) -> tf.Tensor:
        """``e^(-beta_u |t - t_j|)``."""
        away = tf.abs(tf.cast(days, tf.float32))
        if not self.decays:
            return tf.ones_like(away)
        rate = tf.cast(self.forgetting(user)[:, 0], tf.float32)
        return tf.exp(-self.config.decay * tf.exp(rate) * away)
