"""What baselines of sessions share: what followed what, and sessions as queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfrec.data.pipeline import Source, finish
from tfrec.data.session_parallel import flat_sessions
from tfrec.data.views import View
from tfrec.errors import ConfigError, DataError
from tfrec.models.baselines._taken import item_count
from tfrec.models.baselines._views import in_memory

if TYPE_CHECKING:
    from tfrec.features import FeatureSpec


@dataclass(frozen=True)
class Following(View):
    """Rows of the item-item matrix of what came later in the same session.

    The features hold, items counted from 0 over the vocabulary, ``column`` ``(block,)``
    int32, ``following`` ``(block, most)`` int32, the heaviest that came later, equal
    ones in index order, -1 where there are no more, their ``share`` ``(block, most)``
    float32 of the item's whole weight, and that ``weight`` ``(block,)`` float32. An
    event d places later weighs 1 / d. Users outside the vocabulary and unknown items
    count nothing.

    Attributes:
        reach: How many places later at most.
        most: Items to keep in a row.
    """

    reach: int
    most: int

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`."""
        data = in_memory(source, "counts of what followed what")
        if not data.ordered:
            raise DataError(
                f"the events of {data.name} have no order, so nothing follows "
                "anything: take events with times."
            )
        items = item_count(data.spec)
        row, following, weight = self._pairs(*flat_sessions(data), data.spec, items)
        total = np.bincount(row, weights=weight, minlength=items)
        order = np.lexsort((following, -weight, row))
        row, following, weight = row[order], following[order], weight[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        kept = rank < self.most
        row, rank = row[kept], rank[kept]
        table = np.full((items, self.most), -1, np.int32)
        table[row, rank] = following[kept]
        share = np.zeros((items, self.most), np.float32)
        share[row, rank] = weight[kept] / total[row]
        blocks = tf.data.Dataset.from_tensor_slices(
            {
                "column": np.arange(items, dtype=np.int32),
                "following": table,
                "share": share,
                "weight": total.astype(np.float32),
            }
        ).batch(batch_size)
        return finish(blocks, None, -(-items // batch_size))

    def _pairs(
        self,
        flat: np.ndarray,
        begin: np.ndarray,
        end: np.ndarray,
        spec: FeatureSpec,
        items: int,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distinct pairs of items, the later second, and their summed weights."""
        length = end - begin + 1
        before = np.cumsum(length) - length
        place = np.arange(length.sum()) + np.repeat(begin - before, length)
        owner = np.repeat(np.arange(len(length)), length)
        column = flat[place].astype(np.int64) - spec.item_column.first
        keys, weights = [np.empty(0, np.int64)], [np.empty(0)]
        for distance in range(1, self.reach + 1):
            same = owner[distance:] == owner[:-distance]
            pairs = column[:-distance] * items + column[distance:]
            keys.append(pairs[same])
            weights.append(np.full(same.sum(), 1 / distance))
        found, inverse = np.unique(np.concatenate(keys), return_inverse=True)
        weight = np.bincount(inverse, np.concatenate(weights), len(found))
        return *np.divmod(found, items), weight


def session_column(spec: FeatureSpec, model: str) -> str:
    """Name of the column that holds the session.

    Raises:
        ConfigError: The spec declares none, or the items are hashed.
    """
    if spec.history is None:
        raise ConfigError(
            f"{model} reads the session: declare Sequence('history', of='{spec.item}') "
            "in the spec."
        )
    if spec.item_column.hash_bins is not None:
        raise ConfigError(
            f"item column '{spec.item}' is hashed, and {model} needs to tell items "
            "apart: give it a vocabulary."
        )
    return spec.history.name


def last_known(session: tf.Tensor, first: int) -> tf.Tensor:
    """``(batch, length)`` item indices to the last known item of each, from 0.

    -1 where there is none. ``first`` is the index of the first known item.
    """
    place = tf.range(tf.shape(session)[1])
    latest = tf.reduce_max(tf.where(session >= first, place, -1), axis=1)
    found = tf.gather(session, tf.maximum(latest, 0), batch_dims=1)
    return tf.where(latest < 0, -1, found - first)
