"""Matrix factorisation with implicit feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfrec.losses import sum_of_squares
from tfrec.models.factorization._ratings import (
    Implicit,
    RatingConfig,
    RatingFactors,
    Side,
)
from tfrec.models.families import Tensors


class SVDPlusPlus(Implicit, RatingFactors):
    """Ratings from factors, biases, and from which items the user rated at all.

    Koren 2008, "Factorization Meets the Neighborhood", equations 15 and 16::

        r(u, i) = mu + b_u + b_i + q_i . (p_u + |N(u)|^-1/2 sum_(j in N(u)) y_j)
        min sum (r_ui - r(u, i))^2 + l2 (b_u^2 + b_i^2 + |q_i|^2 + |p_u|^2
                                         + sum_(j in N(u)) |y_j|^2)

    N(u) are the items of the user's training events, saved and exported with the model.
    A user without any is rated ``mu + b_u + b_i + q_i . p_u``.

    Differs from the paper: trained by mini-batch Adam on the mean loss instead of
    single-example gradient descent; one ``l2`` for biases and factors. Predictions are
    not cut to the range of the ratings: that belongs to the protocol, and cut scores
    would tie.

    Args:
        spec: The columns; user id, item id and label are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 ratings.

    Raises:
        ValueError: The items are hashed; on ``adapt``, ratings that are no numbers or
            outside ``rating_range``.

    Example:
        >>> model = SVDPlusPlus(data.spec, dim=20)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=20)
    """

    paper = "Koren 2008, Factorization Meets the Neighborhood"
    objective = "squared error on ratings"

    @dataclass(frozen=True)
    class Config(RatingConfig):
        """Hyper-parameters, those of every model of ratings."""

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        self.user_table = self.factors(self.spec.user_column.size)

    def user_side(self, inputs: Tensors, training: bool | None = None) -> Side:
        """``[p_u + |N(u)|^-1/2 sum y_j, mu + b_u, 1]``: ``(batch, dim + 2)``."""
        user = inputs[self.spec.user]
        factors, bias = self.user_table(user), self.user_bias(user)
        taken, squares = self.taken_by(user)
        vector = tf.concat(
            [
                factors + tf.cast(taken, factors.dtype),
                bias + tf.cast(self.mean, bias.dtype),
                tf.ones_like(bias),
            ],
            axis=1,
        )
        penalty = sum_of_squares(factors, bias) + tf.reduce_mean(squares)
        return vector, self.config.l2 * penalty
