"""Draws from a discrete distribution, each in the same time whatever its size."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


class AliasTable:
    """Walker's alias method: a place, and a coin between it and its alias.

    Walker 1977, "An Efficient Method for Generating Discrete Random Variables with
    General Distributions". Of n entries with weights w, each place of a table holds
    1 / n of all chances: the entry's own share, and what another has too much. The
    table is built by the sweep of Huebschle-Schneider & Sanders 2022, "Parallel
    Weighted Random Sampling", section 4.1, as sums over sorted entries.

    Args:
        weights: ``(n,)`` not negative, not all 0.
    """

    def __init__(self, weights: np.ndarray) -> None:
        share = np.asarray(weights, np.float64)
        share = share * (len(share) / share.sum())
        keep, alias = np.ones(len(share)), np.arange(len(share))
        enough = share >= 1
        # The largest has no less than the mean: where it seems so, it was rounded.
        enough[np.argmax(share)] = True
        small, large = np.flatnonzero(~enough), np.flatnonzero(enough)
        lack = np.cumsum(1 - share[small])
        more = np.cumsum(np.maximum(share[large] - 1, 0))
        # Large entries fill small ones in turn, until what one has left is below its
        # own place: that the next one fills, which fills on with what it has then.
        before = lack - (1 - share[small])
        giver = np.searchsorted(more, before, side="right")
        keep[small] = share[small]
        alias[small] = large[np.minimum(giver, len(large) - 1)]
        given = np.searchsorted(lack, more, side="left")
        short = np.flatnonzero(given < len(lack))
        short = short[short < len(large) - 1]
        keep[large[short]] = 1 + more[short] - lack[given[short]]
        alias[large[short]] = large[short + 1]
        self.keep = tf.constant(np.clip(keep, 0, 1).astype(np.float32))
        self.alias = tf.constant(alias.astype(np.int32))

    def draw(self, n: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """``(n,)`` int32 places of entries, in proportion to their weights.

        Args:
            n: How many.
            seed: ``(2,)`` int32; the same seed gives the same draw.
        """
        spot = tf.random.stateless_uniform([n], seed, dtype=tf.float64)
        spot *= self.alias.shape[0]
        place = tf.cast(spot, tf.int32)
        coin = tf.cast(spot - tf.cast(place, spot.dtype), tf.float32)
        stays = coin < tf.gather(self.keep, place)
        return tf.where(stays, place, tf.gather(self.alias, place))
