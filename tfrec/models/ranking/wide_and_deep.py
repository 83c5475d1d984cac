"""Wide & Deep learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec import keras, optimizers
from tfrec.layers.crosses import crossed
from tfrec.layers.embedding import masked_mean
from tfrec.layers.fields import FieldEmbeddings
from tfrec.layers.mlp import mlp
from tfrec.models.config import Tune
from tfrec.models.families import Tensors
from tfrec.models.ranking._click import ClickConfig, ClickModel


class WideAndDeep(ClickModel):
    """A linear model with crossed columns and an MLP, trained jointly.

    Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems", equation 3::

        logit(x) = w_wide . [x, phi(x)] + w_deep . a_L + b

    phi are the crosses that the spec declares, a_L the last hidden layer of an MLP over
    embeddings and numbers. One backward pass; FTRL with L1 updates the wide part and
    the compiled optimizer the deep one (section 3.3).

    Differs from the paper: Adam for the deep part by default, not Adagrad; pass
    another to ``compile``. Wide weights start at zero. A bag has the mean of its
    entries' weights and of its combinations' weights.

    Args:
        spec: The columns and ``crosses``; all but images and recordings are read.
        **config: See ``Config``.

    Call: columns ``(batch, ...)`` to ``(batch,)`` float32 logits.

    Example:
        >>> crosses = (Cross(("user_id", "genres")),)
        >>> model = WideAndDeep(dataclasses.replace(data.spec, crosses=crosses))
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=5)
    """

    paper = "Cheng et al. 2016, Wide & Deep Learning for Recommender Systems"
    objective = "log loss on clicks, or on events and drawn negatives"

    @dataclass(frozen=True)
    class Config(ClickConfig):
        """Hyper-parameters, beside those of every click model.

        Attributes:
            dim: Width of embeddings whose columns declare none.
            layers: Hidden widths of the MLP.
            dropout: Share of each hidden layer's units dropped in training.
            batch_norm: Whether hidden layers are normalised before their activation.
            wide: Whether there is a wide part; without it the model is the MLP alone.
            wide_learning_rate: Of FTRL.
            l1: Of FTRL: weights of weak columns become exactly 0.
        """

        dim: Annotated[int, Tune(4, 64, log=True)] = 16
        layers: tuple[int, ...] = (400, 400, 400)
        dropout: Annotated[float, Tune(0.0, 0.6)] = 0.0
        batch_norm: bool = False
        wide: bool = True
        wide_learning_rate: Annotated[float, Tune(1e-3, 0.5, log=True)] = 0.05
        l1: Annotated[float, Tune(1e-6, 1e-3, log=True)] = 1e-5

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        self.fields = FieldEmbeddings(
            self.spec,
            self.columns,
            config.dim,
            own_widths=True,
            l2=config.l2,
            seed=next(self.seeds),
        )
        self.mlp = mlp(
            (*config.layers, 1),
            self.seeds,
            last=None,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
        )
        self.wide_optimizer: keras.optimizers.Optimizer | None = None
        if config.wide:
            self.linear = FieldEmbeddings(self.spec, self.columns, 1, stddev=0.0)
            self.crosses = [
                self.add_weight("crosses", (1 + c.hash_bins, 1), initializer="zeros")
                for c in self.spec.crosses
            ]

    @property
    def wide_variables(self) -> list[tf.Variable]:
        """What FTRL trains."""
        if not self.config.wide:
            return []
        return [*self.linear.trainable_variables, *self.crosses]

    @property
    def deep_variables(self) -> list[tf.Variable]:
        """What the compiled optimizer trains."""
        wide = {id(variable) for variable in self.wide_variables}
        return [v for v in self.trainable_variables if id(v) not in wide]

    def compile(self, optimizer: Any = None, loss: Any = None, **kwargs: Any) -> None:
        """See :meth:`Recommender.compile`; ``optimizer`` is that of the deep part."""
        super().compile(optimizer, loss, **kwargs)
        if self.config.wide:
            self.wide_optimizer = optimizers.Ftrl(
                self.config.wide_learning_rate,
                l1_regularization_strength=self.config.l1,
            )
            self.wide_optimizer.build(self.wide_variables)

    def make_slots(self) -> None:
        """Slots of the deep part; the wide part's optimizer has its own."""
        self.optimizer.build(self.deep_variables)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One backward pass, one step of each optimizer."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape(persistent=True) as tape:
            predicted = self(x, training=True)
            loss = self.compute_loss(x, y, predicted, weight)
        self.optimizer.minimize(loss, self.deep_variables, tape=tape)
        if self.wide_optimizer is not None:
            self.wide_optimizer.minimize(loss, self.wide_variables, tape=tape)
        return self.compute_metrics(x, y, predicted, weight)

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Equation 3 without the sigmoid."""
        deep = self.mlp(self.fields.flat(inputs, training=training), training=training)
        logits = tf.cast(deep[:, 0], tf.float32)
        if self.config.wide:
            linear = tf.cast(self.linear(inputs), tf.float32)
            logits += tf.reduce_sum(linear[:, :, 0], axis=1)
            for table, ids in zip(
                self.crosses, crossed(self.spec, inputs), strict=True
            ):
                weights = tf.cast(tf.gather(table, ids), tf.float32)
                logits += masked_mean(weights, ids)[:, 0]
        return logits

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """The embedded item ids: ``(items, dim)``."""
        return self.fields.rows(self.spec.item, inputs)
