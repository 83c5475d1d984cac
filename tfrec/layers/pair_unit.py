"""How the similarities of two items, module by module, become one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import tensorflow as tf

from tfrec import keras
from tfrec.layers.mlp import mlp

START = 5.0  # of the weights: cosines are in -1 .. 1, log odds wider


class PairUnit(keras.layers.Layer):
    """Log odds that two items go together, of their vectors in several modules.

    Nedelec, Smirnova & Vasile 2016, "Content2Vec", section on the joint architecture.
    With s_m the product of the two vectors of module m, and weights w and b::

        linear      y = sum over m of w_m s_m + b
        crossfeat   y = linear + c[bins of s_1, s_2, ...]
        res         y = linear + a F(x(a)) . F(x(b)),  F(x) = W_0 relu(W_1 x)
        embedpairs  y = linear + v . relu(W s + d)

    where x are the vectors of all modules side by side, and c has a weight for each
    combination of similarities cut into bins, those beyond -1 .. 1 in the outer ones.

    Args:
        modules: How many.
        unit: One of the four.
        hidden: Width of F and of the hidden layer over s.
        bins: Bins of -1 .. 1.
        seeds: Where initial weights draw their seeds from.

    Call: what :meth:`products` or :meth:`all` return, ``(..., modules)`` or one wider
    for ``res``, to ``(...)`` float32.
    """

    def __init__(
        self,
        modules: int,
        unit: Literal["linear", "crossfeat", "res", "embedpairs"],
        hidden: int,
        bins: int,
        seeds: Iterator[int],
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.modules, self.unit, self.bins = modules, unit, bins

        def weight(name: str, shape: tuple[int, ...], value: float) -> tf.Variable:
            start = keras.initializers.Constant(value)
            return self.add_weight(
                name, shape, initializer=start, experimental_autocast=False
            )

        self.weight = weight("weight", (modules,), START)
        self.bias = weight("bias", (), 0.0)
        if unit == "crossfeat":
            self.crosses = weight("crosses", (bins**modules,), 0.0)
        elif unit == "res":
            self.residual = mlp((hidden, hidden), seeds, last=None, last_bias=False)
            self.scale = weight("scale", (), 1.0)
        elif unit == "embedpairs":
            self.hidden = mlp((hidden, 1), seeds, last=None, last_bias=False)

    def extended(self, vectors: tf.Tensor) -> Any:
        """``(..., modules, dim)`` vectors, joined with F of them where there is one.

        Returns:
            ``(..., modules, dim)``, for ``res`` ``(..., modules * dim + hidden)``.
        """
        if self.unit != "res":
            return vectors
        lead = tf.shape(vectors)[:-2]
        width = vectors.shape[-2] * vectors.shape[-1]
        flat = tf.reshape(vectors, tf.concat([lead, [width]], axis=0))
        return tf.concat([flat, tf.cast(self.residual(flat), tf.float32)], axis=-1)

    def products(self, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """Module by module, of extended vectors that broadcast against each other."""
        return self._summed(left * right)

    def all(self, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """Of each of ``(a, ...)`` with each of ``(b, ...)``: ``(a, b, ...)``."""
        if self.unit != "res":
            return tf.einsum("amd,bmd->abm", left, right)
        lefts, rights = self._parts(left), self._parts(right)
        return tf.stack(
            [
                tf.matmul(one, other, transpose_b=True)
                for one, other in zip(lefts, rights, strict=True)
            ],
            axis=2,
        )

    def _parts(self, vectors: tf.Tensor) -> list[tf.Tensor]:
        hidden = self.residual.layers[-1].units
        width = (vectors.shape[-1] - hidden) // self.modules
        return tf.split(vectors, [width] * self.modules + [hidden], axis=-1)

    def _summed(self, product: tf.Tensor) -> tf.Tensor:
        if self.unit != "res":
            return tf.reduce_sum(product, axis=-1)
        parts = self._parts(product)
        return tf.stack([tf.reduce_sum(part, axis=-1) for part in parts], axis=-1)

    def call(self, products: tf.Tensor) -> tf.Tensor:
        """``y``."""
        similar = products[..., : self.modules]
        logit = tf.tensordot(similar, self.weight, 1) + self.bias
        if self.unit == "res":
            logit += self.scale * products[..., self.modules]
        elif self.unit == "crossfeat":
            place = tf.cast((similar + 1) / 2 * self.bins, tf.int32)
            place = tf.clip_by_value(place, 0, self.bins - 1)
            each = [self.bins**module for module in range(self.modules)]
            logit += tf.gather(self.crosses, tf.tensordot(place, each, 1))
        elif self.unit == "embedpairs":
            logit += tf.cast(self.hidden(similar), tf.float32)[..., 0]
        return logit
