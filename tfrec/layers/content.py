"""Item columns of every kind as vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.columns import Audio, Image, Text
from tfrec.features import FeatureSpec
from tfrec.layers.audio import AudioEncoder
from tfrec.layers.embedding import FeatureEmbeddings
from tfrec.layers.encoder import Encoder
from tfrec.layers.image import ImageEncoder
from tfrec.layers.text import TextEncoder


@dataclass(frozen=True)
class Sizes:
    """How large the encoders of content are.

    Attributes:
        image_filters: Channels of each convolution over pixels.
        backbone: Network of ``keras.applications`` over pixels, instead.
        text_windows: Widths of the windows over words.
        text_filters: Filters of each width.
        audio_units: Width of the GRU over a spectrogram.
        audio_bands: Bands of the spectrogram.
        dropout: Share of what the words give that is dropped in training.
    """

    image_filters: tuple[int, ...] = (16, 32, 64)
    backbone: str | None = None
    text_windows: tuple[int, ...] = (3, 4, 5)
    text_filters: int = 64
    audio_units: int = 32
    audio_bands: int = 40
    dropout: float = 0.0


class ContentFeatures(keras.layers.Layer):
    """Columns to vectors: as ``FeatureEmbeddings``, and images, texts and recordings.

    Args:
        spec: The columns.
        names: The columns to read.
        dim: Width of the vectors, and of tables whose column names none.
        seeds: Where the layers draw their seeds from.
        sizes: Of the encoders.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        names: tuple[str, ...],
        dim: int,
        seeds: Iterator[int],
        sizes: Sizes = Sizes(),
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.names = tuple(names)
        self.encoders: dict[str, Encoder] = {}
        for name in self.names:
            column = spec[name]
            if isinstance(column, Image):
                self.encoders[name] = ImageEncoder(
                    column, dim, seeds, sizes.image_filters, sizes.backbone
                )
            elif isinstance(column, Audio):
                self.encoders[name] = AudioEncoder(
                    column, dim, seeds, sizes.audio_units, sizes.audio_bands
                )
            elif isinstance(column, Text):
                self.encoders[name] = TextEncoder(
                    column,
                    dim,
                    dim,
                    seeds,
                    sizes.text_windows,
                    sizes.text_filters,
                    sizes.dropout,
                )
        rest = tuple(name for name in self.names if name not in self.encoders)
        self.embeddings = FeatureEmbeddings(spec, rest, dim, next(seeds))

    def call(
        self, inputs: dict[str, tf.Tensor], training: bool | None = None
    ) -> dict[str, tf.Tensor]:
        """Looked-up columns to ``{name: (batch, width)}``, in the order of names."""
        vectors = self.embeddings(inputs)
        for name, encoder in self.encoders.items():
            vectors[name] = encoder(inputs[name], training=training)
        return {name: vectors[name] for name in self.names}
