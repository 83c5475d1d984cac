"""Items of sessions like this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tensorflow as tf

from tfrec import backend
from tfrec.errors import ConfigError
from tfrec.models.base import Recommender
from tfrec.models.baselines._closed_form import ClosedForm, solved_weight, whole
from tfrec.models.baselines._sessions import session_column
from tfrec.models.baselines._taken import Taken, Takers
from tfrec.models.baselines._views import BothSides
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class SessionKNN(ClosedForm, Recommender):
    """Nearest training sessions by the cosine of their sets of items.

    Jannach and Ludewig 2017, "When Recurrent Neural Networks meet the Neighborhood for
    Session-Based Recommendation", section 2.2::

        sim(s, n)   = |s and n| / sqrt(|s| |n|)
        score(s, j) = sum over the nearest sessions n that hold j of sim(s, n)

    A training session is what a user of the training data took. Of all sessions with
    an item in common the ``neighbours`` nearest count, equal ones in order of the
    first item in common; the sets are kept as sorted keys, by session and by item.

    Differs from the paper: no sample of recent sessions is drawn beforehand. Nothing is
    optimised: the loss is the mean of ``1 / sqrt(|n|)``, which one session of many
    items brings near 0 and sessions of one item to 1.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column, the session.
        **config: See ``Config``.

    Call: sessions ``(batch, length)`` and item ids ``(batch,)`` to ``(batch,)`` float32
    scores.

    Raises:
        ConfigError: The spec declares no history, the items are hashed, or there is
            less than one neighbour.

    Example:
        >>> model = SessionKNN(data.spec, neighbours=200)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096))
    """

    paper = "Jannach & Ludewig 2017, When RNNs meet the Neighborhood"
    objective = "cosine neighbours among sessions, by counting"
    one_pass = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            neighbours: Sessions that count.
        """

        neighbours: Annotated[int, Tune(20, 1000, log=True)] = 200

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        if self.config.neighbours < 1:
            raise ConfigError(f"neighbours={self.config.neighbours} must be 1 or more.")
        session_column(self.spec, "SessionKNN")
        self.taken = Taken(self.spec, self.catalogue)
        self.takers = Takers(self.spec, self.catalogue)
        self.norm = solved_weight(self, "norm", (self.spec.user_column.size,))

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The session."""
        return (session_column(self.spec, "SessionKNN"),)

    def adapt(self, data: Interactions) -> None:
        """Takes over the item table, popularity and the sessions of training data."""
        super().adapt(data)
        for keys in (self.taken, self.takers):
            _ = keys.keys  # graphs traced earlier shall read them, too

    def view(self) -> BothSides:
        """What each user took."""
        return BothSides(rows=1 << 16, entries=1 << 22)

    def sum_specs(self) -> dict[str, tf.TensorSpec]:
        """``1 / sqrt`` of the number of items by user, and how many users there are."""
        scalar = tf.TensorSpec((), tf.float64)
        return {
            "norm": tf.TensorSpec(self.norm.shape, tf.float32),
            "total": scalar,
            "users": scalar,
        }

    def _norms(self, features: Tensors) -> tf.Tensor:
        """``(batch,)``; 0 for items, and for users who took nothing."""
        size = tf.reduce_sum(tf.cast(features["others"] > 0, tf.float32), axis=1)
        norm = tf.math.divide_no_nan(1.0, tf.sqrt(size))
        return tf.where(features["second"] == 0, norm, 0.0)

    def collect(
        self, features: Tensors, target: tf.Tensor | None, weight: tf.Tensor | None
    ) -> None:
        """Takes over the norms of a block of users."""
        norm = self._norms(features)
        self.sums.add("total", tf.reduce_sum(norm))
        self.sums.add("users", tf.math.count_nonzero(norm))
        rows = tf.where(norm > 0)[:, 0]
        self.sums.put("norm", tf.gather(norm, rows), tf.gather(features["row"], rows))

    def solve(self) -> float:
        """Takes over the norms; their mean."""
        self.norm.assign(self.sums["norm"])
        mean = tf.math.divide_no_nan(self.sums["total"], self.sums["users"])
        return float(mean)

    def test_step(self, data: Any) -> Tensors:
        """Mean norm of the sessions of other data."""
        norm = self._norms(whole(data))
        return self.report(tf.boolean_mask(norm, norm > 0))

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Pair scores ``(batch,)``; 0 for unknown items."""
        column = self.lookup(features)[self.spec.item] - self.spec.item_column.first
        scores = self.catalogue_scores(features, self.catalogue_state())
        found = tf.gather(scores, tf.maximum(column, 0), batch_dims=1)
        return tf.where(column < 0, 0.0, found)

    def catalogue_state(self) -> Tensors:
        """``norm`` ``(user table rows,)``."""
        return {"norm": tf.convert_to_tensor(self.norm)}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Session by session, the items of its neighbours."""
        sessions = self.lookup(features)[self.query_columns[0]]
        first, items = self.spec.item_column.first, self.taken.items

        def one(session: tf.Tensor) -> tf.Tensor:
            own, _ = tf.unique(tf.boolean_mask(session, session >= first) - first)
            places = tf.ragged.range(*self.takers.stretch(own)).flat_values
            shared = tf.gather(self.takers.keys, places) % self.takers.width
            users, _, common = tf.unique_with_counts(shared)
            size = tf.sqrt(tf.cast(tf.size(own), tf.float32))
            near = tf.cast(common, tf.float32) * tf.gather(state["norm"], users)
            near = tf.math.divide_no_nan(near, size)
            count = tf.minimum(self.config.neighbours, tf.size(users))
            near, best = tf.math.top_k(near, count)
            row, column = self.taken.pairs(tf.gather(users, best))
            return tf.math.unsorted_segment_sum(tf.gather(near, row), column, items)

        scores = backend.mapped(one, sessions)
        return tf.ensure_shape(scores, [None, items])
