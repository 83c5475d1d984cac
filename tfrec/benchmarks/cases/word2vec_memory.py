"""SkipGram on more events than one would like to hold twice."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from tfrec.benchmarks.synthetic import popularity
from tfrec.benchmarks.timing import Row, in_fresh_process, peak_memory, row
from tfrec.data.interactions import Interactions
from tfrec.features import Categorical, FeatureSpec, Sequence

MEMORY = 2.0  # GB
ITEMS, PER_USER, LENGTH = 50_000, 100, 10
DIM, WINDOW, NEGATIVES, SHARED, BATCH = 64, 5, 5, 64, 8192
PIECE = 1_000_000  # events drawn at a time


def drawn(events: int, seed: int) -> Interactions:
    """Events by user, in order: items by popularity, ``PER_USER`` of each user.

    Args:
        events: How many, a multiple of ``PER_USER``.
        seed: Seed of the draw.
    """
    rng = np.random.default_rng(seed)
    users = events // PER_USER
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", "int64", tuple(range(users))),
            Categorical("item_id", "item", "int64", tuple(range(ITEMS))),
            Sequence("history", of="item_id", max_len=LENGTH),
        )
    )
    cumulative = np.cumsum(popularity(ITEMS, 0.8))
    items = np.empty(events, np.int32)
    for start in range(0, events, PIECE):
        piece = items[start : start + PIECE]
        place = np.searchsorted(cumulative, rng.random(len(piece)))
        piece[:] = np.minimum(place, ITEMS - 1) + spec.item_column.first
    first = spec.user_column.first
    user = np.repeat(np.arange(first, first + users, dtype=np.int32), PER_USER)
    return Interactions(
        spec, {"user_id": user, "item_id": items}, name=f"{events:,} synthetic events"
    )


def train(events: int, seed: int) -> dict[str, float]:
    """Draws the events and trains on all of them once.

    Returns:
        ``seconds`` of training, ``loss``, and ``data``: GB at the peak before.
    """
    from tfrec.models import SkipGram

    data = drawn(events, seed)
    before = peak_memory()
    model = SkipGram(
        data.spec,
        dim=DIM,
        window=WINDOW,
        negatives=NEGATIVES,
        share_negatives=SHARED,
        seed=seed,
    )
    model.compile()
    batches = data.batches(model, BATCH, seed=seed)
    start = time.perf_counter()
    history = model.fit(batches, verbose=0).history
    return {
        "seconds": time.perf_counter() - start,
        "loss": history["loss"][0],
        "data": before,
    }


def measure(events: int, seed: int) -> list[Row]:
    """Peak memory of a fresh process that draws events and trains on them.

    Args:
        events: How many.
        seed: Seed of the events and the model.
    """
    found = in_fresh_process(__name__, str(events), str(seed))
    return [
        row(
            "word2vec_memory",
            found["gigabytes"],
            MEMORY,
            "GB",
            f"SkipGram, {events:,} events of {ITEMS:,} items, window {WINDOW}, dim "
            f"{DIM}, batch {BATCH}, one epoch: peak resident memory of a process that "
            "draws them and trains, TensorFlow included; baseline: the limit",
            at_most=1.0,
            words_per_second=events / found["seconds"],
            loss=found["loss"],
            data_gigabytes=found["data"],
        )
    ]


def main() -> None:
    """Trains, and says as JSON what it took."""
    events, seed = map(int, sys.argv[1:])
    found = train(events, seed)
    print(json.dumps({**found, "gigabytes": peak_memory()}))


if __name__ == "__main__":
    main()
