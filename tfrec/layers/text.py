"""Texts as vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.columns import Text
from tfrec.errors import ConfigError
from tfrec.layers.dropout import Dropout
from tfrec.layers.encoder import Encoder


class TextEncoder(Encoder):
    """A convolutional network over words.

    Kim 2014, "Convolutional Neural Networks for Sentence Classification", section 2,
    equations 2 to 4, for every width h of a window and every filter w::

        c_i = relu(w . [x_i; ...; x_(i+h-1)] + b)
        f = max over i of c_i

    over windows within the text; a text that is shorter than a window is followed by
    zero vectors. Words outside the vocabulary have a vector, padding has none.

    Args:
        column: The text, whose table of words this is.
        width: Width of the word vectors, unless the column has its own.
        dim: Width of the vectors.
        seeds: Where the layers draw their seeds from.
        windows: Widths of the windows, in words.
        filters: Filters of each width.
        dropout: Share of f dropped in training.

    Call: ``(batch, length)`` int32 indices, 0 is padding, to ``(batch, dim)``.
    """

    def __init__(
        self,
        column: Text,
        width: int,
        dim: int,
        seeds: Iterator[int],
        windows: Sequence[int] = (3, 4, 5),
        filters: int = 64,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, seeds, **kwargs)
        self.column, self.windows = column, tuple(windows)
        initial = keras.initializers.RandomUniform(-0.25, 0.25, seed=next(seeds))
        self.words = keras.layers.Embedding(
            column.size, column.dim or width, embeddings_initializer=initial
        )
        self.convolutions = [
            keras.layers.Conv1D(
                filters,
                window,
                activation="relu",
                kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            )
            for window in self.windows
        ]
        self.dropout = Dropout(dropout, next(seeds))

    def seen(self, values: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The largest answer of each filter, ``(batch, windows * filters)``."""
        mask = values > 0
        counts = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1, keepdims=True)
        vectors = self.words(values)
        vectors *= tf.cast(mask, vectors.dtype)[..., None]
        vectors = tf.pad(vectors, [[0, 0], [0, max(self.windows) - 1], [0, 0]])
        places = tf.range(tf.shape(values)[1])[None, :]
        largest = []
        for window, convolution in zip(self.windows, self.convolutions, strict=True):
            answers = convolution(vectors)[:, : tf.shape(values)[1]]
            within = places <= tf.maximum(counts - window, 0)
            # Rectified answers are 0 or more, so 0 leaves the largest as it is.
            answers *= tf.cast(within, answers.dtype)[..., None]
            largest.append(tf.reduce_max(answers, axis=1))
        return self.dropout(tf.concat(largest, axis=1), training=training)

    def start_from(self, words: Sequence[str], vectors: np.ndarray) -> int:
        """Lets word vectors start from those learned elsewhere.

        Args:
            words: ``(n,)`` words.
            vectors: ``(n, width)`` float.

        Returns:
            How many words of the vocabulary were among them.

        Raises:
            ConfigError: The vectors have another width, or there is not one for a word.
        """
        if not self.words.built:
            self.words.build(None)
        table = self.words.embeddings.numpy()
        if vectors.shape != (len(words), table.shape[1]):
            raise ConfigError(
                f"{len(words)} words need vectors of shape ({len(words)}, "
                f"{table.shape[1]}) and these have {vectors.shape}: give one for each "
                "word, as wide as the table."
            )
        rows = {word: row for row, word in enumerate(self.column.vocabulary)}
        found = [(rows[word], n) for n, word in enumerate(words) if word in rows]
        if found:
            ours, theirs = np.array(found).T
            table[ours + self.column.first] = vectors[theirs]
            self.words.embeddings.assign(table)
        return len(found)
