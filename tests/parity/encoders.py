"""The encoder of texts in plain NumPy, from its weights by name."""

import numpy as np
import tensorflow as tf

from tfrec.layers.text import TextEncoder

Weights = dict[str, np.ndarray]


def text_weights(encoder: TextEncoder) -> dict[str, tf.Variable]:
    """Word vectors, filters of each window, their projection and ``missing``."""
    found = {
        "words": encoder.words.embeddings,
        "project": encoder.projection.kernel,
        "missing": encoder.missing,
    }
    for window, layer in zip(encoder.windows, encoder.convolutions, strict=True):
        found[f"filter {window}"] = layer.kernel
        found[f"bias {window}"] = layer.bias
    return found


def largest(w: Weights, tokens: np.ndarray, window: int) -> np.ndarray:
    """Kim 2014, equations 2 to 4: ``(filters,)`` of one text."""
    x = w["words"][tokens[tokens > 0]]
    if len(x) < window:
        x = np.concatenate([x, np.zeros((window - len(x), x.shape[1]))])
    places = range(len(x) - window + 1)
    parts = np.array([x[place : place + window].ravel() for place in places])
    kernel = w[f"filter {window}"].reshape(parts.shape[1], -1)
    return np.maximum(parts @ kernel + w[f"bias {window}"], 0).max(axis=0)


def texts(w: Weights, tokens: np.ndarray) -> np.ndarray:
    """``(texts, length)`` tokens, 0 is padding, to ``(texts, dim)``."""
    windows = sorted(int(name[7:]) for name in w if name.startswith("filter "))
    vectors = np.tile(w["missing"], (len(tokens), 1))
    for row in np.flatnonzero(tokens.any(axis=1)):
        seen = [largest(w, tokens[row], window) for window in windows]
        vectors[row] += np.concatenate(seen) @ w["project"]
    return vectors
