"""Images and recordings of items, decoded once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.columns import Audio, Image
from tfrec.layers.media import decode, present

AT_ONCE = 512
RESIDENT = 2 << 30


@dataclass(frozen=True)
class Media:
    """What a column of files holds.

    Attributes:
        values: ``(rows, ...)`` pixels or samples; the bytes where they decode to more
            than ``RESIDENT``, to be decoded whenever they are looked up.
        absent: Rows without a file, padding and unknown rows left out.
        unreadable: Rows whose file cannot be read, or holds nothing.
    """

    values: tf.Tensor
    absent: np.ndarray
    unreadable: np.ndarray

    def report(self, column: Image | Audio, items: int, names: np.ndarray) -> str:
        """A sentence on the rows without content; empty when there are none.

        Args:
            column: What was decoded.
            items: How many there are in all.
            names: Raw id of each row, to name a few of the unreadable.
        """
        parts = []
        if len(self.absent):
            parts.append(f"{len(self.absent):,} have none")
        if len(self.unreadable):
            named = ", ".join(str(name) for name in names[self.unreadable[:3]])
            more = ", ..." if len(self.unreadable) > 3 else ""
            parts.append(f"{len(self.unreadable):,} cannot be read ({named}{more})")
        if not parts:
            return ""
        return (
            f"column '{column.name}': of {items:,} items {' and '.join(parts)}; they "
            f"take the learned vector of no {column.kind}."
        )


def decoded(column: Image | Audio, contents: np.ndarray, first: int) -> Media:
    """Decodes files, some at a time, each by all cores.

    Memory is that of the bytes, of the numbers up to ``RESIDENT`` (2 GB; an image of
    64 x 96 pixels takes 18 kB and ten seconds of sound 320 kB) and of ``AT_ONCE`` files
    in work.

    Args:
        column: What to decode to.
        contents: ``(rows,)`` bytes by item index.
        first: Index of the first item.
    """
    raw = tf.constant(contents, tf.string)
    dtype = np.dtype(np.uint8 if isinstance(column, Image) else np.int16)
    size = len(contents) * int(np.prod(column.shape)) * dtype.itemsize
    table = (
        np.zeros((len(contents), *column.shape), dtype) if size <= RESIDENT else None
    )
    some = _decoder(column)
    there = np.zeros(len(contents), bool)
    for begin in range(0, len(contents), AT_ONCE):
        values = some(raw[begin : begin + AT_ONCE])
        there[begin : begin + AT_ONCE] = present(values)
        if table is not None:
            table[begin : begin + AT_ONCE] = values
    empty = tf.strings.length(raw).numpy() == 0
    items = np.arange(len(contents)) >= first
    return Media(
        raw if table is None else tf.constant(table),
        np.flatnonzero(empty & items),
        np.flatnonzero(~there & ~empty & items),
    )


@cache
def _decoder(column: Image | Audio) -> Any:
    """``decode`` of a column, traced once."""
    return tf.function(
        lambda part: decode(column, part),
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )
