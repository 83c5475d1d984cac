"""Which of many keys are in a large fixed set, in the graph."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

BITS_PER_KEY = 16  # one key in sixteen that is not in the set passes the filter
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2 ** 64 over the golden ratio


class KeySet:
    """A set of int64 keys with an exact and fast ``contains``.

    A binary search walks through twenty cache misses for a million keys. Here a bit
    table, a Bloom filter of one hash (Bloom 1970; multiplicative hashing, Knuth, The
    Art of Computer Programming 3, section 6.4), sorts out nearly all keys that are not
    in the set with one look; only the rest are searched for, so the answer is exact.

    Args:
        keys: ``(n,)`` int64, sorted and distinct, not negative.
    """

    def __init__(self, keys: np.ndarray) -> None:
        self.keys = tf.constant(keys, tf.int64)
        self._shift = 64 - max(
            10, math.ceil(math.log2(max(1, len(keys)) * BITS_PER_KEY))
        )
        bits = np.zeros(2 ** (64 - self._shift), bool)
        hashed = (keys.astype(np.uint64) * GOLDEN) >> np.uint64(self._shift)
        bits[hashed.astype(np.int64)] = True
        self._table = tf.constant(np.packbits(bits, bitorder="little"))

    def __len__(self) -> int:
        return int(self.keys.shape[0])

    def places(self, keys: tf.Tensor) -> tf.Tensor:
        """Where in ``keys`` members of the set stand.

        Args:
            keys: ``(n,)`` int64, not negative.

        Returns:
            ``(m,)`` int64 places, ascending.
        """
        suspects = tf.where(self._maybe(keys))[:, 0]
        if not len(self):
            return suspects[:0]
        some = tf.gather(keys, suspects)
        found = tf.minimum(tf.searchsorted(self.keys, some), len(self) - 1)
        return tf.boolean_mask(suspects, tf.gather(self.keys, found) == some)

    def contains(self, keys: tf.Tensor) -> tf.Tensor:
        """``(n,)`` int64 keys to ``(n,)`` bool."""
        places = self.places(keys)
        return tf.scatter_nd(
            places[:, None],
            tf.ones_like(places, tf.bool),
            tf.shape(keys, tf.int64),
        )

    def _maybe(self, keys: tf.Tensor) -> tf.Tensor:
        hashed = tf.cast(keys, tf.uint64) * tf.constant(GOLDEN)
        slot = tf.cast(tf.bitwise.right_shift(hashed, np.uint64(self._shift)), tf.int64)
        byte = tf.gather(self._table, tf.bitwise.right_shift(slot, np.int64(3)))
        bit = tf.cast(tf.bitwise.bitwise_and(slot, np.int64(7)), tf.uint8)
        shifted = tf.bitwise.right_shift(byte, bit)
        return tf.bitwise.bitwise_and(shifted, np.uint8(1)) > 0
