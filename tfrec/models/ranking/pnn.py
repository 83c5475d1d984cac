"""Product-based neural network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tensorflow as tf

from tfrec.layers.fields import FieldEmbeddings
from tfrec.layers.interaction import inner_products, outer_product
from tfrec.layers.mlp import mlp
from tfrec.models.config import Tune
from tfrec.models.families import Tensors
from tfrec.models.ranking._click import ClickConfig, ClickModel


class PNN(ClickModel):
    """An MLP over the fields and their products.

    Qu et al. 2016, "Product-based Neural Networks for User Response Prediction",
    equations 2 to 9 and 14::

        l_1 = relu(W_z z + W_p p + b_1),  z = [f_1; ...; f_N]
        IPNN: p = (<f_i, f_j>) for i < j
        OPNN: p = f_S f_S',  f_S = sum_i f_i

    and further layers on l_1. ``both`` has both kinds of p. A product with a category
    tree gives each level of the tree as a column, and thereby a field, of its own.

    Differs from the paper: W_p is learned whole and not as an outer product
    (equation 10), and the products of a field with itself are left out of IPNN, as in
    the authors' code. The entries of a bag are averaged to one field.

    Args:
        spec: The columns; all but images and recordings are read.
        **config: See ``Config``.

    Call: columns ``(batch, ...)`` to ``(batch,)`` float32 logits.

    Example:
        >>> model = PNN(data.spec, products="both")
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096), epochs=5)
    """

    paper = "Qu et al. 2016, Product-based Neural Networks"
    objective = "log loss on clicks, or on events and drawn negatives"

    @dataclass(frozen=True)
    class Config(ClickConfig):
        """Hyper-parameters, beside those of every click model.

        Attributes:
            dim: Width of all embeddings; a column's own width is not used.
            products: ``inner`` (IPNN), ``outer`` (OPNN) or ``both`` (PNN*).
            layers: Hidden widths, the first that of l_1.
            dropout: Share of each hidden layer's units dropped in training.
            batch_norm: Whether hidden layers are normalised before their activation.
        """

        dim: Annotated[int, Tune(4, 64, log=True)] = 16
        products: Annotated[
            Literal["inner", "outer", "both"], Tune(choices=("inner", "outer", "both"))
        ] = "inner"
        layers: tuple[int, ...] = (400, 400, 400)
        dropout: Annotated[float, Tune(0.0, 0.6)] = 0.0
        batch_norm: bool = False

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        self.fields = FieldEmbeddings(
            self.spec, self.columns, config.dim, l2=config.l2, seed=next(self.seeds)
        )
        self.mlp = mlp(
            (*config.layers, 1),
            self.seeds,
            last=None,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
        )

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """The MLP over z and p."""
        fields = self.fields(inputs, training=training)
        parts = [tf.reshape(fields, [-1, fields.shape[1] * fields.shape[2]])]
        if self.config.products != "outer":
            parts.append(inner_products(fields))
        if self.config.products != "inner":
            parts.append(outer_product(fields))
        logits = self.mlp(tf.concat(parts, axis=1), training=training)
        return tf.cast(logits[:, 0], tf.float32)

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """The embedded item ids: ``(items, dim)``."""
        return self.fields.rows(self.spec.item, inputs)
