"""Nothing that a signature computes begins before what was asked is checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf


def once_checked(checks: Iterable[tf.Operation | None], values: Any) -> Any:
    """The same tensors, there only when every check has passed.

    Without it a shape that does not fit may meet the arithmetic first, and the answer
    is TensorFlow's message in place of the check's.

    Args:
        checks: Assertions; None is one that held when the graph was made.
        values: A nest of tensors: all that is computed with.
    """
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.nest.map_structure(tf.identity, values)


def assertions(rules: Iterable[tuple[tf.Tensor, str]]) -> list[tf.Operation]:
    """One assertion for each rule and what is said where it does not hold."""
    return [tf.debugging.Assert(right, [text]) for right, text in rules]
