"""Neural matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec import keras
from tfrec.data.views import Pairs
from tfrec.errors import ConfigError
from tfrec.layers.embedding import table
from tfrec.layers.mlp import mlp
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import PairScorer, Tensors
from tfrec.models.ranking.gmf import GMF
from tfrec.models.ranking.mlp_recommender import MLPRecommender


class NeuMF(PairScorer, Recommender):
    """GMF and an MLP, each on embeddings of its own, joined in the last layer.

    He et al. 2017, "Neural Collaborative Filtering", equation 12::

        logit(u, i) = h . [p_u * q_i, MLP([p'_u; q'_i])] + b

    trained with log loss on each event and ``negatives`` items the user has not taken,
    drawn anew each epoch (section 3.3).

    Differs from the paper: nothing. The authors' code ends in the same sigmoid; here it
    stands in the loss.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 logits.

    Example:
        >>> model = NeuMF(data.spec, dim=8, layers=(64, 32, 16, 8))
        >>> model.compile()
        >>> model.fit(train.batches(model, 256), epochs=20)
    """

    paper = "He et al. 2017, Neural Collaborative Filtering"
    objective = "log loss on events and drawn negatives"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Factors of the GMF part.
            layers: Widths of the MLP: the first is that of the two embeddings joined.
            negatives: Negatives for each event.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(8, 64, log=True)] = 8
        layers: tuple[int, ...] = (64, 32, 16, 8)
        negatives: Annotated[int, Tune(1, 8)] = 4
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        users, items = self.spec.user_column.size, self.spec.item_column.size
        half = config.layers[0] // 2
        self.gmf_user = table(users, config.dim, next(self.seeds), 0.01)
        self.gmf_item = table(items, config.dim, next(self.seeds), 0.01)
        self.mlp_user = table(users, half, next(self.seeds), 0.01)
        self.mlp_item = table(items, half, next(self.seeds), 0.01)
        self.mlp = mlp(config.layers[1:], self.seeds)
        self.output_layer = keras.layers.Dense(
            1, kernel_initializer=keras.initializers.LecunUniform(next(self.seeds))
        )

    def view(self) -> Pairs:
        """Events with drawn negatives."""
        return Pairs(self.config.negatives)

    def default_loss(self) -> keras.losses.Loss:
        """Log loss on logits."""
        return keras.losses.BinaryCrossentropy(from_logits=True)

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Equation 12 without the sigmoid."""
        user, item = inputs[self.spec.user], inputs[self.spec.item]
        gmf = self.gmf_user(user) * self.gmf_item(item)
        joined = tf.concat([self.mlp_user(user), self.mlp_item(item)], axis=1)
        both = tf.concat([gmf, self.mlp(joined, training=training)], axis=1)
        return tf.cast(self.output_layer(both)[:, 0], tf.float32)

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """Both item embeddings, joined: ``(items, dim + layers[0] / 2)``."""
        item = inputs[self.spec.item]
        return tf.concat([self.gmf_item(item), self.mlp_item(item)], axis=1)

    def pretrain(self, gmf: GMF, mlp: MLPRecommender, alpha: float = 0.5) -> None:
        """Starts from trained parts (section 3.4.1, equation 13).

        Args:
            gmf: Trained GMF of the same spec and ``dim``.
            mlp: Trained MLP of the same spec and ``layers``.
            alpha: Weight of GMF's output layer; the MLP's has ``1 - alpha``.

        Raises:
            ConfigError: A part has another shape.
        """
        for part in (self, gmf, mlp):
            part.ensure_built()
        sources = [*gmf.user_table.weights, *gmf.item_table.weights]
        sources += [*mlp.user_table.weights, *mlp.item_table.weights, *mlp.mlp.weights]
        targets = [*self.gmf_user.weights, *self.gmf_item.weights]
        targets += [*self.mlp_user.weights, *self.mlp_item.weights, *self.mlp.weights]
        shapes, needed = ([tuple(w.shape) for w in ws] for ws in (sources, targets))
        if shapes != needed:
            raise ConfigError(
                f"the parts have weights of shapes {shapes} and NeuMF needs {needed}: "
                "train the part with the same dim and layers."
            )
        for target, source in zip(targets, sources, strict=True):
            target.assign(source)
        kernels = [gmf.output_layer.kernel, mlp.output_layer.kernel]
        biases = [gmf.output_layer.bias, mlp.output_layer.bias]
        weights = (alpha, 1 - alpha)
        self.output_layer.kernel.assign(
            tf.concat([w * k for w, k in zip(weights, kernels, strict=True)], axis=0)
        )
        self.output_layer.bias.assign(
            tf.add_n([w * b for w, b in zip(weights, biases, strict=True)])
        )
