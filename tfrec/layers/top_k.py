"""The best k of many scores, exactly, in the graph, and without excluded items.

`tf.math.top_k` keeps a heap over every score of a row. Here a row is cut into short
windows, one vectorised pass takes the maximum of each, and the heap sees the maxima
and then the scores inside the k best windows only, which may be cut into windows
again. The answer is the same, ties included: were a wanted score in a window that is
not among the k best, each of those k windows would hold a score that comes before it.
"""

from __future__ import annotations

import math
import operator
from typing import Any, TypeAlias

import tensorflow as tf

from tfrec.errors import ConfigError

Size: TypeAlias = int | tf.Tensor
SHORTEST, LONGEST = 16, 128  # window lengths between which the time hardly changes


def top_k(scores: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the k highest scores of each row and their columns, best first.

    Equal scores are ordered by column, lowest first, as in `tf.math.top_k`: in the
    order of the vocabulary, which is that of ids and says nothing of popularity. A
    score of -inf or NaN marks something that is no candidate: it is never returned, and
    where a row has fewer than k candidates the slots left over hold index -1, score
    -inf.

    Args:
        scores: `(batch, items)`, any floating dtype. Sizes may be unknown in a graph.
        k: How many, 1 <= k <= items: an int, or a scalar integer tensor, so that
            a served model can take k as an input.

    Returns:
        `(values, indices)`: `(batch, k)` in the dtype of `scores` and `(batch, k)`
        int32.

    Raises:
        ConfigError: `scores` is not a matrix of floats, or k is out of range.
        tf.errors.InvalidArgumentError: k or the number of items is only known when
            the graph runs, and k is out of range.
    """
    scores = tf.convert_to_tensor(scores)
    if scores.shape.rank != 2 or not scores.dtype.is_floating:
        raise ConfigError(
            "top_k wants a (batch, items) matrix of floats, "
            f"got {scores.dtype.name} of shape {scores.shape}: cast or reshape it."
        )
    items, known_k = scores.shape[1], tf.get_static_value(k)
    if items is not None and known_k is not None:
        check_k(int(known_k), items)
        values, indices = _for_known_sizes(scores, int(known_k), items)
    else:
        values, indices = _for_unknown_sizes(scores, tf.cast(k, tf.int32))
    shape = (scores.shape[0], None if known_k is None else int(known_k))
    values, indices = tf.ensure_shape(values, shape), tf.ensure_shape(indices, shape)
    return values, tf.where(values > _lowest(scores), indices, -1)


def check_whole(k: Any) -> None:
    """Refuses a k that is no whole number, such as 2.5 or text.

    Raises:
        ConfigError: It is none.
    """
    try:
        operator.index(k)
    except TypeError:
        raise ConfigError(f"k={k!r} is no whole number: choose one, from 1.") from None


def check_k(k: int, items: int) -> None:
    """Refuses a k that a catalogue cannot fill.

    Args:
        k: Items wanted of each row.
        items: Items there are.

    Raises:
        ConfigError: k is no whole number, or not 1 <= k <= items.
    """
    check_whole(k)
    if not 1 <= k <= items:
        raise ConfigError(
            f"k={k} is not between 1 and the catalogue's {items} items: choose another."
        )


def mask(scores: tf.Tensor, exclude: tf.Tensor) -> tf.Tensor:
    """Returns the scores with the excluded columns of each row marked as no candidate.

    `top_k` never returns such a column. Inside a `tf.function` the buffer of `scores`
    is reused when nothing else reads it.

    Args:
        scores: `(batch, items)`, any floating dtype.
        exclude: `(batch, n)` int32 columns, padded with -1; repeats are allowed.

    Returns:
        `(batch, items)`, same dtype, -inf at the excluded columns (NaN where the score
        was infinite or NaN already).

    Raises:
        tf.errors.InvalidArgumentError: A column is not in the matrix (on a CPU; a GPU
            leaves it out).
    """
    exclude = tf.cast(exclude, tf.int32)
    present = tf.cast(tf.where(exclude >= 0), tf.int32)
    columns = tf.gather_nd(exclude, present)
    return mask_pairs(scores, tf.stack([present[:, 0], columns], axis=1))


def mask_pairs(scores: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """The same as `mask` for `(n, 2)` int32 pairs of row and column."""
    # Of the scatter operations only this one works in place on a CPU. The others copy
    # the matrix, which takes a third of the time of the product that made it.
    return tf.raw_ops.ScatterNdNonAliasingAdd(
        input=scores,
        indices=pairs,
        updates=tf.fill(tf.shape(pairs)[:1], _lowest(scores)),
    )


def window_length(items: int, k: int) -> int:
    """Length of the windows of a row: near sqrt(items / k), a divisor if there is one.

    At sqrt(items / k) there are as many maxima as candidates. A divisor of `items`
    saves the copy that rounds the rows up to whole windows.
    """
    ideal = min(max(math.sqrt(items / k), SHORTEST), LONGEST)
    near = range(max(SHORTEST, int(ideal / 2)), min(LONGEST, int(ideal * 2.5)) + 1)
    divisors = [length for length in near if items % length == 0]
    return min(divisors or [round(ideal)], key=lambda length: abs(length - ideal))


def _windows_pay(items: Size, k: Size, window: Size) -> tf.Tensor | bool:
    """Whether maxima and candidates together are clearly fewer than the items."""
    return 3 * (items // window + k * window) <= 2 * items


def _for_known_sizes(
    scores: tf.Tensor, k: int, items: int
) -> tuple[tf.Tensor, tf.Tensor]:
    window = window_length(items, k)
    if not _windows_pay(items, k, window):
        return _by_heap(scores, k)
    # What the windows hold is cut into windows again.
    ideal = 2 * math.sqrt(window)
    divisors = [n for n in range(2, window) if k * window % n == 0]
    second = min(divisors, key=lambda length: abs(length - ideal))
    return _by_windows(scores, k, (window, second), padding=-items % window)


def _for_unknown_sizes(scores: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    items = tf.shape(scores)[1]
    message = "k is not between 1 and the number of items: choose another."
    checks = [
        tf.debugging.assert_positive(k, message=message),
        tf.debugging.assert_less_equal(k, items, message=message),
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        k = tf.identity(k)
    ideal = tf.sqrt(tf.cast(items, tf.float32) / tf.cast(k, tf.float32))
    window = tf.cast(tf.clip_by_value(ideal, SHORTEST, LONGEST), tf.int32)
    return tf.cond(
        _windows_pay(items, k, window),
        lambda: _by_windows(scores, k, (window,), padding=-items % window),
        lambda: _by_heap(scores, k),
    )


def _by_heap(scores: tf.Tensor, k: Size) -> tuple[tf.Tensor, tf.Tensor]:
    values, indices = tf.math.top_k(_without_nan(scores), k)
    return values, indices


def _by_windows(
    scores: tf.Tensor, k: Size, lengths: tuple[Size, ...], padding: Size
) -> tuple[tf.Tensor, tf.Tensor]:
    if not (isinstance(padding, int) and padding == 0):
        scores = tf.pad(scores, [[0, 0], [0, padding]], constant_values=-math.inf)
    values, columns, unsure = _best_windows(scores, k, lengths)
    return tf.cond(
        unsure,
        lambda: _best_windows(_without_nan(scores), k, lengths)[:2],
        lambda: (values, columns),
    )


def _best_windows(
    scores: tf.Tensor, k: Size, lengths: tuple[Size, ...]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Values, columns, and whether NaN may have spoilt them."""
    batch, kept, unsure = tf.shape(scores)[0], [], tf.constant(False)
    for length in lengths:
        shape = (batch, tf.shape(scores)[1] // length, length)
        windows = tf.reshape(scores, shape)
        maxima = tf.reduce_max(windows, axis=2)
        # A maximum may keep NaN, and then hides what else is in its window.
        unsure |= tf.math.is_nan(tf.reduce_sum(maxima))
        highest, best = tf.math.top_k(maxima, k, sorted=False)
        best = tf.sort(best)  # so that of equal scores the lowest column comes first
        kept.append(best)
        scores = tf.gather(windows, best, batch_dims=1)
        scores = tf.reshape(scores, (batch, k * length))
    # k scores reach the lowest of these maxima. A heap that meets little above its
    # root is fast, and NaN, which reaches nothing, goes with the rest.
    reached = scores >= tf.reduce_min(highest, axis=1, keepdims=True)
    values, place = tf.math.top_k(tf.where(reached, scores, _lowest(scores)), k)
    for best, length in zip(reversed(kept), reversed(lengths), strict=True):
        window = tf.gather(best, place // length, batch_dims=1)
        place = window * length + place % length
    return values, place, unsure


def _without_nan(scores: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_nan(scores), _lowest(scores), scores)


def _lowest(scores: tf.Tensor) -> tf.Tensor:
    return tf.constant(-math.inf, scores.dtype)
