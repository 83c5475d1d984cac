"""Collaborative deep learning on as many texts as citeulike-t: what it takes."""

from __future__ import annotations

import dataclasses
import json
import sys
import time

import numpy as np

from tfrec.benchmarks.synthetic import events, popularity
from tfrec.benchmarks.timing import Row, in_fresh_process, peak_memory, row
from tfrec.columns import Text

ITEMS, WORDS, LENGTH = 26_000, 20_000, 100
USERS, EVENTS, BATCH = 8_000, 80_000, 256


def train(steps: int, seed: int) -> dict[str, float]:
    """Trains both layers and then the whole on texts drawn by Zipf's law.

    Args:
        steps: Of each of the three.
        seed: Seed of the draw and of the model.

    Returns:
        ``seconds`` and the last loss.
    """
    from tfrec.models import CollaborativeDeepLearning

    drawn = events(USERS, ITEMS, EVENTS, seed)
    rng = np.random.default_rng(seed)
    text = Text("text", vocabulary=tuple(f"w{n}" for n in range(WORDS)), max_len=LENGTH)
    rows = drawn.spec.item_column.size
    tokens = rng.choice(WORDS, (rows, LENGTH), p=popularity(WORDS, 1.0)) + text.first
    tokens[np.arange(LENGTH) >= rng.integers(10, LENGTH, rows)[:, None]] = 0
    data = dataclasses.replace(
        drawn,
        spec=drawn.spec.replace(text),
        items={**drawn.items, "text": tokens.astype(np.int32)},
    )
    model = CollaborativeDeepLearning(data.spec, seed=seed)
    model.compile()
    batches = data.batches(model, BATCH, seed=seed).take(steps)
    start = time.perf_counter()
    history = model.fit(batches, epochs=3, verbose=0).history
    return {"seconds": time.perf_counter() - start, "loss": history["loss"][-1]}


def measure(steps: int, seed: int) -> list[Row]:
    """Peak memory of a fresh process, against the texts alone as a dense matrix.

    Args:
        steps: Of each layer, and of the whole.
        seed: Seed of the draw and of the model.
    """
    found = in_fresh_process(__name__, str(steps), str(seed))
    return [
        row(
            "texts_memory",
            found["gigabytes"],
            4 * ITEMS * WORDS / 1e9,
            "GB",
            f"CollaborativeDeepLearning, {ITEMS:,} texts of {WORDS:,} words, layers "
            f"200-50, batch {BATCH}, {steps} steps of each layer and of the whole in "
            f"{found['seconds']:.0f} s: peak resident memory, TensorFlow, Adam and "
            "data included; baseline: the texts alone as a dense float32 matrix",
            at_most=1.0,
            loss=found["loss"],
            seconds=found["seconds"],
        )
    ]


def main() -> None:
    """The training, and what it took as JSON."""
    steps, seed = map(int, sys.argv[1:])
    found = train(steps, seed)
    print(json.dumps({**found, "gigabytes": peak_memory()}))


if __name__ == "__main__":
    main()
