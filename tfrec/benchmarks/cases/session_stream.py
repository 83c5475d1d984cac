"""Twenty million clicks as session-parallel batches: speed and peak memory."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from tfrec.benchmarks.timing import Row, in_fresh_process, peak_memory, row

MEMORY = 2.0  # GB
ITEMS, UNITS, LANES, NEGATIVES = 50_000, 64, 256, 512
CLICKS, STEPS = 4, 512  # clicks of a session on average; steps that are timed


def train(clicks: int, seed: int) -> dict[str, float]:
    """Draws clicks, makes batches of them and trains on some.

    Args:
        clicks: How many, in sessions of ``CLICKS`` on average, in order of time.
        seed: Of the draw and of the model.

    Returns:
        ``speed``, clicks a second in training, ``batches``, clicks a second of the
        pipeline alone, ``start``, seconds before the first batch, and ``gigabytes``.
    """
    from tfrec.data.interactions import Interactions
    from tfrec.data.timeline import SECOND
    from tfrec.features import Categorical, FeatureSpec, Sequence
    from tfrec.models import GRU4Rec

    rng = np.random.default_rng(seed)
    sessions = clicks // CLICKS
    spec = FeatureSpec(
        (
            Categorical("session_id", "user", "int64", tuple(range(sessions))),
            Categorical("item_id", "item", "int64", tuple(range(ITEMS))),
            Sequence("history", of="item_id", max_len=20),
        ),
        user="session_id",
        timestamp="timestamp",
    )
    first = spec.item_column.first
    popular = ITEMS ** rng.random(clicks, np.float32)
    data = Interactions(
        spec,
        {
            "session_id": np.sort(rng.integers(0, sessions, clicks, np.int32)) + first,
            "item_id": np.minimum(popular.astype(np.int32), ITEMS) - 1 + first,
            "timestamp": np.arange(clicks) * SECOND,
        },
    )
    del popular
    model = GRU4Rec(spec, layers=(UNITS,), negatives=NEGATIVES, seed=seed)
    model.compile()
    begin = time.perf_counter()
    batches = data.batches(model, LANES, seed=seed)
    next(iter(batches))
    start = time.perf_counter() - begin
    begin = time.perf_counter()
    for _ in batches.take(STEPS):
        pass
    piped = time.perf_counter() - begin
    model.fit(batches, epochs=1, steps_per_epoch=STEPS, verbose=0)  # traces
    begin = time.perf_counter()
    model.fit(batches, epochs=1, steps_per_epoch=STEPS, verbose=0)
    return {
        "speed": STEPS * LANES / (time.perf_counter() - begin),
        "batches": STEPS * LANES / piped,
        "start": start,
        "gigabytes": peak_memory(),
    }


def measure(clicks: int, seed: int) -> list[Row]:
    """Clicks/s and peak memory of a fresh process.

    Args:
        clicks: Clicks of the log.
        seed: Seed of the log and the model.
    """
    found = in_fresh_process(__name__, str(clicks), str(seed))
    shape = (
        f"GRU4Rec-{UNITS}, {LANES} lanes, {NEGATIVES} negatives, {clicks:,} clicks of "
        f"{clicks // CLICKS:,} sessions on {ITEMS:,} items"
    )
    return [
        row(
            "session_stream",
            found["speed"],
            found["batches"],
            "clicks/s",
            f"{shape}; baseline: the batches without the training",
            start=found["start"],
        ),
        row(
            "session_stream_memory",
            found["gigabytes"],
            MEMORY,
            "GB",
            f"{shape}: peak resident memory of the process, TensorFlow included; "
            "baseline: the limit",
            at_most=1.0,
        ),
    ]


def main() -> None:
    """The training, and what it took as JSON."""
    print(json.dumps(train(*map(int, sys.argv[1:]))))


if __name__ == "__main__":
    main()
