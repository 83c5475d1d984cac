"""What models of text and matrix learn from: items with their text, and users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrec.data.matrix import Matrix
from tfrec.data.pipeline import Source, Tensors, finish, seeded_epochs
from tfrec.data.views import View
from tfrec.errors import DataError
from tfrec.models.baselines._taken import first_known
from tfrec.models.baselines._views import in_memory


@dataclass(frozen=True)
class TextsAndTakers(View):
    """Items with their text and who took them, and users with what they took.

    A batch has at most ``rows`` items and as many users; each comes once in an epoch,
    in random order. The features hold ``movie_id/index`` and ``user_id/index``
    ``(rows,)`` int32, ``users`` and ``items`` ``(rows, longest)`` int32, the indices of
    what stands on the other side, and the text's ``title/index`` ``(rows, length)``
    int32; all padded with 0. Users without events are left out, items are not.

    Attributes:
        text: Name of the text column.
        rows: Most rows of a batch.
    """

    text: str
    rows: int

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`."""
        data = in_memory(source, "users' and items' rows")
        if self.text not in data.items:
            raise DataError(
                f"{data.name} has no item table with column '{self.text}': add it to "
                "items."
            )
        spec, texts = data.spec, tf.constant(data.items[self.text])
        takers, taken = Matrix.of(data, "item"), Matrix.of(data, "user")
        items = np.arange(first_known(spec.item_column), spec.item_column.size)
        users = np.flatnonzero(np.diff(taken.start))
        steps = -(-max(len(items), len(users)) // min(batch_size, self.rows))
        sides = [
            (f"{spec.item}/index", "users", items, _side(takers)),
            (f"{spec.user}/index", "items", users, _side(taken)),
        ]
        rows = max(-(-len(known) // steps) for _, _, known, _ in sides)

        def batch(number: tf.Tensor, orders: list[tf.Tensor]) -> Tensors:
            features = {}
            for (key, others, known, side), order in zip(sides, orders, strict=True):
                chosen = order[
                    number * len(known) // steps : (number + 1) * len(known) // steps
                ]
                chosen = tf.pad(chosen, [[0, rows - tf.shape(chosen)[0]]])
                features[key], features[others] = (
                    tf.cast(chosen, tf.int32),
                    side(chosen),
                )
            own = features[f"{spec.item}/index"]
            return {**features, f"{self.text}/index": tf.gather(texts, own)}

        def epoch(epoch_seed: tf.Tensor) -> tf.data.Dataset:
            orders = [tf.constant(known, tf.int64) for _, _, known, _ in sides]
            if shuffle:
                mix = tf.random.experimental.stateless_shuffle
                orders = [mix(o, epoch_seed + n) for n, o in enumerate(orders)]
            return tf.data.Dataset.range(steps).map(lambda n: batch(n, orders))

        return finish(seeded_epochs(seed, epoch), None, steps)


def _side(matrix: Matrix) -> Callable[[tf.Tensor], tf.Tensor]:
    start, other = tf.constant(matrix.start), tf.constant(matrix.other)

    def rows(chosen: tf.Tensor) -> tf.Tensor:
        begin, end = tf.gather(start, chosen), tf.gather(start, chosen + 1)
        place = tf.ragged.range(begin, end)
        return tf.gather(other, place).to_tensor()

    return rows
