"""Items by approximate inner product, through the ScaNN library."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.indexes.chosen import best_of, distinct
from tfrec.models.rank import Wanted

SMALLEST = 16  # vectors that ScaNN's quantiser can be learned from


class Scann(tf.Module):
    """The items of largest inner product, most of them never compared.

    Guo et al. 2020, "Accelerating Large-Scale Inference with Anisotropic Vector
    Quantization": items are divided into leaves, a query looks into the nearest of
    them at quantised vectors, and the best of those are compared exactly. What is
    excluded is searched for beyond k and dropped; a query with candidates compares all
    of them instead. Where the leaves hold fewer items than are wanted, the answer ends
    in padding. The library is the extra ``ann``; TF Serving has its operations built
    in.

    Args:
        leaves: Parts of the catalogue; about the square root of its size when None.
        searched: Leaves that a query looks into; a twentieth of them when None.
        reordered: Items that are compared exactly, at least k.
    """

    def __init__(
        self,
        leaves: int | None = None,
        searched: int | None = None,
        reordered: int = 400,
    ) -> None:
        super().__init__(name="scann")
        self.leaves, self.searched, self.reordered = leaves, searched, reordered

    def fit(self, vectors: tf.Tensor) -> None:
        """Divides and quantises ``(items, dim)`` float32 vectors.

        Raises:
            ConfigError: ScaNN is not installed, or not for this TensorFlow; there are
                too few items, or too few for the leaves.
        """
        library, items = scann_operations(), int(vectors.shape[0])
        leaves = self.leaves or max(1, round(float(np.sqrt(items))))
        searched = self.searched or max(1, leaves // 20)
        if items < SMALLEST or not 1 <= searched <= leaves <= items:
            raise ConfigError(
                f"{items} items in {leaves} leaves, {searched} of them searched, make "
                f"no index: have {SMALLEST} items at least, and no more leaves than "
                "items."
            )
        builder = library.builder(np.asarray(vectors), 10, "dot_product")
        builder = builder.tree(leaves, searched, training_sample_size=250_000)
        searcher = builder.score_ah(2, anisotropic_quantization_threshold=0.2)
        searcher = searcher.reorder(self.reordered).build()
        # What a new process makes the searcher from; it holds the vectors too.
        self.state = searcher.serialize_to_module()

    @property
    def vectors(self) -> tf.Variable:
        """``(items, dim)`` float32."""
        return self.state.dataset

    def search(
        self, queries: tf.Tensor, wanted: Wanted, first: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See :meth:`tfrec.indexes.exact.Exact.search`."""
        restricted = tf.reduce_any(wanted.candidates != 0, axis=1, keepdims=True)
        near = self._near(queries, wanted, first)

        def named() -> tuple[tf.Tensor, ...]:
            instead = self._of_candidates(queries, wanted, first)
            pairs = zip(instead, near, strict=True)
            return tuple(tf.where(restricted, new, old) for new, old in pairs)

        return tf.cond(tf.reduce_any(restricted), named, lambda: near)

    def _near(
        self, queries: tf.Tensor, wanted: Wanted, first: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        searcher = scann_operations().searcher_from_module(self.state)
        count = wanted.k + tf.shape(wanted.exclude)[1]
        count = tf.minimum(count, self.vectors.shape[0])
        rows, scores = searcher.search_batched_parallel(
            queries,
            final_num_neighbors=count,
            pre_reorder_num_neighbors=tf.maximum(count, self.reordered),
        )
        missing = ~tf.math.is_finite(scores)
        items = tf.where(missing, 0, tf.cast(rows, tf.int32) + first)
        return best_of(items, scores, wanted)

    def _of_candidates(
        self, queries: tf.Tensor, wanted: Wanted, first: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        items = distinct(wanted.candidates)
        items = tf.where(items >= first, items, 0)
        items = tf.pad(items, [[0, 0], [0, wanted.k]])
        chosen = tf.gather(self.vectors, tf.maximum(items - first, 0))
        return best_of(items, tf.einsum("bd,bcd->bc", queries, chosen), wanted)


def scann_operations() -> ModuleType:
    """Loads ScaNN's operations into TensorFlow.

    Raises:
        ConfigError: ScaNN is not installed, or not for this TensorFlow.
    """
    try:
        from scann.scann_ops.py import scann_ops
    except (ImportError, tf.errors.OpError) as why:
        raise ConfigError(
            "ScaNN is not installed, or not for this TensorFlow: run pip install -e "
            "'.[ann]' in the checkout of tfrec, which brings the TensorFlow it works "
            "with."
        ) from why
    return scann_ops
