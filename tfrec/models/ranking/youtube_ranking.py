"""YouTube's ranking network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec import keras
from tfrec.data.weighted import WeightedPairs
from tfrec.features import Numeric
from tfrec.layers.fields import FieldEmbeddings
from tfrec.layers.mlp import mlp
from tfrec.losses import OddsLogLoss
from tfrec.models.config import Tune
from tfrec.models.families import Tensors
from tfrec.models.ranking._click import ClickConfig, ClickModel


class YouTubeRanking(ClickModel):
    """Expected watch time by weighted logistic regression on top of an MLP.

    Covington et al. 2016, "Deep Neural Networks for YouTube Recommendations",
    section 4. With T_i the watch time of a click, clicks weighted by T_i and other
    impressions by 1, the odds that are learned are::

        e^(w.x + b) = sum_clicks T_i / (impressions - clicks) ~ E[T]

    and these odds are what the model answers. Numbers x go in as x, sqrt(x) and x^2
    (section 4.1); declare them with ``normalisation="quantile"``. Time since the user's
    last event and number of previous impressions are such columns:
    :func:`tfrec.data.recency.with_recency` computes them.

    The label is the watch time, 0 for an impression without click. Where no watch time
    exists another amount stands for it: MovieLens's stars say how much a watched film
    was worth, so that there E[T] is the expected number of stars.

    Differs from the paper: every user-side, item-side and context column is read, so
    the impressed video and the last watched ones share their table through a history
    column (its mean). The odds are cut to e^-30 .. e^30, and the root of a negative
    number counts as 0.

    Args:
        spec: The columns; all but images and recordings are read.
        **config: See ``Config``.

    Call: columns ``(batch, ...)`` to ``(batch,)`` float32 expected watch time, in units
    of the label.

    Example:
        >>> model = YouTubeRanking(data.spec, dim=16)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=5)
    """

    paper = "Covington et al. 2016, Deep Neural Networks for YouTube Recommendations"
    objective = "log loss weighted by watch time"

    @dataclass(frozen=True)
    class Config(ClickConfig):
        """Hyper-parameters, beside those of every click model.

        Attributes:
            dim: Width of embeddings whose columns declare none.
            layers: Hidden widths of the MLP.
            weighted: Whether clicks are weighted by watch time; otherwise the model
                answers the odds of a click.
        """

        dim: Annotated[int, Tune(4, 64, log=True)] = 16
        layers: tuple[int, ...] = (256, 128)
        weighted: bool = True

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        self.numbers = {
            name: math.prod(column.shape)
            for name in self.columns
            if isinstance(column := self.spec[name], Numeric)
        }
        self.fields = FieldEmbeddings(
            self.spec,
            tuple(n for n in self.columns if n not in self.numbers),
            self.config.dim,
            own_widths=True,
            l2=self.config.l2,
            seed=next(self.seeds),
        )
        self.mlp = mlp((*self.config.layers, 1), self.seeds, last=None)

    def view(self) -> WeightedPairs:
        """Impressions with their watch time."""
        return WeightedPairs(self.config.negatives, unit=not self.config.weighted)

    def default_loss(self) -> keras.losses.Loss:
        """Log loss on odds."""
        return OddsLogLoss()

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Expected watch time, e^(w.x + b)."""
        parts = [self.fields.flat(inputs, training=training)]
        for name, width in self.numbers.items():
            x = tf.cast(tf.reshape(inputs[name], [-1, width]), parts[0].dtype)
            parts += [x, tf.sqrt(tf.nn.relu(x)), tf.square(x)]
        logits = self.mlp(tf.concat(parts, axis=1), training=training)[:, 0]
        return tf.exp(tf.clip_by_value(tf.cast(logits, tf.float32), -30.0, 30.0))

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """The embedded item ids: ``(items, dim)``."""
        return self.fields.rows(self.spec.item, inputs)
