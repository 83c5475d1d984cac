"""Stacked denoising autoencoder of what users took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec.data.rows import Rows
from tfrec.layers.denoising import StackedAutoencoder, cross_entropy, masked
from tfrec.layers.sparse_rows import Entries
from tfrec.losses import weighted_mean
from tfrec.models.autoencoders._layerwise import Layerwise, check_layers, check_noise
from tfrec.models.base import Recommender
from tfrec.models.baselines._taken import FromTaken
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import BatchLoss, Tensors, cosine_to_all

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class StackedDenoisingAutoencoder(Layerwise, FromTaken, BatchLoss, Recommender):
    """What users took, struck out in part and filled in again by a deep autoencoder.

    Vincent et al. 2010, "Stacked Denoising Autoencoders", sections 3.1 to 3.5. The row
    x of a user is 1 where the user took the item. Entries are struck out with chance
    nu, which leaves x', and the loss is the cross-entropy of the whole row::

        h_0 = x'    h_l = sigmoid(W_l h_(l-1) + b_l)    l = 1 .. L
        g_L = h_L   g_(l-1) = sigmoid(W'_l g_l + b'_l)  l = L .. 1,   y = g_0
        loss = - sum over items: x log y + (1 - x) log(1 - y)

    First each layer alone learns to reconstruct the clean output of the layer below
    from a noisy one (section 3.4), ``pretrain_epochs`` epochs of ``fit`` each; all
    further epochs fine-tune the whole. An item is recommended by the logit of y given
    all that the user took in training: what the network would fill in. So a user who
    came later is scored after ``adapt`` on the newer events.

    Differs from the paper: fine-tuning minimises the reconstruction itself, what the
    recommender is for, where the paper puts a classifier on top; ratings count as
    taken, whatever their value. Adam instead of plain gradient descent. The biases of
    the output start where it is the mean row.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 logits.

    Raises:
        ValueError: No layer, noise outside [0, 1), hashed items, or fewer than one
            epoch of pre-training.

    Example:
        >>> model = StackedDenoisingAutoencoder(data.spec, layers=(256, 64))
        >>> model.compile()
        >>> model.fit(train.batches(model, 256), epochs=30)
    """

    paper = "Vincent et al. 2010, Stacked Denoising Autoencoders"
    objective = "cross-entropy of a user's row from a part of it"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            layers: Width of each layer, the code's last.
            noise: nu, the chance that an entry is struck out.
            pretrain_epochs: Epochs that train each layer alone, before the whole.
            learning_rate: Of Adam.
        """

        layers: tuple[int, ...] = (256, 64)
        noise: Annotated[float, Tune(0.1, 0.7)] = 0.5
        pretrain_epochs: Annotated[int, Tune(1, 10)] = 1
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        check_layers(config.layers, config.pretrain_epochs)
        check_noise(config.noise)
        size = self.spec.item_column.size
        self.network = StackedAutoencoder(size, config.layers, self.seeds)
        self.count_epochs()

    def mean_row(self, data: Interactions) -> np.ndarray:
        """The share of users that took each item, ``(items,)``."""
        users = np.count_nonzero(np.diff(data.timeline.start))
        return data.item_counts / max(users, 1)

    def view(self) -> Rows:
        """What each user took."""
        return Rows(rated=False)

    def layer_loss(self, number: int, features: Tensors) -> tf.Tensor:
        """Cross-entropy of one layer's input."""
        rows, seed = _rows(features["items"]), self.step_seed()
        return tf.reduce_mean(
            cross_entropy(
                *self.network.one_layer(number, rows, self.config.noise, seed)
            )
        )

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Cross-entropy of rows, a mean over users.

        In ``evaluate`` the network reads what users took in training, without noise,
        and what they took since belongs to the row that it is to fill in.
        """
        rows = _rows(features["items"])
        if training:
            seed = self.step_seed()
            given = rows.with_value(masked(rows.value, self.config.noise, seed))
        else:
            given = self._taken_by(features[f"{self.spec.user}/index"])
            rows = _union(rows, given, self.spec.item_column.size)
        logits = self.network.decode(self.network.encode(given))
        return weighted_mean(cross_entropy(logits, rows), weight)

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Logits of pairs, ``(batch,)``."""
        inputs = self.lookup(features)
        hidden = self.network.widen(self._codes(inputs[self.spec.user]))
        output, item = self.network.decoders[0], inputs[self.spec.item]
        kernel = tf.gather(tf.transpose(tf.cast(output.kernel, hidden.dtype)), item)
        bias = tf.gather(tf.cast(output.bias, hidden.dtype), item)
        return tf.cast(tf.reduce_sum(hidden * kernel, axis=1) + bias, tf.float32)

    def catalogue_state(self) -> Tensors:
        """Nothing: scores are an output of the network."""
        return {}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Logits of all items."""
        codes = self._codes(self.lookup(features)[self.spec.user])
        return self.network.decode(codes)[:, self.spec.item_column.first :]

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of what the items add to the first layer."""
        first = self.spec.item_column.first
        return cosine_to_all(self.network.kernel[first:], items, first)

    def _codes(self, users: tf.Tensor) -> tf.Tensor:
        """``(batch, code)`` from everything that users took in training."""
        return self.network.encode(self._taken_by(users))

    def _taken_by(self, users: tf.Tensor) -> Entries:
        """Rows of everything that users took in training."""
        row, column = self.taken.pairs(users)
        column = tf.cast(column, tf.int32) + self.spec.item_column.first
        one = tf.ones_like(column, tf.float32)
        return Entries.of(tf.size(users, tf.int64), row, column, one)


def _rows(items: tf.Tensor) -> Entries:
    """Padded items as rows of ones."""
    return Entries.padded(items, tf.ones_like(items, tf.float32))


def _union(one: Entries, other: Entries, columns: int) -> Entries:
    """Rows of ones where either has an entry."""
    keys = [
        rows.row * columns + tf.cast(tf.gather(rows.ids, rows.place), tf.int64)
        for rows in (one, other)
    ]
    keys = tf.sort(tf.unique(tf.concat(keys, axis=0))[0])
    column, value = tf.cast(keys % columns, tf.int32), tf.ones_like(keys, tf.float32)
    return Entries.of(one.rows, keys // columns, column, value)
