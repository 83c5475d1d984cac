"""Training layer by layer before training the whole, inside Keras's ``fit``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.layers.denoising import StackedAutoencoder
from tfrec.models.first_callback import fit_with

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

Tensors = dict[str, tf.Tensor]


class _Layers(keras.callbacks.Callback):
    """Says before each epoch what it trains, and counts those that are done."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.turn_to_epoch(int(self.model.epochs_done.numpy()))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.epochs_done.assign_add(1)


class Layerwise:
    """A mixin for models around a ``network``: its layers are trained one by one first.

    The first ``pretrain_epochs`` epochs train the network's first layer alone, the next
    as many its second, the layers below frozen, and so on; all further epochs train the
    model. Epochs are counted in a weight, so training that goes on after loading, or
    after an interruption, goes on at its place. ``train_on_batch`` and ``evaluate`` are
    of the whole model.

    Subclasses set ``network``, call :meth:`count_epochs` and give :meth:`layer_loss`
    and :meth:`mean_row`, which a new network's output starts at.
    """

    network: StackedAutoencoder
    layer: int | None = None

    def count_epochs(self) -> None:
        """Creates the weight that counts them."""
        self.epochs_done = self.add_weight(  # type: ignore[attr-defined]
            "epochs_done", (), tf.int32, "zeros", trainable=False
        )

    def mean_row(self, data: Interactions) -> np.ndarray:
        """The mean of the rows that the network reads, ``(size,)``."""
        raise NotImplementedError

    def adapt(self, data: Interactions) -> None:
        """Takes over training data; a new network starts at the mean of its rows."""
        fresh = not self.adapted  # type: ignore[attr-defined]
        super().adapt(data)  # type: ignore[misc]
        if fresh:
            self.network.start_at(self.mean_row(data))

    def layer_loss(self, number: int, features: Tensors) -> tf.Tensor:
        """The loss of one layer on a batch, a scalar."""
        raise NotImplementedError

    def turn_to_epoch(self, number: int) -> None:
        """Trains what epoch ``number`` trains from here on."""
        each = self.config.pretrain_epochs  # type: ignore[attr-defined]
        layer = number // each if number < self._layer_epochs else None
        if layer != self.layer:
            self.layer = layer
            self.make_train_function(force=True)  # type: ignore[attr-defined]

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Keras's ``fit``; the first epochs of a model's life train layers.

        Warns when it ends among these: what the model answers is not yet learned.
        """
        try:
            history = fit_with(_Layers(), super().fit, *args, **kwargs)  # type: ignore[misc]
            if self.layer is not None:
                done, needed = int(self.epochs_done.numpy()), self._layer_epochs
                warnings.warn(
                    f"the {done} epochs so far have trained layers alone, the whole "
                    f"model learns after {needed}: fit it for more.",
                    stacklevel=2,
                )
            return history
        finally:
            if self.layer is not None:
                self.layer, self.train_function = None, None

    @property
    def _layer_epochs(self) -> int:
        """Epochs that train layers alone."""
        return self.config.pretrain_epochs * len(self.network.units)  # type: ignore[attr-defined]

    def train_step(self, data: Any) -> Tensors:
        """One step of the layer whose turn it is, or of the whole."""
        if self.layer is None:
            return super().train_step(data)  # type: ignore[misc]
        features, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = self.layer_loss(self.layer, features)
            share = loss / tf.distribute.get_strategy().num_replicas_in_sync
        moved = self.network.layer_variables(self.layer)
        self.optimizer.minimize(share, moved, tape=tape)  # type: ignore[attr-defined]
        self.metrics[0].update_state(loss)  # type: ignore[attr-defined]
        return {"loss": self.metrics[0].result()}  # type: ignore[attr-defined]


def check_noise(noise: float) -> None:
    """Refuses a chance at which nothing is left, or that is none.

    Raises:
        ConfigError: Noise outside [0, 1).
    """
    if not 0 <= noise < 1:
        raise ConfigError(
            f"noise={noise} must be from 0 to below 1: something has to be left."
        )


def check_layers(layers: tuple[int, ...], epochs: int) -> None:
    """Refuses what no stack can be made of or trained with.

    Raises:
        ConfigError: No layer, or no epoch for each layer.
    """
    if not layers or min(layers) < 1:
        raise ConfigError(f"layers={layers} must name at least one width, from 1 up.")
    if epochs < 1:
        raise ConfigError(f"pretrain_epochs={epochs} must be at least 1.")
