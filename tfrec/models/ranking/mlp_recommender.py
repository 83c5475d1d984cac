"""The multi-layer perceptron of neural collaborative filtering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec import keras
from tfrec.data.views import Pairs
from tfrec.layers.embedding import table
from tfrec.layers.mlp import mlp
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import PairScorer, Tensors


class MLPRecommender(PairScorer, Recommender):
    """A perceptron over the user's and the item's embedding, joined.

    He et al. 2017, "Neural Collaborative Filtering", section 3.3, equation 10::

        z_1 = [p_u; q_i],  z_l = relu(W_l z_(l-1) + b_l),  logit(u, i) = h . z_L + b

    trained with log loss on each event and ``negatives`` items the user has not taken.

    Differs from the paper: nothing.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 logits.

    Example:
        >>> model = MLPRecommender(data.spec, layers=(64, 32, 16, 8))
        >>> model.compile()
        >>> model.fit(train.batches(model, 256), epochs=20)
    """

    paper = "He et al. 2017, Neural Collaborative Filtering"
    objective = "log loss on events and drawn negatives"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            layers: Widths; the first is that of the two embeddings joined.
            negatives: Negatives for each event.
            learning_rate: Of Adam.
        """

        layers: tuple[int, ...] = (64, 32, 16, 8)
        negatives: Annotated[int, Tune(1, 8)] = 4
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        layers, seeds = self.config.layers, self.seeds
        half = layers[0] // 2
        self.user_table = table(self.spec.user_column.size, half, next(seeds), 0.01)
        self.item_table = table(self.spec.item_column.size, half, next(seeds), 0.01)
        self.mlp = mlp(layers[1:], seeds)
        self.output_layer = keras.layers.Dense(
            1, kernel_initializer=keras.initializers.LecunUniform(next(seeds))
        )

    def view(self) -> Pairs:
        """Events with drawn negatives."""
        return Pairs(self.config.negatives)

    def default_loss(self) -> keras.losses.Loss:
        """Log loss on logits."""
        return keras.losses.BinaryCrossentropy(from_logits=True)

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Equation 10 without the sigmoid."""
        user, item = inputs[self.spec.user], inputs[self.spec.item]
        joined = tf.concat([self.user_table(user), self.item_table(item)], axis=1)
        hidden = self.mlp(joined, training=training)
        return tf.cast(self.output_layer(hidden)[:, 0], tf.float32)

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """The item embeddings: ``(items, layers[0] / 2)``."""
        return self.item_table(inputs[self.spec.item])
