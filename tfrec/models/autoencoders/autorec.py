"""An autoencoder of rating rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tensorflow as tf

from tfrec import keras
from tfrec.layers.sparse_rows import Entries
from tfrec.losses import weighted_mean
from tfrec.models.autoencoders._ratings import FromRatings
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import BatchLoss, FactorScorer, Tensors


class AutoRec(FromRatings, BatchLoss, FactorScorer):
    """Rebuilds the ratings of an item (I-AutoRec) or of a user (U-AutoRec).

    Sedhain et al. 2015, "AutoRec: Autoencoders Meet Collaborative Filtering", equations
    1 and 2, with r a row of ratings, 0 where there is none, g the logistic function and
    f the identity::

        h(r) = f(W g(V r + mu) + b)
        min  sum over rows |r - h(r)|^2 over its ratings + lambda / 2 (|W|^2 + |V|^2)

    The rating of user u for item i is entry u of ``h(r)`` for the row of i, or entry i
    for that of u. Of V and W only those parts are read that the ratings of a batch
    need, so that memory grows with those and not with the catalogue.

    Differs from the paper: trained by mini-batch Adam. The loss is the objective
    divided by the number of rows; the norms of W and V are spread over the ratings, so
    that an epoch adds up to the penalty above and a batch touches its own part. The
    mean rating is added to b, whose start is 0. A user or item without ratings is
    predicted the mean, where the paper has 3. Predictions are not cut to the range of
    the ratings: that belongs to the protocol, and cut scores would tie.

    See :class:`~tfrec.models.autoencoders._ratings.FromRatings` for what is known of a
    user.

    Args:
        spec: The columns; user id, item id and label are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 ratings.

    Raises:
        ValueError: Hashed ids; events without a label or with one out of range.

    Example:
        >>> model = AutoRec(data.spec, rows="item")
        >>> model.compile()
        >>> model.fit(train.batches(model, 128), epochs=50)
    """

    paper = "Sedhain et al. 2015, AutoRec: Autoencoders Meet Collaborative Filtering"
    objective = "squared error of rebuilt ratings"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            rows: Whose rows are rebuilt: ``item`` or ``user``.
            hidden: Hidden units.
            l2: lambda, against the sum of squared errors.
            learning_rate: Of Adam.
        """

        rows: Literal["item", "user"] = "item"
        hidden: Annotated[int, Tune(16, 512, log=True)] = 500
        l2: Annotated[float, Tune(0.1, 1000.0, log=True)] = 100.0
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        size, hidden = self.sides[1].size, self.config.hidden

        def table(name: str) -> tf.Variable:
            drawn = keras.initializers.GlorotUniform(seed=next(self.seeds))
            return self.add_weight(
                name, (size, hidden), initializer=drawn, experimental_autocast=False
            )

        self.encoder, self.decoder = table("encoder"), table("decoder")
        zeros = {"initializer": "zeros", "experimental_autocast": False}
        self.hidden_bias = self.add_weight("hidden_bias", (hidden,), **zeros)
        self.bias = self.add_weight("bias", (size,), **zeros)

    def hidden(self, entries: Entries) -> tf.Tensor:
        """``g(V r + mu)``: ``(rows, hidden)``."""
        total = entries.times(tf.gather(self.encoder, entries.ids))
        return tf.sigmoid(total + self.hidden_bias)

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Squared errors of the ratings of a batch and, in training, the penalty."""
        rows, entries = self.batch_rows(features)
        known = entries if training else self.rated.entries(rows)
        decoder = tf.gather(self.decoder, entries.ids)
        predicted = entries.dot(self.hidden(known), decoder[:, None])[:, 0]
        predicted += tf.gather(tf.gather(self.bias, entries.ids), entries.place)
        counts = tf.gather(self.rated.held["counts"], entries.ids)
        if not training:
            there = tf.gather(self.rated.length(rows) > 0, entries.row)
            there &= tf.gather(counts > 0, entries.place)
            predicted = tf.where(there, predicted, 0.0)
        errors = (entries.value - self.mean - predicted) ** 2
        loss = weighted_mean(entries.sums(errors), weight)
        if not training:
            return loss
        norms = tf.reduce_sum(decoder**2, axis=1)
        norms += tf.reduce_sum(tf.gather(self.encoder, entries.ids) ** 2, axis=1)
        share = tf.math.divide_no_nan(entries.counts(), counts)
        penalty = self.config.l2 / 2 * tf.reduce_sum(share * norms)
        return loss + penalty / tf.cast(entries.rows, tf.float32)

    def _rebuilder(self, rows: tf.Tensor) -> tf.Tensor:
        """``[g(V r + mu), 1]`` of ``(batch,)`` rows; 0 for those without ratings."""
        distinct, place = tf.unique(rows)
        hidden = self.hidden(self.rated.entries(distinct))
        one = tf.ones_like(hidden[:, :1])
        there = tf.cast(self.rated.length(distinct) > 0, tf.float32)
        return tf.gather(tf.concat([hidden, one], 1) * there[:, None], place)

    def _rebuilt(self, others: tf.Tensor) -> tf.Tensor:
        """``[W_j, b_j]`` of ``(batch,)`` entries; 0 for those nobody has."""
        decoder, bias = tf.gather(self.decoder, others), tf.gather(self.bias, others)
        there = tf.cast(tf.gather(self.rated.held["counts"], others) > 0, tf.float32)
        return tf.concat([decoder, bias[:, None]], axis=1) * there[:, None]

    def query(self, inputs: Tensors) -> tf.Tensor:
        """What the user has of the dot product: ``(batch, hidden + 2)``."""
        user, own = inputs[self.spec.user], self.side == "user"
        part = self._rebuilder(user) if own else self._rebuilt(user)
        return tf.concat([part, tf.fill([tf.size(user), 1], self.mean)], axis=1)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """What the item has of it: ``(batch, hidden + 2)``."""
        item, own = inputs[self.spec.item], self.side == "item"
        part = self._rebuilder(item) if own else self._rebuilt(item)
        return tf.concat([part, tf.ones([tf.size(item), 1])], axis=1)
