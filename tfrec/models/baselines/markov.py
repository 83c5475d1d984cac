"""What followed the last item before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.models.base import Recommender
from tfrec.models.baselines._closed_form import ClosedForm, solved_weight, whole
from tfrec.models.baselines._sessions import Following, last_known, session_column
from tfrec.models.baselines._taken import item_count
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import Tensors


class Markov(ClosedForm, Recommender):
    """A Markov chain over items, or sequential rules when it reaches further.

    Ludewig and Jannach 2018, "Evaluation of Session-based Recommendation Algorithms",
    sections 3.1.2 and 3.1.3 (MC, SR)::

        w(i, j)     = sum over sessions and places x < y <= x + reach
                      with items i at x and j at y of 1 / (y - x)
        score(s, j) = w(i, j) / sum over l of w(i, l),   i the last known item of s

    ``reach`` 1 counts what came next. The ``neighbours`` heaviest j of each i are kept,
    equal ones in index order, sparse in ``(items, neighbours)``.

    Differs from the paper: the rest of a row is cut off. The loss is the mean of
    ``1 - score`` over what followed what, by weight.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column, the session.
        **config: See ``Config``.

    Call: sessions ``(batch, length)`` and item ids ``(batch,)`` to ``(batch,)`` float32
    scores in 0 .. 1.

    Raises:
        ConfigError: The spec declares no history, the items are hashed, or a number is
            below 1.

    Example:
        >>> model = Markov(data.spec)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096))
    """

    paper = "Ludewig & Jannach 2018, Evaluation of Session-based Algorithms"
    objective = "shares of what followed an item, by counting"
    one_pass = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            reach: Places after an item within which others count.
            neighbours: Items to keep after each.
        """

        reach: Annotated[int, Tune(1, 10)] = 1
        neighbours: Annotated[int, Tune(20, 500, log=True)] = 200

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        for name in ("reach", "neighbours"):
            if getattr(self.config, name) < 1:
                raise ConfigError(
                    f"{name}={getattr(self.config, name)} must be 1 or more."
                )
        self.items = item_count(self.spec)
        shape = (self.items, min(self.config.neighbours, self.items))
        self.following = solved_weight(self, "following", shape, "int32")
        self.share = solved_weight(self, "share", shape)

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The session."""
        return (session_column(self.spec, "Markov"),)

    def view(self) -> Following:
        """What followed each item."""
        return Following(self.config.reach, self.following.shape[1])

    def sum_specs(self) -> dict[str, tf.TensorSpec]:
        """Rows found so far, and the summed loss and weight."""
        specs = {
            name: tf.TensorSpec(weight.shape, weight.dtype)
            for name, weight in (("following", self.following), ("share", self.share))
        }
        scalar = tf.TensorSpec((), tf.float64)
        return {**specs, "missed": scalar, "weight": scalar}

    def collect(
        self, features: Tensors, target: tf.Tensor | None, weight: tf.Tensor | None
    ) -> None:
        """Takes over the rows of a block of items."""
        share, total, sums = features["share"], features["weight"], self.sums
        found = tf.reduce_sum(tf.square(share), axis=1)
        sums.add("missed", tf.reduce_sum(total * (1 - found)))
        sums.add("weight", tf.reduce_sum(total))
        sums.put("following", features["following"], features["column"])
        sums.put("share", share, features["column"])

    def solve(self) -> float:
        """Takes over the rows; mean of what the scores miss."""
        for name in ("following", "share"):
            getattr(self, name).assign(self.sums[name])
        missed = tf.math.divide_no_nan(self.sums["missed"], self.sums["weight"])
        return float(missed)

    def test_step(self, data: Any) -> Tensors:
        """Mean of what the scores miss of what followed what in other data."""
        features = whole(data)
        scores = self._scores(features["column"], self.catalogue_state())
        others = features["following"]
        found = tf.gather(scores, tf.maximum(others, 0), batch_dims=1)
        found = tf.reduce_sum(tf.where(others < 0, 0.0, found * features["share"]), 1)
        total = tf.reduce_sum(features["weight"])
        missed = tf.reduce_sum(features["weight"] * (1 - found))
        return self.report(tf.math.divide_no_nan(missed, total))

    def _last(self, features: Tensors) -> tf.Tensor:
        session = self.lookup(features)[self.query_columns[0]]
        return last_known(session, self.spec.item_column.first)

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Pair scores ``(batch,)``; 0 for unknown items and after none."""
        last = self._last(features)
        column = self.lookup(features)[self.spec.item] - self.spec.item_column.first
        row = tf.maximum(last, 0)
        hit = tf.gather(self.following, row) == column[:, None]
        share = tf.where(hit, tf.gather(self.share, row), 0.0)
        known = (last >= 0) & (column >= 0)
        return tf.where(known, tf.reduce_sum(share, axis=1), 0.0)

    def catalogue_state(self) -> Tensors:
        """``following`` and ``share``, ``(items, neighbours)``."""
        return {
            "following": tf.convert_to_tensor(self.following),
            "share": tf.convert_to_tensor(self.share),
        }

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """The row of the last known item."""
        return self._scores(self._last(features), state)

    def _scores(self, last: tf.Tensor, state: Tensors) -> tf.Tensor:
        following = tf.gather(state["following"], tf.maximum(last, 0))
        there = tf.where((last[:, None] >= 0) & (following >= 0))
        column = tf.cast(tf.gather_nd(following, there), tf.int64)
        share = tf.gather_nd(tf.gather(state["share"], tf.maximum(last, 0)), there)
        shape = tf.stack([tf.size(last, tf.int64), self.items])
        scores = tf.scatter_nd(tf.stack([there[:, 0], column], axis=1), share, shape)
        return tf.ensure_shape(scores, [None, self.items])

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Shares of what followed."""
        first = self.spec.item_column.first
        return self._scores(items - first, self.catalogue_state())
