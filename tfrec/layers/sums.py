"""Weighted sums of rows of a table, in bounded memory."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

CHUNK = 262_144  # entries whose vectors stand in memory at a time


def weighted_sums(
    weights: tf.Tensor,
    vectors: tf.Tensor,
    rows: tf.Tensor,
    columns: tf.Tensor,
    count: tf.Tensor,
) -> tf.Tensor:
    """``sum_e weights_e vectors[columns_e]`` over the entries e of each row.

    The vectors of all entries never stand side by side, neither here nor in the
    gradient with respect to ``weights`` and ``vectors``.

    Args:
        weights: ``(entries,)`` float32.
        vectors: ``(any, dim)`` float32.
        rows: ``(entries,)`` row of each entry.
        columns: ``(entries,)`` which vector.
        count: Number of rows.

    Returns:
        ``(count, dim)`` float32.
    """
    size = tf.size(rows)
    chunks = (size + CHUNK - 1) // CHUNK

    def part(number: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
        return tensor[number * CHUNK : tf.minimum((number + 1) * CHUNK, size)]

    def over_chunks(body: Any, start: list[tf.Tensor]) -> list[tf.Tensor]:
        # The number of entries differs from step to step, and so do these shapes.
        shapes = [tf.TensorShape([None, *t.shape[1:]]) for t in start]
        found = tf.while_loop(
            lambda number, *_: number < chunks,
            lambda number, *sums: (number + 1, *body(number, *sums)),
            [tf.constant(0), *start],
            shape_invariants=[tf.TensorShape([]), *shapes],
            parallel_iterations=1,
        )
        return found[1:]

    @tf.custom_gradient
    def sums(weights: tf.Tensor, vectors: tf.Tensor) -> Any:
        def forward(number: tf.Tensor, total: tf.Tensor) -> list[tf.Tensor]:
            near = tf.gather(vectors, part(number, columns))
            near *= part(number, weights)[:, None]
            return [
                total + tf.math.unsorted_segment_sum(near, part(number, rows), count)
            ]

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            def backward(
                number: tf.Tensor, slopes: tf.Tensor, total: tf.Tensor
            ) -> list[tf.Tensor]:
                column, weight = part(number, columns), part(number, weights)
                above = tf.gather(upstream, part(number, rows))
                slope = tf.reduce_sum(above * tf.gather(vectors, column), axis=1)
                parts = tf.math.unsorted_segment_sum(
                    above * weight[:, None], column, tf.shape(vectors)[0]
                )
                return [tf.concat([slopes, slope], axis=0), total + parts]

            start = [tf.zeros_like(weights[:0]), tf.zeros_like(vectors)]
            slopes, total = over_chunks(backward, start)
            return slopes, total

        start = [tf.zeros([count, vectors.shape[1]])]
        return over_chunks(forward, start)[0], gradient

    return sums(weights, vectors)
