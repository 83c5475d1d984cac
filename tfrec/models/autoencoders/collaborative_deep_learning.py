"""A stacked denoising autoencoder of items' words, joined with matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.layers.denoising import (
    StackedAutoencoder,
    counted,
    masked,
    mean_counted,
    squared_error,
)
from tfrec.models.autoencoders._collaborative import (
    _Collaborative,
    _CollaborativeConfig,
    real_rows,
)
from tfrec.models.autoencoders._layerwise import Layerwise, check_layers
from tfrec.models.baselines._taken import first_known
from tfrec.models.config import Tune
from tfrec.models.families import Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class CollaborativeDeepLearning(Layerwise, _Collaborative):
    """The code of an item's words is the prior of the item's factors.

    Wang, Wang and Yeung 2015, "Collaborative Deep Learning for Recommender Systems",
    sections 3.3 and 3.4. X_c holds the words of items, X_0 the same with entries struck
    out; f_e is the encoder of a stacked denoising autoencoder, f_r the whole of it; C
    is a for what a user took and b for the rest::

        score(i, j) = u_i . v_j
        min  sum over pairs of C_ij / 2 (R_ij - u_i . v_j)^2 + lambda_u / 2 sum |u_i|^2
             + lambda_v / 2 sum |v_j - f_e(X_0j)|^2
             + lambda_n / 2 sum |f_r(X_0j) - X_cj|^2 + lambda_w / 2 sum |W_l, b_l|^2
        u_i = (V C_i V' + lambda_u I)^-1 V C_i R_i
        v_j = (U C_j U' + lambda_v I)^-1 (U C_j R_j + lambda_v f_e(X_cj))

    A batch holds some users and some items: the users are solved for, then the items,
    then the network takes one step. In an epoch everybody has a turn. Before, the
    network's layers are trained one by one (``pretrain_epochs``), and the factors of
    items start at the codes that they come to. An item that
    nobody took, also one that is new and has a text alone, has the vector f_e(X_cj).
    The loss is the objective divided by the items.

    Texts stay sparse: the first layer reads the words that are there, and only a
    batch's output is as wide as the vocabulary.

    Differs from the paper: users and items take turns in slices, not all users and then
    all items; the closed form takes the code of the text without noise. Values of X_c
    are counts divided by the largest of the item. Adam on the network; no dropout
    beside the masking noise. The biases of the output start where it is the mean text.

    Args:
        spec: The columns; the ids and the first ``Text`` of items are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` and texts ``(batch,)`` to ``(batch,)`` float32 scores.

    Raises:
        ValueError: The spec has no text of items, a weight is not positive, or the
            noise is outside [0, 1).

    Example:
        >>> model = CollaborativeDeepLearning(data.spec, lambda_v=10.0)
        >>> model.compile()
        >>> model.fit(train.batches(model, 128), epochs=20)
    """

    paper = "Wang et al. 2015, Collaborative Deep Learning for Recommender Systems"
    objective = "weighted squared error, solved, with reconstruction of items' words"

    @dataclass(frozen=True)
    class Config(_CollaborativeConfig):
        """Hyper-parameters, beside those of every model of text and matrix.

        Attributes:
            lambda_n: Weight of the squared reconstruction error.
            layers: Width of each layer before the code.
            pretrain_epochs: Epochs that train each layer alone, before the whole.
        """

        lambda_n: Annotated[float, Tune(1.0, 10_000.0, log=True)] = 1000.0
        layers: tuple[int, ...] = (200,)
        pretrain_epochs: Annotated[int, Tune(1, 5)] = 1

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        units = (*self.config.layers, self.config.dim)
        check_layers(units, self.config.pretrain_epochs)
        self.network = StackedAutoencoder(self.text.size, units, self.seeds)
        self.count_epochs()

    def mean_row(self, data: Interactions) -> np.ndarray:
        """The mean text, ``(words,)``."""
        tokens = data.items[self.text.name][first_known(self.spec.item_column) :]
        return mean_counted(tokens, self.text.size)

    @property
    def numbers(self) -> int:
        """The output has a number for each word."""
        return self.text.size

    def read(self, tokens: tf.Tensor) -> tf.Tensor:
        """``f_e``: ``(n, dim)`` float32."""
        words = counted(tokens, self.text.size)
        return tf.cast(self.network.encode(words), tf.float32)

    def content(self, tokens: tf.Tensor, noise: float) -> tuple[tf.Tensor, tf.Tensor]:
        """``f_e`` of noisy texts, and the weighted error of ``f_r``."""
        words = given = counted(tokens, self.text.size)
        if noise:
            given = words.with_value(masked(words.value, noise, self.step_seed()))
        code = self.network.encode(given)
        error = squared_error(self.network.decode(code), words)
        return tf.cast(code, tf.float32), self.config.lambda_n / 2 * error

    def train_step(self, data: Any) -> Tensors:
        """One step; while layers are trained, item factors follow their codes."""
        if self.layer is not None:
            batch, _, _ = keras.utils.unpack_x_y_sample_weight(data)
            keys = (f"{self.spec.item}/index", f"{self.text.name}/index")
            item, tokens = real_rows(*(batch[key] for key in keys))
            code = tf.IndexedSlices(self.read(tokens), item)
            self.item_factors.scatter_update(code)
        return super().train_step(data)

    def layer_loss(self, number: int, features: Tensors) -> tf.Tensor:
        """The weighted error of one layer on the items of a batch."""
        real = features[f"{self.spec.item}/index"] > 0
        tokens = tf.boolean_mask(features[f"{self.text.name}/index"], real)
        words, noise = counted(tokens, self.text.size), self.config.noise
        error = squared_error(
            *self.network.one_layer(number, words, noise, self.step_seed())
        )
        count = tf.cast(tf.size(error), tf.float32)
        total = self.config.lambda_n / 2 * tf.reduce_sum(error)
        return tf.math.divide_no_nan(total, count)
