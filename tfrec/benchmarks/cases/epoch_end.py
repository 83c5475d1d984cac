"""Whether the end of an epoch waits for something."""

from __future__ import annotations

import statistics
import time

import tensorflow as tf

from tfrec.benchmarks.synthetic import events
from tfrec.benchmarks.timing import Row, in_turns, row
from tfrec.data.views import Pairs

STALL = 0.1  # seconds that nobody notices; the stall of autotune takes up to five


def with_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same pipeline with tf.data's autotune and buffers chosen by it."""
    options = tf.data.Options()
    options.autotune.enabled = True
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def last_breath(dataset: tf.data.Dataset) -> tuple[float, float]:
    """Iterates once.

    Returns:
        Mean seconds of a step, and seconds from the last step until the iterator has
        said that it is empty and is gone.
    """
    iterator = iter(dataset)
    steps, start = 0, time.perf_counter()
    last = start
    for _ in iterator:
        steps, last = steps + 1, time.perf_counter()
    del iterator
    return (last - start) / steps, time.perf_counter() - last


def measure(
    batch_size: int,
    positives: int,
    rounds: int,
    seed: int,
    users: int = 6_040,
    items: int = 3_706,
) -> list[Row]:
    """Seconds between the last step and the end of an epoch in memory.

    Args:
        batch_size: Examples in a step.
        positives: Events; four negatives are drawn for each.
        rounds: Epochs of each pipeline.
        seed: Seed of the data.
        users: Number of users.
        items: Number of items.
    """
    data = events(users, items, positives, seed)
    batches = data.batches(Pairs(negatives=4), batch_size, seed=seed)
    tuned = with_autotune(batches)
    ours, baseline = in_turns(
        lambda: last_breath(batches), lambda: last_breath(tuned), rounds
    )
    step = statistics.median(step for step, _ in ours.results)
    end = max(end for _, end in ours.results)
    result = row(
        "epoch_end",
        end,
        max(end for _, end in baseline.results),
        "s",
        f"longest wait after the last of {int(batches.cardinality())} steps of "
        f"{1000 * step:.2f} ms, at most {STALL} s; baseline: the same with autotune on",
        step_seconds=step,
    )
    return [{**result, "target": f"<= {STALL} s", "met": end <= STALL}]
