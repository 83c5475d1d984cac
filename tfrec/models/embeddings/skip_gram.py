"""Item vectors that predict their neighbours."""

from __future__ import annotations

import tensorflow as tf

from tfrec.losses import weighted_mean
from tfrec.models.embeddings._word2vec import _Word2Vec
from tfrec.models.families import Tensors


class SkipGram(_Word2Vec):
    """Each event's item predicts the items around it; item2vec.

    Mikolov et al. 2013b, "Distributed Representations of Words and Phrases", eq. 4;
    Barkan & Koenigstein 2016, "Item2Vec", eq. 3, for baskets (``ordered=False``)::

        loss = - sum over neighbours j of centre i:
               log sigmoid(o_j . v_i) + sum over k negatives n: log sigmoid(-o_n . v_i)

    v are the input and o the output vectors; negatives are drawn in proportion to
    ``count ** 0.75`` (section 2.2), frequent items are subsampled (section 2.3,
    eq. 5). Recommendations have the largest ``o_j . mean of v over the history +
    log q_j``, q being the distribution of negatives: the probability of the item, which
    negative sampling learns divided by q.

    Differs from the paper: Adam on batches instead of one pair after the other with a
    falling step, the loss being the mean over the centres of a batch. With
    ``share_negatives`` that many centres share as many negatives, weighted so that the
    expected loss is the same. The output vectors start at random, not at zero.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column.
        **config: See ``Config``.

    Call: histories ``(batch, length)`` and item ids ``(batch,)`` to ``(batch,)``
    float32 scores.

    Raises:
        ValueError: The spec declares no history, or the window is below 1.

    Example:
        >>> model = SkipGram(data.spec.select("history"), dim=64, window=5)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=20)
        >>> model.similar_items(["1"])
    """

    paper = "Mikolov et al. 2013, Distributed Representations of Words and Phrases"
    objective = "negative sampling over the items around"

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Sum over pairs, divided by the centres."""
        vectors = self.inputs_table(features[f"{self.spec.item}/index"])
        losses = self.contrast(vectors, features["context/index"])
        return weighted_mean(losses, weight)
