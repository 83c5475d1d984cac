"""Logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfrec.layers.fields import FieldEmbeddings
from tfrec.models.families import Tensors
from tfrec.models.ranking._click import ClickConfig, ClickModel


class LogisticRegression(ClickModel):
    """A weight for every id and number: the baseline of click models.

    Richardson et al. 2007, "Predicting Clicks", equation 5::

        logit(x) = b + sum_i w_i x_i

    where x is 1 at the ids of a row; a bag of ids has the mean of their weights.

    Differs from the paper: Adam with L2 on the rows of a batch, not L-BFGS with a
    prior on all weights.

    Args:
        spec: The columns; all but images and recordings are read.
        **config: See ``Config``.

    Call: columns ``(batch, ...)`` to ``(batch,)`` float32 logits.

    Example:
        >>> model = LogisticRegression(data.spec)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=5)
    """

    paper = "Richardson et al. 2007, Predicting Clicks"
    objective = "log loss on clicks, or on events and drawn negatives"

    @dataclass(frozen=True)
    class Config(ClickConfig):
        """Hyper-parameters; see :class:`tfrec.models.ranking._click.ClickConfig`."""

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        self.linear = FieldEmbeddings(
            self.spec, self.columns, 1, l2=self.config.l2, seed=next(self.seeds)
        )
        self.bias = self.add_weight("bias", (), initializer="zeros")

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """The weighted sum."""
        total = tf.reduce_sum(self.linear(inputs, training=training)[:, :, 0], axis=1)
        return tf.cast(total, tf.float32) + tf.cast(self.bias, tf.float32)
