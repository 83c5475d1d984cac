"""What was taken in this session most often."""

from __future__ import annotations

import tensorflow as tf

from tfrec.models.base import Recommender
from tfrec.models.baselines._sessions import session_column
from tfrec.models.baselines.popularity import Popularity
from tfrec.models.families import Tensors


class SessionPopularity(Popularity):
    """Items by their number of events in the session, then by popularity (S-POP).

    Hidasi et al. 2016, "Session-based Recommendations with Recurrent Neural Networks",
    section 4.1::

        score(s, i) = events of i in s + c_i / (1 + sum over j of c_j)

    c are the counts of :class:`~tfrec.models.baselines.popularity.Popularity`, so that
    the second term is below 1 and decides between items of equally many events.

    Differs from the paper: there is nothing to differ.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column, the session.
        **config: See ``Config``.

    Call: sessions ``(batch, length)`` and item ids ``(batch,)`` to ``(batch,)`` float32
    scores.

    Raises:
        ValueError: The spec declares no history, the items are hashed, or as for
            ``Popularity``.

    Example:
        >>> model = SessionPopularity(data.spec)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096))
    """

    paper = "Hidasi et al. 2016, Session-based Recommendations with RNNs"
    objective = "counts of events, those of the session first"

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The session."""
        return (session_column(self.spec, "SessionPopularity"),)

    def cold(self, features: Tensors, strangers: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` bool: the session holds no known item."""
        return Recommender.cold(self, features, strangers)

    def _shares(self) -> tf.Tensor:
        return self.counts / (1 + tf.reduce_sum(self.counts))

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Pair scores ``(batch,)``; 0 for unknown items."""
        inputs = self.lookup(features)
        item, first = inputs[self.spec.item], self.spec.item_column.first
        inside = inputs[self.query_columns[0]] == item[:, None]
        events = tf.reduce_sum(tf.cast(inside, tf.float32), axis=1)
        return tf.where(item < first, 0.0, events + tf.gather(self._shares(), item))

    def catalogue_state(self) -> Tensors:
        """``share``: ``(items,)``."""
        return {"share": self._shares()[self.spec.item_column.first :]}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """The counts of every session beside those of all."""
        session = self.lookup(features)[self.query_columns[0]]
        first = self.spec.item_column.first
        there = tf.where(session >= first)
        column = tf.cast(tf.gather_nd(session, there), tf.int64) - first
        shape = tf.stack(
            [tf.shape(session, tf.int64)[0], tf.size(state["share"], tf.int64)]
        )
        pairs = tf.stack([there[:, 0], column], axis=1)
        events = tf.scatter_nd(pairs, tf.ones_like(column, tf.float32), shape)
        return events + state["share"]
