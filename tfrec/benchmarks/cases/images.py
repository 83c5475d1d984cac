"""Whether a model that sees images waits for them."""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.benchmarks.synthetic import events
from tfrec.benchmarks.timing import Row, in_turns, row
from tfrec.columns import Image
from tfrec.data.interactions import Interactions
from tfrec.layers.media import decode

HEIGHT, WIDTH = 96, 64
STEPS = 12


def posters(items: int, seed: int) -> np.ndarray:
    """``(items,)`` bytes of JPEG files of 1.5 times the size they are resized to."""
    rng = np.random.default_rng(seed)
    files = np.full(items, b"", object)
    for number in range(items):
        coarse = rng.integers(0, 256, (9, 6, 3)).astype(np.float32)
        pixels = tf.image.resize(coarse, (HEIGHT * 3 // 2, WIDTH * 3 // 2))
        files[number] = tf.io.encode_jpeg(tf.cast(pixels, tf.uint8)).numpy()
    return files


def with_posters(users: int, items: int, count: int, seed: int) -> Interactions:
    """Events of items that are told by an image."""
    data = events(users, items, count, seed)
    column = data.spec.item_column
    spec = data.spec.replace(Image("poster", "item", HEIGHT, WIDTH))
    files = np.full(column.size, b"", object)
    files[column.first :] = posters(items, seed)
    return Interactions(
        spec, data.columns, data.users, {"poster": files}, name="images"
    )


def measure(
    batch_size: int, items: int, rounds: int, seed: int, users: int = 2_000
) -> list[Row]:
    """Decoding on all cores against one, and steps with and without images to decode.

    Args:
        batch_size: Examples in a step.
        items: Images.
        rounds: Timed rounds of each.
        seed: Seed of the data.
        users: Number of users.
    """
    data = with_posters(users, items, STEPS * batch_size, seed)
    return [_decoding(data, rounds), *_waiting(data, batch_size, rounds, seed)]


def _decoding(data: Interactions, rounds: int) -> Row:
    column = data.spec["poster"]
    assert isinstance(column, Image)
    files = data.items["poster"][data.spec.item_column.first :]
    raw = tf.constant(files, tf.string)
    whole = tf.function(lambda: decode(column, raw))
    one = tf.function(
        lambda: tf.map_fn(
            _alone(column), raw, parallel_iterations=1, fn_output_signature=tf.uint8
        )
    )
    ours, baseline = in_turns(whole, one, rounds)
    busy = statistics.median(
        busy / seconds for busy, seconds in zip(ours.busy, ours.seconds, strict=True)
    )
    return row(
        "images",
        len(files) / ours.median,
        len(files) / baseline.median,
        "images/s",
        f"decoding and resizing {len(files):,} JPEG files; {busy:.2f} of "
        f"{os.cpu_count()} cores busy; baseline: one after the other",
        cores_busy=busy,
    )


def _alone(column: Image) -> Callable[[tf.Tensor], tf.Tensor]:
    def one(content: tf.Tensor) -> tf.Tensor:
        pixels = tf.image.decode_jpeg(content, channels=column.channels)
        size = (column.height, column.width)
        return tf.cast(
            tf.round(tf.image.resize(pixels, size, antialias=True)), tf.uint8
        )

    return one


def _waiting(data: Interactions, batch_size: int, rounds: int, seed: int) -> list[Row]:
    """Epochs of training, and as many steps on one batch that lies ready.

    What the first have more is what the model waits for its input. Images are decoded
    before, once; the seconds of it stand in the note.
    """
    from tfrec.models.content.content_tower import ContentTower

    model = ContentTower(data.spec, dim=32, seed=seed)
    model.compile(steps_per_execution=1)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.adapt(data)
    seconds = time.perf_counter() - start
    batches = data.batches(model, batch_size, seed=seed)
    ready = tf.data.Dataset.from_tensors(next(iter(batches))).repeat(len(batches))

    def fit(steps: tf.data.Dataset) -> Callable[[], Any]:
        return lambda: model.fit(steps, verbose=0)

    ours, baseline = in_turns(fit(batches), fit(ready), rounds)
    waits = max(1 - baseline.median / ours.median, 0.0)
    return [
        row(
            "images_epoch",
            ours.median,
            baseline.median,
            "s",
            f"an epoch of {len(batches)} steps of {batch_size:,}, {100 * waits:.1f} % "
            "of it waiting for input; baseline: as many steps on one batch that lies "
            f"ready; {len(data.items['poster']):,} images were decoded once before, in "
            f"{seconds:.1f} s",
            at_most=1.1,
            input_bound=waits,
        )
    ]
