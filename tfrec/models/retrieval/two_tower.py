"""Two towers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tensorflow as tf
import tensorflow_recommenders as tfrs

from tfrec import keras, optimizers
from tfrec.data.views import Positives, View
from tfrec.layers.embedding import FeatureEmbeddings
from tfrec.layers.frequency import StreamingFrequency
from tfrec.layers.mlp import mlp
from tfrec.layers.precision import full_precision
from tfrec.losses import weighted_sum
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import BatchLoss, FactorScorer, Tensors


class TwoTower(BatchLoss, FactorScorer, Recommender):
    """A user tower and an item tower that meet in an inner product (DSSM).

    Huang et al. 2013, "Learning Deep Structured Semantic Models" (cosine, tanh towers,
    letter trigrams); Yi et al. 2019, "Sampling-Bias-Corrected Neural Modeling"
    (in-batch softmax, equations 3 to 5)::

        s(x, y) = <u(x), v(y)> / temperature
        loss = -sum log softmax_j( s(x_i, y_j) - log p_j )[i]

    over the items j of the batch, p_j being the probability of item j (logQ
    correction): its share of the training events, or with ``frequency="streaming"``
    what algorithm 2 estimates from the batches as they come. The loss is
    :class:`tensorflow_recommenders.tasks.Retrieval`, summed over the batch as TFRS
    does: Adagrad's initial accumulator is meant for gradients of that size.

    Differs from the paper: p is counted on the training events unless it is asked to be
    estimated, as Yi et al. do. Huang et al. draw four negatives for each click; here
    they are the other items of the batch.

    Args:
        spec: The columns; every user-side, context and item-side column is read.
        **config: See ``Config``.

    Call: features to ``(batch,)`` float32 scores.

    Example:
        >>> model = TwoTower(data.spec.select("user_id", "movie_id", "title"), dim=32)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=10)
    """

    paper = "Huang et al. 2013, DSSM; Yi et al. 2019, Sampling-Bias-Corrected Modeling"
    objective = "in-batch softmax with logQ correction"

    summed = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of embeddings and of the last layer.
            layers: Hidden widths of each tower, before the last layer of ``dim``; None
                for no dense layer at all when the tower reads one column.
            activation: Of the hidden layers.
            similarity: ``dot`` or ``cosine``.
            temperature: Divides the similarity.
            log_q: Whether logits are corrected by the items' sampling probability.
            frequency: Whether that probability is ``counted`` on the training events or
                estimated from the stream of batches.
            frequency_rate: Weight of the newest gap in that estimate.
            hard_negatives: Keep so many negatives of largest logit; None for all.
            optimizer: ``adam`` or ``adagrad``.
            learning_rate: Of the optimizer.
        """

        dim: Annotated[int, Tune(8, 128, log=True)] = 32
        layers: tuple[int, ...] = ()
        activation: Literal["relu", "tanh"] = "relu"
        similarity: Literal["dot", "cosine"] = "dot"
        temperature: Annotated[float, Tune(0.05, 1.0, log=True)] = 1.0
        log_q: bool = True
        frequency: Literal["counted", "streaming"] = "counted"
        frequency_rate: float = 0.01
        hard_negatives: int | None = None
        optimizer: Literal["adam", "adagrad"] = "adagrad"
        learning_rate: Annotated[float, Tune(1e-3, 0.5, log=True)] = 0.1

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        self.query_features = FeatureEmbeddings(
            self.spec, self.static_columns, config.dim, next(self.seeds)
        )
        self.item_features: Any = self._item_features()
        self.query_tower = self._dense("query_tower")
        self.item_tower = self._item_tower()

        self.frequency = None
        if config.log_q and config.frequency == "streaming":
            size = self.spec.item_column.size
            self.frequency = StreamingFrequency(size, config.frequency_rate)

    @property
    def query_columns(self) -> tuple[str, ...]:
        """All user-side and context columns."""
        columns = (*self.spec.on("user"), *self.spec.on("context"))
        rest = (c.name for c in columns if c.name != self.spec.user)
        return (self.spec.user, *rest)

    @property
    def static_columns(self) -> tuple[str, ...]:
        """Query columns that the tower of users reads."""
        return self.query_columns

    @property
    def item_columns(self) -> tuple[str, ...]:
        """All item-side columns."""
        rest = (c.name for c in self.spec.on("item") if c.name != self.spec.item)
        return (self.spec.item, *rest)

    def view(self) -> View:
        """Events alone: the batch supplies the negatives."""
        return Positives()

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Row-sparse Adagrad or Adam."""
        kind = {"adam": optimizers.Adam, "adagrad": optimizers.Adagrad}
        return kind[self.config.optimizer](self.config.learning_rate)

    def default_loss(self) -> keras.losses.Loss:
        """Softmax cross-entropy on logits."""
        return keras.losses.CategoricalCrossentropy(from_logits=True, reduction="none")

    def _dense(self, name: str, last_bias: bool = True) -> keras.Sequential:
        """The dense layers of a tower."""
        config = self.config
        widths = (*config.layers, config.dim)
        return mlp(
            widths, self.seeds, config.activation, None, name=name, last_bias=last_bias
        )

    def _item_features(self) -> keras.layers.Layer:
        return FeatureEmbeddings(
            self.spec,
            self.item_columns,
            self.config.dim,
            next(self.seeds),
            tables=self.query_features.tables,
        )

    def _item_tower(self) -> keras.layers.Layer:
        # Added to every item, a bias adds the same to all logits of a query.
        return self._dense("item_tower", self.config.similarity == "cosine")

    def _tower(
        self, features: Any, tower: Any, inputs: Tensors, **options: Any
    ) -> tf.Tensor:
        vectors = features(inputs, **options)
        joined = tf.concat([vectors[name] for name in features.names], axis=1)
        output = tower(joined)
        if self.config.similarity == "cosine":
            output = tf.math.l2_normalize(output, axis=1)
        return output

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``u(x)``: ``(batch, dim)``."""
        return self._tower(self.query_features, self.query_tower, inputs)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``v(y)``: ``(batch, dim)``."""
        return self._tower(self.item_features, self.item_tower, inputs)

    def candidates(self, inputs: Tensors, training: bool) -> tf.Tensor:
        """``v(y)`` of the items of a batch in training: ``(batch, dim)``."""
        return self.item(inputs)

    def _probability(self, items: tf.Tensor) -> tf.Tensor | None:
        """``p_j`` of the items of a batch, None where it is not corrected for."""
        if not self.config.log_q:
            return None
        if self.frequency is not None:
            return self.frequency(items)
        return tf.gather(self.catalogue.probability(), items)

    @property
    def branches(self) -> bool:
        """TFRS's retrieval task takes the length of a tensor."""
        return True

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Yi 2019, equation 5, through the TFRS retrieval task."""
        inputs = self.lookup(features)
        items = inputs[self.spec.item]
        if self.frequency is not None and training:
            self.frequency.observe(items, self.optimizer.iterations + 1)
        query, item = self.query(inputs), self.candidates(inputs, training)
        with full_precision():
            task = tfrs.tasks.Retrieval(
                loss=self.loss,
                temperature=self.config.temperature,
                num_hard_negatives=self.config.hard_negatives,
                remove_accidental_hits=True,
            )
            losses = task(
                tf.cast(query, tf.float32),
                tf.cast(item, tf.float32),
                candidate_sampling_probability=self._probability(items),
                candidate_ids=items,
                compute_metrics=False,
            )
        return weighted_sum(losses, weight)
