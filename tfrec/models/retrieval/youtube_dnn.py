"""The candidate generation network of YouTube."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from tfrec import keras
from tfrec.data.views import Positives
from tfrec.errors import ConfigError
from tfrec.layers.embedding import FeatureEmbeddings
from tfrec.layers.mlp import mlp
from tfrec.layers.precision import full_precision
from tfrec.losses import sum_of_squares, weighted_mean
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import BatchLoss, FactorScorer, Tensors

if TYPE_CHECKING:
    from tfrec.features import FeatureSpec


class YouTubeDNN(BatchLoss, FactorScorer, Recommender):
    """The next watch as a softmax over all items, given histories and user features.

    Covington et al. 2016, "Deep Neural Networks for YouTube Recommendations",
    section 3::

        u = MLP([mean of watches, mean of searches, ..., user features, example age])
        P(watch = i | U, C) = exp(v_i . u) / sum_j exp(v_j . u)

    The sum is estimated on ``negatives`` items drawn for the batch, each logit
    corrected by the logarithm of its sampling probability (section 3.1); the loss is
    :class:`tensorflow_recommenders.tasks.Retrieval`. A history holds only what came
    strictly before the label (section 3.4), example age is 0 when serving
    (section 3.3), and ``per_user`` gives each user the same number of examples
    (section 3.4).

    Differs from the paper: the softmax vectors v are the embeddings of the watch
    history unless ``share_table`` is off. With ``history_dropout`` training sees random
    parts of histories, as a denoising autoencoder does. Without a network
    (``layers=None``) u is the mean of watches alone: a factor model of item pairs,
    which needs few data. Example age goes in as log(1 + days). The user id is not read,
    as in the paper; every user-side and context column is.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column; further
            sequences (searches) are averaged beside it.
        **config: See ``Config``.

    Call: histories ``(batch, length)``, user features ``(batch,)`` and item ids
    ``(batch,)`` to ``(batch,)`` float32 logits.

    Raises:
        ConfigError: The spec declares no history.

    Example:
        >>> model = YouTubeDNN(data.spec.select("history"), dim=64)
        >>> model.compile()
        >>> model.fit(train.batches(model, 512), epochs=20)
    """

    paper = "Covington et al. 2016, Deep Neural Networks for YouTube Recommendations"
    objective = "sampled softmax over the next item"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of embeddings and of the user vector.
            layers: Hidden widths of the network, before the last layer of ``dim``; None
                for no network, where u is the mean of watches.
            negatives: Items drawn for each batch, shared by its examples.
            alpha: Items are drawn in proportion to ``count ** alpha``.
            per_user: Examples of each user in an epoch; None for all.
            history_dropout: Share of the entries of histories that training leaves out.
            l2: Weight of the squared norms of u and v, each a mean over the batch.
            example_age: Whether example age is read.
            share_table: Whether histories and softmax share the item embeddings.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(16, 128, log=True)] = 64
        layers: tuple[int, ...] | None = (128,)
        negatives: Annotated[int, Tune(100, 2000, log=True)] = 800
        alpha: Annotated[float, Tune(0.0, 1.0)] = 0.5
        per_user: int | None = None
        history_dropout: Annotated[float, Tune(0.0, 0.8)] = 0.0
        l2: Annotated[float, Tune(1e-6, 1e-1, log=True)] = 0.0
        example_age: bool = True
        share_table: bool = True
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        self.features = FeatureEmbeddings(
            self.spec, self.query_columns, config.dim, next(self.seeds)
        )
        shared = self.features.tables if config.share_table else None
        self.softmax = FeatureEmbeddings(
            self.spec, self.item_columns, config.dim, next(self.seeds), tables=shared
        )
        if config.layers is None:
            self._check_no_network()
        else:
            self.mlp = mlp((*config.layers, config.dim), self.seeds, last=None)
        if not 0 <= config.history_dropout < 1:
            raise ConfigError(
                f"history_dropout={config.history_dropout} must be 0 or more, and less "
                "than 1."
            )
        timed = self.spec.timestamp is not None and config.layers is not None
        self.age_used = config.example_age and timed

    def _check_no_network(self) -> None:
        history, *others = self.query_columns
        if others:
            raise ConfigError(
                f"layers=None makes the mean of '{history}' the user's vector, which "
                f"leaves no place for {', '.join(others)}: keep the history alone with "
                f"spec.select('{history}'), or give layers."
            )

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The watch history first, then all user-side and context columns."""
        history = _history(self.spec)
        columns = (*self.spec.on("user"), *self.spec.on("context"))
        skip = (self.spec.user, history)
        return (history, *(c.name for c in columns if c.name not in skip))

    def view(self) -> Positives:
        """Events with the history before each."""
        return Positives(self.config.per_user, self.age_used)

    def default_loss(self) -> keras.losses.Loss:
        """Softmax cross-entropy on logits."""
        return keras.losses.CategoricalCrossentropy(from_logits=True, reduction="none")

    def lookup(self, features: Tensors) -> Tensors:
        """Looked-up columns, with the example age when there is one."""
        inputs = super().lookup(features)
        if "example_age" in features:
            inputs["example_age"] = features["example_age"]
        return inputs

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``u``: ``(batch, dim)``."""
        vectors = self.features(inputs)
        if self.config.layers is None:
            return vectors[self.query_columns[0]]
        parts = [vectors[name] for name in self.query_columns]
        if self.age_used:
            serving = tf.zeros_like(parts[0][:, 0])
            days = tf.cast(inputs.get("example_age", serving), parts[0].dtype)
            parts.append(tf.math.log1p(days)[:, None])
        return self.mlp(tf.concat(parts, axis=1))

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``v``: ``(batch, dim)``."""
        return self.softmax(inputs)[self.spec.item]

    def _thinned(self, inputs: Tensors) -> Tensors:
        """Looked-up columns with some entries of the histories left out."""
        rate, result = self.config.history_dropout, dict(inputs)
        if rate > 0:
            for name in self.query_columns:
                if self.spec[name].kind == "sequence":
                    shape = tf.shape(inputs[name])
                    draw = tf.random.stateless_uniform(shape, self.step_seed())
                    result[name] = tf.where(draw < rate, 0, inputs[name])
        return result

    @property
    def branches(self) -> bool:
        """TFRS's retrieval task takes the length of a tensor."""
        return True

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Sampled softmax: each row's own item against the shared draw."""
        inputs = self.lookup(features)
        if training:
            inputs = self._thinned(inputs)
        taken = inputs[self.spec.item]
        drawn, sampler = self.draw(self.config.negatives, self.config.alpha)
        candidates = tf.concat([taken, drawn], axis=0)
        batch = tf.shape(taken)[0]
        compared = tf.concat(
            [tf.eye(batch, dtype=tf.bool), tf.ones([batch, tf.size(drawn)], tf.bool)],
            axis=1,
        )
        query = self.query(inputs)
        item = self.item({self.spec.item: candidates})
        with full_precision():
            task = tfrs.tasks.Retrieval(loss=self.loss, remove_accidental_hits=True)
            losses = task(
                tf.cast(query, tf.float32),
                tf.cast(item, tf.float32),
                candidate_sampling_probability=sampler.probability(candidates),
                candidate_ids=candidates,
                score_mask=compared,
                compute_metrics=False,
            )
        loss = weighted_mean(losses, weight)
        return loss + self.config.l2 * sum_of_squares(query, item) if training else loss


def _history(spec: FeatureSpec) -> str:
    if spec.history is None:
        raise ConfigError(
            f"YouTubeDNN needs the user's history: declare Sequence('history', "
            f"of='{spec.item}') in the spec."
        )
    return spec.history.name
