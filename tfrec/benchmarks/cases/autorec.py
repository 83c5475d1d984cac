"""AutoRec on a catalogue of 200,000 items: what a batch of 512 rows takes."""

from __future__ import annotations

import dataclasses
import json
import sys
import time

import numpy as np

from tfrec.benchmarks.synthetic import events
from tfrec.benchmarks.timing import Row, in_fresh_process, peak_memory, row

MEMORY = 3.0  # GB
ITEMS, USERS, BATCH = 200_000, 20_000, 512
# For rows of users both matrices have a row for each item: with Adam's two moments that
# is 24 bytes for an item and a hidden unit, 1.2 GB at 256.
HIDDEN = {"user": 256, "item": 500}


def train(rows: str, ratings: int, seed: int) -> dict[str, float]:
    """Trains one epoch on ratings of 1 to 5, users uniform, items by popularity.

    Args:
        rows: Whose rows are rebuilt, ``user`` or ``item``.
        ratings: Pairs to draw.
        seed: Seed of the draw and of the model.

    Returns:
        ``ratings``, ``seconds`` and the loss.
    """
    from tfrec.models import AutoRec

    drawn = events(USERS, ITEMS, ratings, seed)
    rng = np.random.default_rng(seed)
    rating = rng.integers(1, 6, len(drawn)).astype(np.float32)
    data = dataclasses.replace(
        drawn,
        spec=dataclasses.replace(drawn.spec, label="rating"),
        columns={**drawn.columns, "rating": rating},
    )
    model = AutoRec(data.spec, rows=rows, hidden=HIDDEN[rows], seed=seed)
    model.compile()
    batches = data.batches(model, BATCH, seed=seed)
    start = time.perf_counter()
    history = model.fit(batches, verbose=0).history
    seconds = time.perf_counter() - start
    return {"ratings": len(data), "seconds": seconds, "loss": history["loss"][0]}


def measure(ratings: int, seed: int) -> list[Row]:
    """Peak memory of a fresh process that draws the ratings and trains one epoch.

    Args:
        ratings: Pairs to draw.
        seed: Seed of the draw and of the model.
    """
    rows = []
    for side, hidden in HIDDEN.items():
        found = in_fresh_process(__name__, side, str(ratings), str(seed))
        rows.append(
            row(
                f"autorec_{side}_memory",
                found["gigabytes"],
                MEMORY,
                "GB",
                f"AutoRec of {side} rows, {hidden} hidden units, batch {BATCH}, one "
                f"epoch over {found['ratings']:,.0f} ratings of {USERS:,} users and "
                f"{ITEMS:,} items in {found['seconds']:.0f} s: peak resident memory, "
                "TensorFlow, Adam and data included; baseline: the limit",
                at_most=1.0,
                loss=found["loss"],
                seconds=found["seconds"],
            )
        )
    return rows


def main() -> None:
    """One side, and what it took as JSON."""
    rows, ratings, seed = sys.argv[1:]
    found = train(rows, int(ratings), int(seed))
    print(json.dumps({**found, "gigabytes": peak_memory()}))


if __name__ == "__main__":
    main()
