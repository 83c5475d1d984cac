"""Matrix factorisation with biases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.data.negatives import check_negatives
from tfrec.data.pipeline import check_finite
from tfrec.data.views import Pairs, Positives, Triples, View
from tfrec.layers.embedding import table
from tfrec.losses import bpr, sum_of_squares, weighted_mean
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import BatchLoss, FactorScorer, Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class MatrixFactorization(BatchLoss, FactorScorer, Recommender):
    """User and item factors with biases, for ratings or for ranking.

    Koren, Bell, Volinsky 2009, "Matrix Factorization Techniques", equations 4 and 5::

        r(u, i) = mu + b_u + b_i + q_i . p_u
        min sum (r_ui - r(u, i))^2 + l2 (|p_u|^2 + |q_i|^2 + b_u^2 + b_i^2)

    or, with ``objective="ranking"``, Rendle et al. 2009, "BPR"::

        min sum -log sigmoid(r(u, i) - r(u, j)) + l2 (|p_u|^2 + |q_i|^2 + |q_j|^2 + ...)

    where mu and b_u cancel, so that there is no b_u.

    Differs from the paper: trained by mini-batch Adam on the mean loss instead of
    single-example gradient descent or ALS; L2 is taken on the rows of the batch. BPR
    takes the mean over ``negatives`` draws for each event instead of one, of the loss
    and of |q_j|^2; with ``share_negatives`` the events of a batch share them, some of
    which a user may have taken, and their scores are one matrix product.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 ratings or ranking scores.

    Example:
        >>> model = MatrixFactorization(data.spec, dim=100, objective="rating")
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=20)
    """

    paper = (
        "Koren et al. 2009, Matrix Factorization Techniques; Rendle et al. 2009, BPR"
    )
    objective = "squared error on ratings, or BPR on events"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Factors.
            objective: ``rating`` (the label column) or ``ranking`` (BPR on events).
            negatives: Negatives for each event when ranking.
            share_negatives: Whether they are drawn once for the events of a batch.
            l2: Weight of the squared norm of touched rows.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(8, 128, log=True)] = 64
        objective: Literal["ranking", "rating"] = "ranking"
        negatives: Annotated[int, Tune(1, 16, log=True)] = 4
        share_negatives: bool = False
        l2: Annotated[float, Tune(1e-6, 1e-1, log=True)] = 1e-5
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        users, items = self.spec.user_column.size, self.spec.item_column.size
        dim, seeds = self.config.dim, self.seeds
        self.user_table = table(users, dim, next(seeds), 0.1 / dim**0.5)
        self.item_table = table(items, dim, next(seeds), 0.1 / dim**0.5)
        self.contrastive = self.config.objective == "ranking"
        if not self.contrastive:
            self.user_bias = table(users, 1, next(seeds), 0.0)
        self.item_bias = table(items, 1, next(seeds), 0.0)
        self.mean = self.add_weight("mean", (), trainable=False, initializer="zeros")

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue and, of the first data, the mean rating.

        Raises:
            ValueError: Ratings are to be learned, and some labels are no numbers.
        """
        fresh = not self.adapted
        if fresh and not self.contrastive:
            check_finite(data)
        super().adapt(data)
        if fresh and not self.contrastive:
            self.mean.assign(float(data.label.astype(np.float64).mean()))

    def view(self) -> View:
        """Labelled pairs for ratings, events with drawn negatives for ranking."""
        if not self.contrastive:
            return Pairs()
        config = self.config
        if not config.share_negatives:
            return Triples(config.negatives)
        check_negatives(config.negatives, 1)
        return Positives()

    def default_loss(self) -> keras.losses.Loss | None:
        """Squared error for ratings; the ranking loss is the model's own."""
        return None if self.contrastive else keras.losses.MeanSquaredError()

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``[p_u, mu + b_u, 1]``: ``(batch, dim + 2)``; no b_u when ranking."""
        user = inputs[self.spec.user]
        factors = self.user_table(user)
        one = tf.ones_like(factors[:, :1])
        bias = tf.zeros_like(one) if self.contrastive else self.user_bias(user)
        mean = tf.cast(self.mean, bias.dtype)
        return tf.concat([factors, bias + mean, one], axis=1)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``[q_i, 1, b_i]``: ``(batch, dim + 2)``."""
        item = inputs[self.spec.item]
        bias = self.item_bias(item)
        return tf.concat([self.item_table(item), tf.ones_like(bias), bias], axis=1)

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Scores of pairs, ``(batch,)``; in training the L2 term is added."""
        inputs = self.lookup(features)
        query, item = self.query(inputs), self.item(inputs)
        if training and not self.contrastive:
            self.add_loss(self._penalty(query, item))
        return tf.cast(tf.reduce_sum(query * item, axis=1), tf.float32)

    def _penalty(self, query: tf.Tensor, *items: tf.Tensor) -> tf.Tensor:
        dim = self.config.dim
        bias = query[:, dim : dim + 1] - tf.cast(self.mean, query.dtype)
        rows = [query[:, :dim], bias]
        for item in items:
            flat = tf.reshape(item, [-1, item.shape[-1]])
            rows += [flat[:, :dim], flat[:, dim + 1 :]]
        return self.config.l2 * sum_of_squares(*rows)

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """BPR-OPT on the batch."""
        inputs = self.lookup(features)
        query, item = self.query(inputs), self.item(inputs)
        if self.config.share_negatives:
            drawn, _ = self.draw(self.config.negatives)
            negative = self.item({self.spec.item: drawn})[None]
            others = tf.matmul(query, negative[0], transpose_b=True)
        else:
            drawn = features["negative/index"]
            flat = self.item({self.spec.item: tf.reshape(drawn, [-1])})
            negative = tf.reshape(flat, [*tf.unstack(tf.shape(drawn)), item.shape[1]])
            others = tf.einsum("bd,bnd->bn", query, negative)
        taken = tf.reduce_sum(query * item, axis=1)
        losses = bpr(tf.cast(taken, tf.float32), tf.cast(others, tf.float32))
        loss = weighted_mean(losses, weight)
        return loss + self._penalty(query, item, negative) if training else loss
