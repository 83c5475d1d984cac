"""Generalised matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec import keras
from tfrec.data.views import Pairs
from tfrec.layers.embedding import table
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import FactorScorer, Tensors


class GMF(FactorScorer, Recommender):
    """A weighted inner product of user and item factors.

    He et al. 2017, "Neural Collaborative Filtering", section 3.2, equation 9::

        logit(u, i) = h . (p_u * q_i) + b

    trained with log loss on each event and ``negatives`` items the user has not taken.

    Differs from the paper: nothing. Ranking uses that the score is the dot product of
    ``[h * p_u, b]`` and ``[q_i, 1]``.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 logits.

    Example:
        >>> model = GMF(data.spec, dim=8)
        >>> model.compile()
        >>> model.fit(train.batches(model, 256), epochs=20)
    """

    paper = "He et al. 2017, Neural Collaborative Filtering"
    objective = "log loss on events and drawn negatives"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Factors.
            negatives: Negatives for each event.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(8, 64, log=True)] = 8
        negatives: Annotated[int, Tune(1, 8)] = 4
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        dim, seeds = self.config.dim, self.seeds
        self.user_table = table(self.spec.user_column.size, dim, next(seeds), 0.01)
        self.item_table = table(self.spec.item_column.size, dim, next(seeds), 0.01)
        self.output_layer = keras.layers.Dense(
            1, kernel_initializer=keras.initializers.LecunUniform(next(seeds))
        )
        self.output_layer.build((None, dim))

    def view(self) -> Pairs:
        """Events with drawn negatives."""
        return Pairs(self.config.negatives)

    def default_loss(self) -> keras.losses.Loss:
        """Log loss on logits."""
        return keras.losses.BinaryCrossentropy(from_logits=True)

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``[h * p_u, b]``: ``(batch, dim + 1)``."""
        factors = self.user_table(inputs[self.spec.user])
        weighted = factors * tf.cast(self.output_layer.kernel[:, 0], factors.dtype)
        bias = tf.cast(self.output_layer.bias, factors.dtype)
        return tf.concat([weighted, tf.zeros_like(factors[:, :1]) + bias], axis=1)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``[q_i, 1]``: ``(batch, dim + 1)``."""
        factors = self.item_table(inputs[self.spec.item])
        return tf.concat([factors, tf.ones_like(factors[:, :1])], axis=1)
