"""DIEN's auxiliary loss: what stands against the next item of a history."""

import numpy as np
import tensorflow as tf

from tfrec.models.ranking.dien import DIEN


def test_every_other_item_is_drawn_and_never_the_next_one(data):
    model = DIEN(data.spec.select("history"))
    model.compile(run_eagerly=True)
    column = data.spec.item_column
    items = np.arange(column.first, column.size, dtype=np.int32)
    history = tf.constant(np.tile(items, (1_000, 1)))
    (drawn,) = model._negatives({"history": history})
    following, drawn = items[1:], drawn.numpy()
    assert drawn.shape == (1_000, len(following))
    for place, item in enumerate(following):
        assert set(drawn[:, place]) == set(items) - {item}
