"""Parts of the networks over sessions, and what their settings may be."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError


def with_one(hidden: tf.Tensor) -> tf.Tensor:
    """``(batch, width)`` to ``(batch, width + 1)``: a bias is one weight more."""
    return tf.concat([hidden, tf.ones_like(hidden[:, :1])], axis=1)


def item_table(items: int, width: int, seed: int, name: str) -> keras.layers.Embedding:
    """Vectors of items, uniform within Glorot's bound of the whole table.

    Args:
        items: Rows, padding and unknown included.
        width: Columns.
        seed: Seed of the initial value.
        name: Layer name.
    """
    bound = math.sqrt(6 / (items + width))
    initial = keras.initializers.RandomUniform(-bound, bound, seed=seed)
    return keras.layers.Embedding(
        items, width, embeddings_initializer=initial, name=name
    )


def check(config: Any) -> None:
    """Refuses widths, shares and numbers that cannot be.

    Raises:
        ConfigError: Names the hyper-parameter, its value and what it must be.
    """
    if not config.layers or min(config.layers) < 1:
        raise ConfigError(
            f"layers={list(config.layers)} must be one width or more, each 1 or more."
        )
    if config.dim < 1:
        raise ConfigError(f"dim={config.dim} must be 1 or more.")
    for name in ("embedding_dropout", "hidden_dropout"):
        share = getattr(config, name)
        if not 0 <= share < 1:
            raise ConfigError(f"{name}={share} must be 0 or more, and less than 1.")
    if config.negatives < 0:
        raise ConfigError(f"negatives={config.negatives} must be 0 or more.")
