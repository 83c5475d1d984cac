"""Users and items that move in time by LSTMs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec import backend
from tfrec.data.crossed import Crossed
from tfrec.errors import ConfigError
from tfrec.layers.clock import DAY
from tfrec.losses import sum_of_squares
from tfrec.models.baselines._taken import first_known
from tfrec.models.config import Tune
from tfrec.models.factorization._ratings import (
    SECONDS,
    RatingConfig,
    RatingFactors,
    Side,
    Timed,
    check_timestamp,
    times,
    whole_seconds,
)
from tfrec.models.families import PAIRS, Tensors
from tfrec.models.sequential._observed import check_observed, remember
from tfrec.models.sequential._steps import SPAN, StepStates, affine, steps_of

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class RecurrentRecommenderNetwork(Timed, RatingFactors):
    """Ratings from states of user and item that an LSTM each carries through time.

    Wu et al. 2017, "Recurrent Recommender Networks", section 3. Time goes in steps of
    ``step_days``. With x_t the ratings of a user in step t::

        y_t = W [x_t, 1_new, tau_t, tau_(t-1)],    u_t = LSTM(u_(t-1), y_t)
        r(i, j, t) = <A_u u_i + a_u, A_m m_j + a_m> + <p_i, q_j> + mu + b_i + b_j

    u_i and m_j are the states before step t: an event is predicted from steps that were
    over when it came, and of its own step nothing is known. 1_new marks the first step
    of a user, tau is the time of the step and of the one before it, and steps without
    ratings are left out. Items have a network of their own, of the ratings they get.
    p and q are stationary factors.

    States depend on weights and ratings alone. :meth:`observe` appends ratings, and all
    answers move on without training. The exported model holds the ratings, the users'
    states are made of them when they are asked for, and those of items at the export;
    its signature ``observe`` takes a user's newest ratings with the query.

    Differs from the paper: instead of one side's weights at a time, with the other's
    states fixed, a step of Adam goes down both at once; a batch is what a group of
    users gave a group of items, and the gradient flows through all their steps. x_t
    holds standard scores, divided by the root of their number. Biases are added. Steps
    are of one length; in the paper's data they have several.

    Args:
        spec: The columns; user id, item id, label and timestamp are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each and, where known, the timestamp ``(batch,)`` int64
    seconds to ``(batch,)`` float32 ratings; without it, of after the last rating.

    Raises:
        ValueError: No timestamp in the spec; a width or a step of nothing; on ``adapt``
            and ``observe``, ratings that are no numbers or outside ``rating_range``, or
            more steps than can be counted.

    Example:
        >>> model = RecurrentRecommenderNetwork(data.spec, dim=20, step_days=7)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=10)
        >>> model.observe(newer)
        >>> model.recommend({"user_id": ["42"]})
    """

    paper = "Wu et al. 2017, Recurrent Recommender Networks"
    objective = "squared error on ratings"

    @dataclass(frozen=True)
    class Config(RatingConfig):
        """Hyper-parameters, beside those of every model of ratings.

        Attributes:
            units: Width of the states.
            step_days: Length of a step in days.
            l2_state: ``l2`` of what the states make of it.
        """

        units: Annotated[int, Tune(8, 128, log=True)] = 32
        step_days: Annotated[float, Tune(0.5, 60.0, log=True)] = 7.0
        l2_state: Annotated[float, Tune(1e-4, 1e-1, log=True)] = 0.02

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        check_timestamp(self)
        config, seeds = self.config, self.seeds
        if config.units < 1:
            raise ConfigError(f"units={config.units} must be 1 or more.")
        if not config.step_days * DAY >= 1:
            raise ConfigError(f"step_days={config.step_days} must be a second or more.")
        users, items = self.spec.user_column.size, self.spec.item_column.size
        self.user_table = self.factors(users)
        self.sides = [
            StepStates(self.catalogue, "user", items, config.units, seeds),
            StepStates(self.catalogue, "item", users, config.units, seeds),
        ]
        self.affine = [affine(config.dim, seeds) for _ in self.sides]
        self.spread = self._constant("spread")
        self.period = self._constant("period")

    def _constant(self, name: str) -> tf.Variable:
        return self.add_weight(
            name, (), trainable=False, initializer="ones", experimental_autocast=False
        )

    def view(self) -> Crossed:
        """Groups of users with groups of items, for states are made once a batch."""
        users, items = (side.work for side in self.sides)
        return Crossed(timed=True, work=(users, items))

    # Time

    @property
    def step_seconds(self) -> int:
        """Length of a step in seconds."""
        return int(self.config.step_days * DAY)

    def step(self, seconds: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` int64 seconds to steps of the clock, 0 and later."""
        since = tf.maximum(seconds, self.clock.first) - self.clock.first
        return tf.minimum(since // self.step_seconds, SPAN - 1)

    def learn_constants(self, data: Interactions) -> None:
        """What ratings and times are relative to, too."""
        super().learn_constants(data)
        self.spread.assign(float(data.label.astype(np.float64).std()) or 1.0)
        self.period.assign(float(self._steps(data).max()) + 1)

    def _steps(self, data: Interactions) -> np.ndarray:
        first = int(self.clock.first.numpy())
        return steps_of(data, whole_seconds(data) - first, self.config.step_days)

    # Ratings that states are made of

    def adapt(self, data: Interactions) -> None:
        """Takes over catalogue and ratings; constants only of the first data."""
        super().adapt(data)
        self._take_over(self._events(data))

    def observe(self, data: Interactions) -> None:
        """Moves users and items on by newer ratings; no weight changes.

        Ratings may come in any order, also late ones: each goes into the step that it
        belongs to. A second rating of a pair in one step replaces the first.

        Args:
            data: The ratings, in the model's numbers: of the spec it was built with.

        Raises:
            ValueError: The model has met no data, the ids have other numbers, or the
                ratings are not what the model takes.
        """
        check_observed(self, data)
        self.check_ratings(data)
        pairs = zip(self.sides[0].stored(), self._events(data), strict=True)
        merged = [np.concatenate(pair) for pair in pairs]
        remember(self, data)
        self._take_over(merged)

    def _events(self, data: Interactions) -> list[np.ndarray]:
        """Users, steps, items and standard scores of events of known ids."""
        spec = self.spec
        known = data.user >= first_known(spec.user_column)
        known &= data.item >= first_known(spec.item_column)
        scores = (data.label - self.mean.numpy()) / self.spread.numpy()
        found = data.user, self._steps(data), data.item, scores.astype(np.float32)
        order = np.flatnonzero(known)
        order = order[np.argsort(times(data)[order], kind="stable")]
        return [values[order] for values in found]

    def _take_over(self, events: list[np.ndarray]) -> None:
        user, step, item, x = events
        self.sides[0].put(user, step, item, x)
        self.sides[1].put(item, step, user, x)
        # Without a time, a query is of the step after all.
        last = int(step.max()) + 1 if len(step) else 0
        self.clock.last.assign(int(self.clock.first.numpy()) + last * self.step_seconds)

    # Scores

    def moved(self, side: int, rows: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """``A u + a`` of ``(batch,)`` users (side 0) or items (1) before steps."""
        return self.affine[side](self.sides[side].at(rows, steps, self.period))

    def user_side(self, inputs: Tensors, training: bool | None = None) -> Side:
        """``[A_u u + a_u, p, mu + b_i, 1]``: ``(batch, 2 dim + 2)``."""
        user = inputs[self.spec.user]
        moved = self.moved(0, user, self.step(inputs[SECONDS]))
        factors, bias = self.user_table(user), self.user_bias(user)
        return self._of_user(moved, user), self._penalty(factors, bias, moved)

    def _of_user(self, moved: tf.Tensor, user: tf.Tensor) -> tf.Tensor:
        factors, bias = self.user_table(user), self.user_bias(user)
        own = bias + tf.cast(self.mean, bias.dtype)
        return tf.concat([moved, factors, own, tf.ones_like(own)], axis=1)

    def item_side(self, inputs: Tensors) -> Side:
        """``[A_m m + a_m, q, 1, b_j]``: ``(batch, 2 dim + 2)``."""
        item = inputs[self.spec.item]
        when = inputs.get(SECONDS, tf.zeros_like(item, tf.int64) + self.clock.last)
        moved = self.moved(1, item, self.step(when))
        vector = self._stationary(moved, item)
        factors, bias = self.item_table(item), self.item_bias(item)
        return vector, self._penalty(factors, bias, moved)

    def _stationary(self, moved: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        factors, bias = self.item_table(item), self.item_bias(item)
        return tf.concat([moved, factors, tf.ones_like(bias), bias], axis=1)

    def _penalty(
        self, factors: tf.Tensor, bias: tf.Tensor, moved: tf.Tensor
    ) -> tf.Tensor:
        penalty = self.config.l2 * sum_of_squares(factors, bias)
        return penalty + self.config.l2_state * sum_of_squares(moved)

    def catalogue_state(self) -> Tensors:
        """``item``: vectors after all steps; ``moved``: ``A_m m + a_m`` of all steps.

        Those of an item follow each other in time: ``(steps + items, dim)``.
        """
        column, side = self.spec.item_column, self.sides[1]
        parts = []
        for first in range(column.first, column.size, PAIRS // 16):
            rows = tf.range(first, min(first + PAIRS // 16, column.size))
            parts.append(self.affine[1](side.every(rows, self.period)))
        moved = tf.concat(parts, axis=0)
        rows = tf.range(column.first, column.size)
        now = tf.gather(moved, self._places(rows, tf.constant(SPAN, tf.int64)))
        return {
            "item": tf.cast(self._stationary(now, rows), tf.float32),
            "moved": tf.cast(moved, tf.float32),
        }

    def _places(self, items: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Rows of ``moved`` that hold items before a step."""
        return self.sides[1].before(items, step) + items - self.spec.item_column.first

    def scores_after(
        self,
        user: tf.Tensor,
        items: tf.Tensor,
        ratings: tf.Tensor,
        seconds: tf.Tensor,
        state: Tensors,
    ) -> tf.Tensor:
        """Scores of all items after one step more of users, which is not kept.

        Args:
            user: ``(batch,)`` user indices.
            items: ``(batch, any)`` indices of what they rated in it; padding and
                unknown items change nothing.
            ratings: ``(batch, any)`` float32.
            seconds: ``(batch,)`` int64, when.
            state: What :meth:`catalogue_state` returned.

        Returns:
            ``(batch, items)`` float32.
        """
        items = tf.where(items >= first_known(self.spec.item_column), items, 0)
        x = (ratings - self.mean) / self.spread
        step = self.step(seconds)
        moved = self.sides[0].after(user, step, items, x, self.period)
        query = tf.cast(self._of_user(self.affine[0](moved), user), tf.float32)
        return tf.matmul(query, state["item"], transpose_b=True)

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """A product with all items, as they were when each query is asked."""
        inputs, dim = self.lookup(features), self.config.dim
        query = tf.cast(self.query(inputs), tf.float32)
        steps, items = self.step(inputs[SECONDS]), state["item"]
        rows = tf.range(self.spec.item_column.first, self.spec.item_column.size)

        def then() -> tf.Tensor:
            def one(asked: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
                moved = tf.gather(state["moved"], self._places(rows, asked[1]))
                return tf.linalg.matvec(moved, asked[0])

            moving = backend.mapped(one, (query[:, :dim], steps))
            return moving + tf.matmul(query[:, dim:], items[:, dim:], transpose_b=True)

        latest = tf.reduce_all(steps >= self.step(self.clock.last))
        return tf.cond(latest, lambda: tf.matmul(query, items, transpose_b=True), then)
