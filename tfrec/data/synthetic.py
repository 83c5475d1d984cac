"""Random rows of any spec, for tests and for building models."""

from __future__ import annotations

import numpy as np

from tfrec.features import (
    PADDING,
    Audio,
    Categorical,
    FeatureSpec,
    Image,
    Numeric,
    Sequence,
    Text,
)


def _ids(
    column: Categorical, shape: tuple[int, ...], generator: np.random.Generator
) -> np.ndarray:
    if column.vocabulary:
        pick = generator.integers(0, len(column.vocabulary), shape)
        return column.raw[pick + column.first]
    numbers = generator.integers(0, 1000, shape)
    return numbers if column.dtype == "int64" else numbers.astype(str).astype(object)


def _padded(
    column: Categorical,
    n: int,
    max_len: int,
    generator: np.random.Generator,
) -> np.ndarray:
    values = _ids(column, (n, max_len), generator)
    lengths = generator.integers(1, max_len + 1, n)
    values[np.arange(max_len) >= lengths[:, None]] = PADDING[column.dtype]
    return values


def _text(column: Text, n: int, generator: np.random.Generator) -> np.ndarray:
    words = column.vocabulary if column.tokens == "word" else ()
    words = words or ("alien", "heat", "casino", "the", "toy", "story")
    pick = generator.integers(0, len(words), (n, min(3, column.max_len)))
    return np.array([" ".join(row) for row in np.asarray(words)[pick]], object)


def synthetic(spec: FeatureSpec, n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Random raw features of the declared types.

    Args:
        spec: The columns.
        n: Number of rows.
        seed: Seed of the draw.

    Returns:
        ``{column: (n,) or (n, max_len) raw values}``, with the label (0 or 1) and the
        timestamp (seconds) where the spec names them.
    """
    generator = np.random.default_rng(seed)
    rows: dict[str, np.ndarray] = {}
    for column in spec.columns:
        if isinstance(column, Categorical):
            rows[column.name] = (
                _padded(column, n, column.max_len, generator)
                if column.max_len
                else _ids(column, (n,), generator)
            )
        elif isinstance(column, Sequence):
            of = spec.table(column.name)
            rows[column.name] = _padded(of, n, column.max_len, generator)  # type: ignore[arg-type]
        elif isinstance(column, Numeric):
            rows[column.name] = generator.normal(
                column.mean, column.std, (n, *column.shape)
            ).astype(np.float32)
        elif isinstance(column, Text):
            rows[column.name] = _text(column, n, generator)
        elif isinstance(column, Image):
            rows[column.name] = _images(column, n, generator)
        elif isinstance(column, Audio):
            rows[column.name] = _recordings(column, n, generator)
    if spec.label:
        rows[spec.label] = generator.integers(0, 2, n).astype(np.float32)
    if spec.timestamp:
        start = 1_000_000_000
        rows[spec.timestamp] = np.sort(generator.integers(start, start + 10**7, n))
    return rows


def _images(column: Image, n: int, generator: np.random.Generator) -> np.ndarray:
    import tensorflow as tf

    shape = (n, column.height, column.width, column.channels)
    pixels = generator.integers(0, 256, shape).astype(np.uint8)
    return np.array([tf.io.encode_png(image).numpy() for image in pixels], object)


def _recordings(column: Audio, n: int, generator: np.random.Generator) -> np.ndarray:
    import tensorflow as tf

    samples = int(column.sample_rate * column.seconds)
    waves = generator.uniform(-1, 1, (n, samples, 1)).astype(np.float32)
    return np.array(
        [tf.audio.encode_wav(wave, column.sample_rate).numpy() for wave in waves],
        object,
    )
