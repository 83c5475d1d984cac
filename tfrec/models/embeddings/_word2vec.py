"""What the item embeddings share: two tables, negative sampling, scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.data.windows import Windows
from tfrec.errors import ConfigError
from tfrec.layers.embedding import masked_mean, table
from tfrec.layers.pair_dots import pair_dots
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import BatchLoss, FactorScorer, Tensors, cosine_to_all

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.features import FeatureSpec


@dataclass(frozen=True)
class _Word2VecConfig(BaseConfig):
    """Hyper-parameters of the item embeddings.

    Attributes:
        dim: Width of the vectors.
        window: Neighbours on either side at most.
        shrink: Whether each centre draws its own window, uniform in 1 .. ``window``.
        ordered: Whether neighbours are those in time; otherwise the whole set of the
            user's events is the context.
        subsample: Threshold of the subsampling of frequent items; 0 for none.
        negatives: Negatives for each pair.
        share_negatives: As many centres that stand side by side in a batch share as
            many negatives, each counted ``negatives / share_negatives`` times; 0 draws
            anew for each pair.
        alpha: Negatives are drawn in proportion to ``count ** alpha``.
        score: What recommendations are ranked by: ``probability`` of the item around
            the history, its ``lift`` over the item's own frequency, or the ``cosine``
            of its input vector to the history's.
        learning_rate: Of Adam.
    """

    dim: Annotated[int, Tune(16, 256, log=True)] = 64
    window: Annotated[int, Tune(1, 20)] = 5
    shrink: bool = True
    ordered: bool = True
    subsample: Annotated[float, Tune(1e-5, 1e-2, log=True)] = 0.0
    negatives: Annotated[int, Tune(1, 20)] = 5
    share_negatives: int = 0
    alpha: Annotated[float, Tune(-1.0, 1.0)] = 0.75
    score: Literal["probability", "lift", "cosine"] = "probability"
    learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 2e-3


class _Word2Vec(BatchLoss, FactorScorer, Recommender):
    """Item vectors learned from windows; the history's mean vector asks for items."""

    Config = _Word2VecConfig

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        self.windows = Windows(
            config.window, config.shrink, config.subsample, config.ordered
        )
        items, dim = self.spec.item_column.size, config.dim
        self.inputs_table = table(items, dim, next(self.seeds), 1 / dim, "input")
        self.outputs_table = table(items, dim, next(self.seeds), 1 / dim, "output")
        self.outputs_table.build(None)  # scores by cosine never call it
        self.log_noise = self.add_weight(
            "log_noise", (items,), trainable=False, initializer="zeros"
        )

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue and how often each item is drawn as a negative."""
        super().adapt(data)
        noise = np.maximum(data.item_counts, 1.0) ** self.config.alpha
        self.log_noise.assign(np.log(noise / noise.sum()))

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The history of items."""
        return (history_of(self.spec, type(self).__name__),)

    def view(self) -> Windows:
        """Centres with the items around them."""
        return self.windows

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``[mean input vector of the history, 1]``, ``(batch, dim + 1)``.

        Without the 1 for the other scores, and of length 1 for the cosine.
        """
        history = inputs[self.query_columns[0]]
        vectors = self.input_vectors(history)
        if self.config.score == "cosine":
            vectors = tf.math.l2_normalize(vectors, axis=-1)
            return tf.math.l2_normalize(masked_mean(vectors, history), axis=-1)
        mean = masked_mean(vectors, history)
        if self.config.score == "lift":
            return mean
        return tf.concat([mean, tf.ones_like(mean[:, :1])], axis=1)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``[output vector, log q]``, ``(batch, dim + 1)``.

        q is the distribution that negatives are drawn from. Trained against k of them,
        ``o . v`` tends to ``log P(item | v) - log(k q)`` (Levy & Goldberg 2014, eq. 7),
        so the item's probability needs q back.
        """
        item = inputs[self.spec.item]
        if self.config.score == "cosine":
            return tf.math.l2_normalize(self.input_vectors(item), axis=-1)
        return self.with_noise(item, self.outputs_table(item))

    def with_noise(self, items: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
        """Output vectors of items as ``item`` returns them."""
        if self.config.score == "lift":
            return vectors
        noise = tf.gather(self.log_noise, items)[:, None]
        return tf.concat([vectors, tf.cast(noise, vectors.dtype)], axis=1)

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of the input vectors."""
        column = self.spec.item_column
        vectors = self.input_vectors(tf.range(column.first, column.size))
        return cosine_to_all(vectors, items, column.first)

    def input_vectors(self, items: tf.Tensor) -> tf.Tensor:
        """Item indices ``(...)`` to the vectors that predict, ``(..., dim)``."""
        return self.inputs_table(items)

    def contrast(self, hidden: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Negative sampling of predicted items.

        Args:
            hidden: ``(m, dim)`` vectors that predict.
            targets: ``(m, width)`` item indices that each predicts, 0 is padding.

        Returns:
            ``(m,)`` float32 losses, summed over the targets of each vector.
        """
        drawn, _ = self.draw(self.draws(targets), self.config.alpha)
        return self.against(hidden, targets, drawn, self.outputs_table)

    def draws(self, targets: tf.Tensor) -> int | tf.Tensor:
        """How many negatives a batch draws for these targets, 0 being padding."""
        if shared := self.config.share_negatives:
            return -(-tf.shape(targets)[0] // shared) * shared
        return self.config.negatives * tf.math.count_nonzero(targets, dtype=tf.int32)

    def against(
        self,
        hidden: tf.Tensor,
        targets: tf.Tensor,
        drawn: tf.Tensor,
        outputs: keras.layers.Embedding,
    ) -> tf.Tensor:
        """Negative sampling (Mikolov et al. 2013b, eq. 4) against drawn negatives.

        Negatives that hit the target count for nothing.

        Args:
            hidden: ``(m, dim)`` vectors that predict.
            targets: ``(m, width)`` indices that each predicts, 0 is padding.
            drawn: ``(draws(targets),)`` negative indices, in the order of what they
                are compared with.
            outputs: Their table.

        Returns:
            ``(m,)`` float32 losses, summed over the targets of each vector.
        """
        there = tf.where(targets > 0)
        owner, target = tf.cast(there[:, 0], tf.int32), tf.gather_nd(targets, there)
        # What occurs is looked up once: a table's gradient has one row for each.
        rows, place = tf.unique(tf.concat([target, drawn], axis=0))
        vectors = outputs(rows)
        hit, miss = tf.split(place, [tf.size(target), tf.size(drawn)])
        negatives, shared = self.config.negatives, self.config.share_negatives
        if not shared:
            miss = tf.reshape(miss, [-1, negatives])
            places = tf.concat([hit[:, None], miss], axis=1)
            dots = pair_dots(hidden, vectors, owner, places)
            missed = tf.nn.softplus(dots[:, 1:])
            missed = tf.where(miss == hit[:, None], 0.0, missed)
            loss = tf.nn.softplus(-dots[:, 0]) + tf.reduce_sum(missed, axis=1)
            return tf.math.unsorted_segment_sum(loss, owner, tf.shape(hidden)[0])
        # All targets of a block of vectors have the same negatives: one product of
        # matrices for each, from which those that hit a target are taken away again.
        each, count = negatives / shared, tf.shape(hidden)[0]
        positive = pair_dots(hidden, vectors, owner, hit[:, None])[:, 0]
        miss = tf.reshape(miss, [-1, shared])
        others = tf.gather(vectors, miss)
        blocks = tf.pad(hidden, [[0, tf.size(miss) - count], [0, 0]])
        blocks = tf.reshape(blocks, tf.shape(others))
        dots = tf.cast(tf.matmul(blocks, others, transpose_b=True), tf.float32)
        missed = tf.reshape(tf.reduce_sum(tf.nn.softplus(dots), axis=2), [-1])[:count]
        same = tf.gather(miss, owner // shared) == hit[:, None]
        hits = tf.reduce_sum(tf.cast(same, tf.float32), axis=1)
        loss = tf.nn.softplus(-positive) - each * hits * tf.nn.softplus(positive)
        loss = tf.math.unsorted_segment_sum(loss, owner, count)
        pairs = tf.math.count_nonzero(targets, axis=1, dtype=tf.float32)
        return loss + each * pairs * missed


def history_of(spec: FeatureSpec, model: str) -> str:
    """Name of the history column.

    Raises:
        ConfigError: The spec declares none.
    """
    if spec.history is None:
        raise ConfigError(
            f"{model} recommends from the user's history: declare "
            f"Sequence('history', of='{spec.item}') in the spec."
        )
    return spec.history.name
