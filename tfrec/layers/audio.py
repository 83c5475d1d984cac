"""Recordings as vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.columns import Audio
from tfrec.layers.encoder import Encoder

QUIET = 1e-6


class AudioEncoder(Encoder):
    """A recurrent network over the mel spectrogram of a recording.

    ::

        S_t = |DFT(Hann window * samples of frame t)|^2
        m_t = log(S_t M + 1e-6), normalised over the bands
        f = the last state of a GRU over m_1 ... m_T

    M are triangles at equal distances on the mel scale, ``mel(f) = 1127 log(1 + f /
    700)``, from 20 Hz (or an eighth of the highest frequency, if that is lower) to half
    the rate. The GRU (Cho et al. 2014) stops at the end of the sound. Layer
    normalisation (Ba et al. 2016) takes out how loud a recording is.

    Args:
        column: Rate and length of the recordings.
        dim: Width of the vectors.
        seeds: Where the layers draw their seeds from.
        units: Width of the GRU.
        bands: Bands of the spectrogram.
        frame: Seconds of a frame.
        hop: Seconds from one frame to the next.

    Call: ``(batch, samples)`` int16, all 0 where there is no recording, to ``(batch,
    dim)``.
    """

    def __init__(
        self,
        column: Audio,
        dim: int,
        seeds: Iterator[int],
        units: int = 32,
        bands: int = 40,
        frame: float = 0.032,
        hop: float = 0.016,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, seeds, **kwargs)
        (samples,) = column.shape
        self.column, self.bands = column, bands
        self.frame = min(max(round(frame * column.sample_rate), 2), samples)
        self.hop = max(round(hop * column.sample_rate), 1)
        self.normalise = keras.layers.LayerNormalization(epsilon=QUIET)
        cell = keras.layers.GRUCell(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
        )
        self.recurrent = keras.layers.RNN(cell)

    def mel(self, values: tf.Tensor) -> tf.Tensor:
        """Log energy: ``(batch, samples)`` int16 to ``(batch, frames, bands)``."""
        waves = tf.cast(values, tf.float32) / 32_768
        spectrum = tf.signal.stft(waves, self.frame, self.hop)
        half = self.column.sample_rate / 2
        triangles = tf.signal.linear_to_mel_weight_matrix(
            self.bands,
            spectrum.shape[-1],
            self.column.sample_rate,
            lower_edge_hertz=min(20.0, half / 8),
            upper_edge_hertz=half,
        )
        return tf.math.log(tf.square(tf.abs(spectrum)) @ triangles + QUIET)

    def seen(self, values: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The last state of the GRU, ``(batch, units)``."""
        bands = self.normalise(self.mel(values))
        place = tf.range(1, tf.shape(values)[1] + 1)
        end = tf.reduce_max(tf.where(values != 0, place, 0), axis=1)
        begin = tf.range(tf.shape(bands)[1]) * self.hop
        return self.recurrent(bands, mask=begin < end[:, None], training=training)
