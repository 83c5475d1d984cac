"""Images and recordings from the bytes of their files, in the graph, never a crash."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfrec.columns import Audio, Image

LOUDEST = 32_767
# Autotune begins with one file at a time and is hardly faster when a batch is over; an
# export runs where the cores are not known.
PARALLEL = 16


def decode(column: Image | Audio, contents: tf.Tensor) -> tf.Tensor:
    """Files to numbers, on all cores.

    A file that cannot be read (truncated, of another kind, of no bytes) is like none.
    The graph is that of a tf.data pipeline, since only there an operation may fail for
    one row alone; it is exported with a model like any other.

    Args:
        column: What to decode to.
        contents: ``(n,)`` bytes of files.

    Returns:
        ``(n, height, width, channels)`` uint8 or ``(n, samples)`` int16; all 0 where
        there is nothing to see or hear.
    """
    if isinstance(column, Image):
        return _rows(lambda c: _image(column, c), contents, column.shape, tf.uint8)
    return _rows(lambda c: _recording(column, c), contents, column.shape, tf.int16)


def present(values: tf.Tensor) -> tf.Tensor:
    """``(n, ...)`` numbers to ``(n,)`` bool: whether any is not 0."""
    flat = tf.reshape(values, [tf.shape(values)[0], -1])
    return tf.reduce_any(flat != 0, axis=1)


def _rows(
    one: Callable[[tf.Tensor], tf.Tensor],
    contents: tf.Tensor,
    shape: tuple[int, ...],
    dtype: tf.DType,
) -> tf.Tensor:
    """``one`` of each row, all 0 where it fails."""
    n = tf.size(contents, tf.int64)
    rows = tf.data.Dataset.range(n).map(
        lambda row: (row, one(contents[row])),
        num_parallel_calls=PARALLEL,
        deterministic=False,
    )
    # With a row of its own after the last, a batch is never empty.
    nothing = tf.data.Dataset.from_tensors((n, tf.zeros(shape, dtype)))
    found = rows.ignore_errors().concatenate(nothing).batch(n + 1)
    place, values = found.get_single_element()
    whole = tf.concat([[n + 1], tf.constant(shape, tf.int64)], axis=0)
    with tf.device("CPU"):  # where files are decoded; not all others scatter bytes
        spread = tf.scatter_nd(place[:, None], values, whole)
    return tf.ensure_shape(spread[:n], (None, *shape))


def _image(column: Image, content: tf.Tensor) -> tf.Tensor:
    """Pixels of one file; of an animation those of the first frame."""
    pixels = tf.io.decode_image(content, channels=3, expand_animations=False)
    pixels = tf.ensure_shape(pixels, (None, None, 3))
    size = (column.height, column.width)

    def resized() -> tf.Tensor:
        scaled = tf.image.resize(pixels, size, antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(scaled), 0, 255), tf.uint8)

    same = tf.reduce_all(tf.shape(pixels)[:2] == size)
    pixels = tf.cond(same, lambda: pixels, resized)
    if column.channels == 1:
        pixels = tf.image.rgb_to_grayscale(pixels)
    return tf.ensure_shape(pixels, column.shape)


def _recording(column: Audio, content: tf.Tensor) -> tf.Tensor:
    """Samples of one file: channels averaged, resampled, cut or padded."""
    waves, rate = tf.audio.decode_wav(content)
    kept = tf.cast(tf.math.ceil(tf.cast(rate, tf.float32) * column.seconds), tf.int32)
    wave = tf.reduce_mean(waves[:kept], axis=1)
    wanted = tf.size(wave, tf.int64) * column.sample_rate // tf.cast(rate, tf.int64)

    def resampled() -> tf.Tensor:
        # A line of pixels: antialias takes out what the lower rate cannot hold.
        size = tf.stack([tf.cast(wanted, tf.int32), 1])
        line = tf.image.resize(wave[:, None, None], size, antialias=True)
        return line[:, 0, 0]

    wave = tf.cond(rate == column.sample_rate, lambda: wave, resampled)
    (length,) = column.shape
    wave = tf.pad(wave[:length], [[0, tf.maximum(length - tf.size(wave), 0)]])
    loud = tf.clip_by_value(tf.round(wave * (LOUDEST + 1)), -LOUDEST, LOUDEST)
    return tf.ensure_shape(tf.cast(loud, tf.int16), (length,))
