"""Items whose texts are like those of what the user took: a companion in tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrec.columns import Text
from tfrec.data.pipeline import Source, Tensors, finish
from tfrec.data.views import View
from tfrec.layers.top_k import mask
from tfrec.models.baselines._taken import item_count
from tfrec.models.baselines._views import ENTRIES, in_memory
from tfrec.models.baselines.item_knn import ItemKNN


def tf_idf(tokens: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sparse rows of counts times ``log(texts / texts with the word)``, of length 1.

    Args:
        tokens: ``(texts, length)`` padded indices.
        size: Above the largest.

    Returns:
        ``(entries,)`` texts, ascending, words and float32 values.
    """
    row, place = np.nonzero(tokens)
    keys, count = np.unique(
        row.astype(np.int64) * size + tokens[row, place], return_counts=True
    )
    row, word = np.divmod(keys, size)
    value = count * np.log(len(tokens) / np.bincount(word, minlength=size)[word])
    norm = np.sqrt(np.bincount(row, value**2, minlength=len(tokens)))[row]
    return row, word, np.divide(value, norm, where=norm > 0, out=value)


@dataclass(frozen=True)
class Alike(View):
    """Cosines of texts, as :class:`~tfrec.models.baselines._views.Together` has counts.

    Attributes:
        text: Name of the text column.
    """

    text: str

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`."""
        data = in_memory(source, "cosines of texts")
        items, size = item_count(data.spec), data.spec.table(self.text).size
        tokens = data.items[self.text][data.spec.item_column.first :]
        row, word, value = tf_idf(tokens, size)
        cells = tf.constant(np.stack([row, word], axis=1))
        values = tf.constant(value, tf.float32)
        starts = tf.constant(np.searchsorted(row, np.arange(items + 1)))
        step = max(1, min(batch_size, ENTRIES // max(items, size)))

        def block(low: tf.Tensor) -> Tensors:
            high = tf.minimum(low + step, items)
            begin, end = starts[low], starts[high]
            own = cells[begin:end]
            place = tf.stack([own[:, 1], own[:, 0] - low], axis=1)
            shape = tf.stack([tf.constant(size, tf.int64), high - low])
            texts = tf.scatter_nd(place, values[begin:end], shape)
            matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(
                indices=cells,
                values=values,
                dense_shape=tf.constant([items, size], tf.int64),
            )
            cosines = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=texts)
            return {
                "column": tf.range(low, high),
                "together": tf.transpose(tf.ensure_shape(cosines, [items, None])),
                "counts": tf.ones([high - low, 1]),
            }

        steps = finish(tf.data.Dataset.range(0, items, step), None, -(-items // step))
        return steps.map(block)


class ContentKNN(ItemKNN):
    """Neighbourhoods of items by the cosine of their texts (tf-idf).

    What ``ItemKNN`` does with the users that two items share, done with words::

        sim(i, j) = cosine of the tf-idf of the texts of i and j
        score(u, i) = sum over j in N(i) and in the history of u of sim(i, j)

    An item that nobody took has neighbours like any other. It is the companion of
    models that read text, and no model of the registry.

    Args:
        spec: The columns; the ids and the first ``Text`` of items are read.
        **config: ``neighbours``; the others of ``ItemKNN`` stand for counts alone.
    """

    paper = "Lops et al. 2011, Content-based Recommender Systems"
    objective = "cosine neighbours of texts"

    @property
    def text(self) -> str:
        """Name of the first text of items."""
        return next(c.name for c in self.spec.on("item") if isinstance(c, Text))

    def view(self) -> Alike:  # type: ignore[override]
        """Cosines of texts."""
        return Alike(self.text)

    def _similarity(self, features: Tensors) -> tf.Tensor:
        cosine = features["together"]
        cosine = tf.where(cosine > 0, cosine, -float("inf"))
        return mask(cosine, features["column"][:, None])
