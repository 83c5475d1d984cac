"""Images as vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.columns import Image
from tfrec.errors import ConfigError
from tfrec.layers.encoder import Encoder


class ImageEncoder(Encoder):
    """A convolutional network over pixels, trained end to end.

    ::

        x = pixels / 127.5 - 1
        x = relu(conv_3x3, stride 2(x)), once for each of ``filters``
        f = the mean over places

    LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", with
    rectified units; the mean over places as in Lin et al. 2014, "Network In Network".

    Args:
        column: Size of the images.
        dim: Width of the vectors.
        seeds: Where the layers draw their seeds from.
        filters: Channels of each convolution.
        backbone: Name of a network in ``keras.applications`` instead, untrained: its
            weights can be loaded from a file through ``encoder.network``. Those that
            take pixels in -1 .. 1, such as ``MobileNetV2``, are meant.

    Call: ``(batch, height, width, channels)`` uint8, all 0 where there is no image, to
    ``(batch, dim)``.

    Raises:
        ValueError: There is no such backbone, or it takes no images of that size.
    """

    def __init__(
        self,
        column: Image,
        dim: int,
        seeds: Iterator[int],
        filters: Sequence[int] = (16, 32, 64),
        backbone: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, seeds, **kwargs)
        if backbone is not None:
            self.network = _backbone(column, backbone, seeds)
            return
        layers: list[keras.layers.Layer] = [
            keras.layers.Conv2D(
                width,
                3,
                strides=2,
                padding="same",
                activation="relu",
                kernel_initializer=keras.initializers.HeUniform(seed=next(seeds)),
            )
            for width in filters
        ]
        self.network = keras.Sequential(
            [*layers, keras.layers.GlobalAveragePooling2D()]
        )

    def seen(self, values: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The mean over places of the last convolution, ``(batch, filters)``."""
        pixels = tf.cast(values, self.compute_dtype) / 127.5 - 1
        return self.network(pixels, training=training)


def _backbone(column: Image, name: str, seeds: Iterator[int]) -> keras.Model:
    """A network of ``keras.applications`` with seeded weights."""
    make = getattr(keras.applications, name, None)
    if not callable(make):
        raise ConfigError(
            f"keras.applications has no network '{name}': name one of its classes, "
            "'MobileNetV2' for example."
        )
    network = make(
        include_top=False, weights=None, input_shape=column.shape, pooling="avg"
    )
    for weight in network.trainable_weights:
        if weight.shape.rank > 1:  # biases and scales start alike in any case
            initial = keras.initializers.HeUniform(seed=next(seeds))
            weight.assign(initial(weight.shape, weight.dtype))
    return network
