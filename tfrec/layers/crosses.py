"""Combinations of ids, hashed in the graph."""

from __future__ import annotations

import tensorflow as tf

from tfrec.features import FeatureSpec

# Multipliers of SplitMix64 (Steele, Lea and Flood 2014).
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def cross(ids: list[tf.Tensor], hash_bins: int) -> tf.Tensor:
    """Every combination of one id of each column, hashed.

    Args:
        ids: Indices ``(batch,)``, or ``(batch, length)`` padded with 0, of each column.
        hash_bins: Number of buckets.

    Returns:
        ``(batch, product of lengths)`` int32 in ``1 .. hash_bins``; 0 where a bag is
        padded. A missing single id (0) is a value like any other.
    """
    code = tf.fill([tf.shape(ids[0])[0], 1], tf.constant(1, tf.uint64))
    real = tf.ones_like(code, tf.bool)
    for values in ids:
        many = values if values.shape.rank == 2 else values[:, None]
        present = many > 0 if values.shape.rank == 2 else tf.ones_like(many, tf.bool)
        length = code.shape[1] * many.shape[1]
        mixed = tf.bitwise.bitwise_xor(
            code[:, :, None], tf.cast(many, tf.uint64)[:, None]
        )
        code = _mix(tf.reshape(mixed, [-1, length]), FIRST)
        real = tf.reshape(real[:, :, None] & present[:, None], [-1, length])
    bucket = tf.cast(_mix(code, SECOND), tf.int64) % hash_bins + 1
    return tf.cast(tf.where(real, bucket, 0), tf.int32)


def _mix(code: tf.Tensor, multiplier: int) -> tf.Tensor:
    """Multiplies, and brings the high bits, which depend on all others, down."""
    code *= tf.constant(multiplier, tf.uint64)
    high = tf.bitwise.right_shift(code, tf.constant(31, tf.uint64))
    return tf.bitwise.bitwise_xor(code, high)


def crossed(spec: FeatureSpec, inputs: dict[str, tf.Tensor]) -> list[tf.Tensor]:
    """The crosses of a spec, each ``(batch, combinations)``; see :func:`cross`."""
    return [cross([inputs[n] for n in c.of], c.hash_bins) for c in spec.crosses]
