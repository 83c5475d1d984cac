"""DeepFM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec.layers.fields import FieldEmbeddings
from tfrec.layers.interaction import pairwise
from tfrec.layers.mlp import mlp
from tfrec.models.config import Tune
from tfrec.models.families import Tensors
from tfrec.models.ranking._click import ClickConfig, ClickModel


class DeepFM(ClickModel):
    """A factorisation machine and an MLP on the same embeddings.

    Guo et al. 2017, "DeepFM", equations 1, 2 and 4::

        logit(x) = y_FM + y_DNN
        y_FM = b + sum_i w_i x_i + sum_(i<j) <v_i, v_j> x_i x_j
        y_DNN = MLP([v_1 x_1; ...; v_m x_m])

    Differs from the paper: the entries of a bag are averaged to one field. Batch
    normalisation and L2 on the rows of a batch are options.

    Args:
        spec: The columns; all but images and recordings are read.
        **config: See ``Config``.

    Call: columns ``(batch, ...)`` to ``(batch,)`` float32 logits.

    Example:
        >>> model = DeepFM(data.spec, dim=16)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=5)
    """

    paper = "Guo et al. 2017, DeepFM"
    objective = "log loss on clicks, or on events and drawn negatives"

    @dataclass(frozen=True)
    class Config(ClickConfig):
        """Hyper-parameters, beside those of every click model.

        Attributes:
            dim: Width of all embeddings; a column's own width is not used.
            layers: Hidden widths of the MLP.
            dropout: Share of each hidden layer's units dropped in training.
            batch_norm: Whether hidden layers are normalised before their activation.
        """

        dim: Annotated[int, Tune(4, 64, log=True)] = 16
        layers: tuple[int, ...] = (400, 400, 400)
        dropout: Annotated[float, Tune(0.0, 0.6)] = 0.0
        batch_norm: bool = False

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        # The first component is w, the others are v: one lookup for both.
        self.fields = FieldEmbeddings(
            self.spec,
            self.columns,
            1 + config.dim,
            l2=config.l2,
            seed=next(self.seeds),
        )
        # Its last layer has the bias b.
        self.mlp = mlp(
            (*config.layers, 1),
            self.seeds,
            last=None,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
        )

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Equation 1 without the sigmoid."""
        fields = self.fields(inputs, training=training)
        vectors = fields[:, :, 1:]
        machine = tf.reduce_sum(fields[:, :, 0], axis=1) + pairwise(vectors)
        width = vectors.shape[1] * vectors.shape[2]
        deep = self.mlp(tf.reshape(vectors, [-1, width]), training=training)
        return tf.cast(machine + deep[:, 0], tf.float32)

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """The embedded item ids: ``(items, dim)``."""
        return self.fields.rows(self.spec.item, inputs)[:, 1:]
