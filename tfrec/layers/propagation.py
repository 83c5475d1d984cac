"""Embeddings that spread along the edges of a graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# The one class that tells a graph the shape of a matrix made outside of it; made inside
# of it, the matrix would be laid out anew in every step.
from tensorflow.python.ops.linalg.sparse.sparse_csr_matrix_ops import CSRSparseMatrix

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.layers.dropout import Dropout


class Adjacency:
    """The adjacency of an undirected graph, normalised by the degrees of both ends.

    ``A[a, b] = 1 / sqrt(degree(a) degree(b))`` where an edge joins a and b: Kipf &
    Welling 2017 without their added self-loops; He et al. 2020 (LightGCN), section 3.1.
    A constant in compressed rows, held once however often it is multiplied with. A
    plain object on purpose: Keras would save it.

    Args:
        left: ``(edges,)`` integers, one end of each edge.
        right: ``(edges,)`` integers, the other end. An edge that occurs twice, or once
            in each direction, counts once; a self-loop adds 1 to its node's degree.
        nodes: Number of nodes; those without an edge receive and send nothing.

    Raises:
        ConfigError: An end is not in 0 .. nodes - 1.
    """

    def __init__(self, left: np.ndarray, right: np.ndarray, nodes: int) -> None:
        ends = np.concatenate([left, right]).astype(np.int64)
        if len(ends) and not 0 <= ends.min() <= ends.max() < nodes:
            wrong = ends[(ends < 0) | (ends >= nodes)][0]
            raise ConfigError(
                f"an edge ends at node {wrong}, and nodes are 0 .. {nodes - 1}: number "
                "them from 0."
            )
        ends *= nodes
        ends[: len(left)] += right
        ends[len(left) :] += left
        ends.sort()
        ends = ends[np.diff(ends, prepend=-1) > 0]
        row, column = np.divmod(ends, nodes)
        del ends
        degree = np.bincount(row, minlength=nodes)
        scale = 1 / np.sqrt(np.maximum(degree, 1))
        values = (scale[row] * scale[column]).astype(np.float32)
        self.nodes, self.entries = nodes, len(values)
        place = np.stack([row, column], axis=1)
        del row, column
        with tf.init_scope(), tf.device("CPU"):
            self._matrix = CSRSparseMatrix(
                tf.SparseTensor(place, values, (nodes, nodes))
            )._matrix

    def multiply(self, values: tf.Tensor) -> tf.Tensor:
        """``A values``, without a gradient: ``(nodes, dim)`` float32 to the same."""
        product = tf.raw_ops.SparseMatrixMatMul(a=self._matrix, b=values)
        return tf.ensure_shape(product, values.shape)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """``A values``; A is symmetric, so its gradient is the same product."""

        @tf.custom_gradient
        def product(values: tf.Tensor) -> tuple:
            return self.multiply(values), self.multiply

        return product(values)


def layer_mean(adjacency: Adjacency, values: tf.Tensor, layers: int) -> tf.Tensor:
    """Mean of what each of ``layers`` products, and none, makes of the embeddings.

    He et al. 2020 (LightGCN), equations 4 and 8 with alpha = 1 / (layers + 1)::

        E(k + 1) = A E(k)        E = (E(0) + E(1) + ... + E(layers)) / (layers + 1)

    E is a polynomial of the symmetric A times E(0), so its gradient is the same
    function, and no layer is kept for it.

    Args:
        adjacency: A.
        values: ``(nodes, dim)`` float32, E(0).
        layers: Number of products, 0 or more.

    Returns:
        ``(nodes, dim)`` float32.
    """

    def mean(values: tf.Tensor) -> tf.Tensor:
        total = values
        for _ in range(layers):
            total = values + adjacency.multiply(total)
        return total / (layers + 1)

    @tf.custom_gradient
    def symmetric(values: tf.Tensor) -> tuple:
        return mean(values), lambda upstream: mean(tf.convert_to_tensor(upstream))

    return symmetric(values)


class NeighbourInteraction(keras.layers.Layer):
    """What a node becomes by itself, its neighbours, and their products with it.

    Wang et al. 2019 (NGCF), equation 7::

        E' = LeakyReLU((A + I) E W1 + (A E * E) W2)        * element by element

    with message dropout (section 2.3.2) on the result. Float32 under any policy.

    Args:
        units: Columns of E'.
        seed: Of the weights.
        dropout: Share of the entries of E' that are dropped in training.
        slope: Of the LeakyReLU below 0.

    Call: an :class:`Adjacency` and ``(nodes, dim)`` to ``(nodes, units)``.
    """

    def __init__(
        self, units: int, seed: int, dropout: float = 0.0, slope: float = 0.2
    ) -> None:
        super().__init__(dtype="float32")
        self.slope = slope
        first, second = (
            keras.layers.Dense(
                units,
                use_bias=False,
                kernel_initializer=keras.initializers.GlorotUniform(seed + which),
                dtype="float32",
            )
            for which in (0, 1)
        )
        self.alone, self.together = first, second
        self.dropout = Dropout(dropout, seed, dtype="float32")

    def call(
        self, adjacency: Adjacency, values: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Equation 7."""
        near = adjacency(values)
        joined = self.alone(near + values) + self.together(near * values)
        result = tf.nn.leaky_relu(joined, self.slope)
        return self.dropout(result, training=training)
