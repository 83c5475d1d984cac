"""Item vectors whose neighbours predict them together."""

from __future__ import annotations

import tensorflow as tf

from tfrec.layers.pair_dots import sums_of_rows
from tfrec.models.embeddings._word2vec import _Word2Vec
from tfrec.models.families import Tensors


class CBOW(_Word2Vec):
    """The mean of the items around an event predicts the event's item.

    Mikolov et al. 2013a, "Efficient Estimation of Word Representations in Vector
    Space", section 3.1, with the negative sampling of Mikolov et al. 2013b, eq. 4::

        h    = mean over neighbours j of v_j
        loss = - log sigmoid(o_i . h) - sum over k negatives n: log sigmoid(-o_n . h)

    v are the input and o the output vectors; negatives are drawn in proportion to
    ``count ** 0.75``, frequent items are subsampled. Recommendations have the largest
    ``o_i . mean of v over the history + log q_i``: the history stands where the window
    stood, and q, the distribution of negatives, gives back what their sampling divides
    the probability by.

    Differs from the paper: Adam on batches instead of one centre after the other with
    a falling step. With ``share_negatives`` that many centres share as many negatives,
    weighted so that the expected loss is the same. A centre without neighbours is left
    out. The output vectors start at random, not at zero.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column.
        **config: See ``Config``.

    Call: histories ``(batch, length)`` and item ids ``(batch,)`` to ``(batch,)``
    float32 scores.

    Raises:
        ValueError: The spec declares no history, or the window is below 1.

    Example:
        >>> model = CBOW(data.spec.select("history"), dim=64, window=5)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=20)
    """

    paper = "Mikolov et al. 2013, Efficient Estimation of Word Representations"
    objective = "negative sampling over the item in the middle"

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Mean over the centres that have neighbours."""
        context = features["context/index"]
        inside = tf.reduce_any(context > 0, axis=1)
        hidden = self.mean_around(context)
        target = tf.where(inside, features[f"{self.spec.item}/index"], 0)
        losses = self.contrast(hidden, target[:, None])
        if weight is not None:
            losses *= tf.cast(weight, losses.dtype)
        count = tf.math.count_nonzero(inside, dtype=losses.dtype)
        return tf.math.divide_no_nan(tf.reduce_sum(losses), count)

    def mean_around(self, context: tf.Tensor) -> tf.Tensor:
        """``(batch, length)`` items to their mean input vectors, ``(batch, dim)``."""
        rows, place = tf.unique(tf.reshape(context, [-1]))
        real = tf.cast(context > 0, tf.float32)
        share = tf.math.divide_no_nan(real, tf.reduce_sum(real, axis=1, keepdims=True))
        place = tf.reshape(place, tf.shape(context))
        return sums_of_rows(self.inputs_table(rows), place, share)
