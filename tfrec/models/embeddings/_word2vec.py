"""What the item embeddings share: two tables, negative sampling, scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tensorflow as tf

from tfrec.data.windows import Windows
from tfrec.layers.embedding import masked_mean, table
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import BatchLoss, FactorScorer, Tensors, cosine_to_all

if TYPE_CHECKING:
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
        share_negatives: Size of one draw of negatives for the whole batch, each counted
            ``negatives / share_negatives`` times; 0 draws anew for each pair.
        alpha: Negatives are drawn in proportion to ``count ** alpha``.
        score: Item vectors that recommendations are made with: ``output`` (what is
            expected around the history) or ``input`` (cosine to the history).
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
    score: Literal["output", "input"] = "output"
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
        self.outputs_table.build(None)  # scores by input vectors never call it

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The history of items."""
        return (history_of(self.spec, type(self).__name__),)

    def view(self) -> Windows:
        """Centres with the items around them."""
        return self.windows

    def query(self, inputs: Tensors) -> tf.Tensor:
        """Mean input vector of the history, ``(batch, dim)``."""
        history = inputs[self.query_columns[0]]
        vectors = self.inputs_table(history)
        if self.config.score == "input":
            vectors = tf.math.l2_normalize(vectors, axis=-1)
            return tf.math.l2_normalize(masked_mean(vectors, history), axis=-1)
        return masked_mean(vectors, history)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """Vectors that the query is compared with, ``(batch, dim)``."""
        item = inputs[self.spec.item]
        if self.config.score == "input":
            return tf.math.l2_normalize(self.inputs_table(item), axis=-1)
        return self.outputs_table(item)

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of the input vectors."""
        column = self.spec.item_column
        vectors = self.inputs_table(tf.range(column.first, column.size))
        return cosine_to_all(vectors, items, column.first)

    def contrast(self, hidden: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Negative sampling (Mikolov et al. 2013b, eq. 4) of predicted items.

        Negatives that hit the target count for nothing.

        Args:
            hidden: ``(n, dim)`` vectors that predict.
            target: ``(n,)`` item indices that they should.

        Returns:
            ``(n,)`` float32 losses.
        """
        config = self.config
        shared = config.share_negatives
        count = shared or config.negatives * tf.size(target)
        drawn, _ = self.draw(count, config.alpha)
        outputs = self.outputs_table(tf.concat([target, drawn], axis=0))
        taken, others = tf.split(outputs, [tf.size(target), count])
        positive = tf.reduce_sum(hidden * taken, axis=1)
        if shared:
            negative = tf.matmul(hidden, others, transpose_b=True)
            drawn, each = drawn[None], config.negatives / shared
        else:
            others = tf.reshape(others, [-1, config.negatives, config.dim])
            negative = tf.einsum("nd,nkd->nk", hidden, others)
            drawn, each = tf.reshape(drawn, [-1, config.negatives]), 1.0
        loss = tf.nn.softplus(tf.cast(negative, tf.float32))
        loss = tf.where(drawn == target[:, None], 0.0, loss)
        positive = tf.cast(positive, tf.float32)
        return tf.nn.softplus(-positive) + each * tf.reduce_sum(loss, axis=1)


def history_of(spec: FeatureSpec, model: str) -> str:
    """Name of the history column.

    Raises:
        ValueError: The spec declares none.
    """
    if spec.history is None:
        raise ValueError(
            f"{model} recommends from the user's history: declare "
            f"Sequence('history', of='{spec.item}') in the spec."
        )
    return spec.history.name
