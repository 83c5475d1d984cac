"""Factorisation machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec.layers.fields import FieldEmbeddings
from tfrec.layers.interaction import pairwise
from tfrec.models.config import Tune
from tfrec.models.families import Tensors
from tfrec.models.ranking._click import ClickConfig, ClickModel


class FactorizationMachine(ClickModel):
    """A weight for every column value and an inner product for every pair of columns.

    Rendle 2010, "Factorization Machines", equation 1::

        logit(x) = b + sum_i w_i x_i + sum_(i<j) <v_i, v_j> x_i x_j

    in linear time by lemma 3.1.

    Differs from the paper: the entries of one bag (genres, a history) are averaged to
    one field, so they do not interact with each other. L2 is on the rows of a batch.

    Args:
        spec: The columns; all but images and recordings are read.
        **config: See ``Config``.

    Call: columns ``(batch, ...)`` to ``(batch,)`` float32 logits.

    Example:
        >>> model = FactorizationMachine(data.spec, dim=16)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=5)
    """

    paper = "Rendle 2010, Factorization Machines"
    objective = "log loss on clicks, or on events and drawn negatives"

    @dataclass(frozen=True)
    class Config(ClickConfig):
        """Hyper-parameters, beside those of every click model.

        Attributes:
            dim: Factors; a column's own width is not used.
        """

        dim: Annotated[int, Tune(4, 64, log=True)] = 16

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        # The first component is w, the others are v: one lookup for both.
        self.fields = FieldEmbeddings(
            self.spec,
            self.columns,
            1 + self.config.dim,
            l2=self.config.l2,
            seed=next(self.seeds),
        )
        self.bias = self.add_weight("bias", (), initializer="zeros")

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Equation 1."""
        fields = self.fields(inputs, training=training)
        linear = tf.reduce_sum(fields[:, :, 0], axis=1)
        return tf.cast(linear + pairwise(fields[:, :, 1:]), tf.float32) + tf.cast(
            self.bias, tf.float32
        )

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """The factors of the item ids: ``(items, dim)``."""
        return self.fields.rows(self.spec.item, inputs)[:, 1:]
