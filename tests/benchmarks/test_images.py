"""What is timed of images is the same work, and steps do not wait for input."""

import numpy as np
import tensorflow as tf

from tfrec.benchmarks.cases import images
from tfrec.layers.media import decode


def test_both_ways_to_decode_find_the_same_pixels():
    data = images.with_posters(20, 12, 200, seed=0)
    column, files = data.spec["poster"], data.items["poster"]
    first = data.spec.item_column.first
    assert all(file.startswith(b"\xff\xd8") for file in files[first:])
    alone = tf.map_fn(
        images._alone(column), tf.constant(files[first:]), fn_output_signature=tf.uint8
    )
    together = decode(column, tf.constant(files, tf.string))
    assert not together[:first].numpy().any()
    difference = np.abs(alone.numpy().astype(int) - together[first:].numpy())
    assert difference.max() <= 1


def test_rows_of_the_table():
    rows = images.measure(16, 12, 1, seed=0, users=20)
    assert [row["name"] for row in rows] == ["images", "images_epoch"]
    assert all(row["ours"] > 0 and row["baseline"] > 0 for row in rows)
    assert rows[0]["cores_busy"] > 0
    assert 0 <= rows[1]["input_bound"] < 0.9
    assert "14 images were decoded once before" in rows[1]["note"]
