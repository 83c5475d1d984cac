"""Memory of work whose plain way does not fit: long profiles, and large graphs."""

from __future__ import annotations

import json
import sys

import numpy as np

from tfrec.benchmarks.timing import Row, in_fresh_process, peak_memory, row
from tfrec.data.interactions import Interactions
from tfrec.data.knowledge import Edges, KnowledgeGraph
from tfrec.features import Categorical, FeatureSpec
from tfrec.models.factorization.svd_plus_plus import SVDPlusPlus

LIMITS = {"svd_plus_plus": 0.5, "knowledge": 1.0}
DIM, BATCH, STEPS, NEIGHBORS, RELATIONS = 256, 256, 3, 32, 10_000


def everything(users: int, items: int, seed: int) -> Interactions:
    """Users who have all rated all items, with 1 to 5 at random."""
    rng = np.random.default_rng(seed)
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", "int64", vocabulary=tuple(range(users))),
            Categorical("item_id", "item", "int64", vocabulary=tuple(range(items))),
        ),
        label="rating",
    )
    columns = {
        "user_id": np.repeat(np.arange(users, dtype=np.int32), items) + 2,
        "item_id": np.tile(np.arange(items, dtype=np.int32), users) + 2,
        "rating": rng.integers(1, 6, users * items).astype(np.float32),
    }
    return Interactions(spec, columns)


def svd_plus_plus(size: int, seed: int) -> dict[str, float]:
    """A few steps of SVD++ on ``size`` items that 400 users have all rated.

    The vectors of a user's items side by side would take 2 GB at 5,000 items, and their
    gradient as much again.
    """
    events = everything(400, size, seed)
    model = SVDPlusPlus(events.spec, dim=DIM, seed=seed)
    model.adapt(events)
    model.compile(steps_per_execution=1)
    few = events.take(np.arange(0, len(events), max(1, len(events) // 2000)))
    batches = few.batches(model, BATCH, seed=seed)
    start = peak_memory()
    history = model.fit(batches, steps_per_epoch=STEPS, verbose=0).history
    return {"gigabytes": peak_memory() - start, "loss": history["loss"][0]}


def knowledge(size: int, seed: int) -> dict[str, float]:
    """Neighbors drawn for each of ``size`` entities with two edges on average."""
    rng = np.random.default_rng(seed)
    ends = rng.integers(1, size, (2, 2 * size)).astype(np.int32)
    kinds = rng.integers(0, RELATIONS, 2 * size).astype(np.int32)
    edges = Edges(KnowledgeGraph(ends[0], kinds, ends[1], (), ()), size, seed=seed)
    start = peak_memory()
    nodes = np.arange(size)
    heads, _, _ = edges.draw(nodes, np.arange(size + 1), NEIGHBORS, rng)
    some = np.diff(edges.start) > 0
    own = float(np.mean(heads[some, 0] == nodes[some]))
    return {"gigabytes": peak_memory() - start, "own": own}


def measure(items: int, entities: int, seed: int) -> list[Row]:
    """Peak memory beyond what was there before, each in a process of its own.

    Args:
        items: Items of SVD++.
        entities: Entities of the knowledge graph.
        seed: Seed of data, weights and draws.
    """
    notes = {
        "svd_plus_plus": (
            items,
            f"{STEPS} steps of SVD++ of width {DIM}, batch {BATCH}, for 400 users who "
            f"have rated all of {items:,} items",
        ),
        "knowledge": (
            entities,
            f"{NEIGHBORS} neighbors drawn for each of {entities:,} entities with two "
            "edges on average",
        ),
    }
    rows = []
    for name, (size, note) in notes.items():
        found = in_fresh_process(__name__, name, str(size), str(seed))
        rows.append(
            row(
                f"{name}_memory",
                found.pop("gigabytes"),
                LIMITS[name],
                "GB",
                f"{note}: growth of the peak resident memory; baseline: the limit",
                at_most=1.0,
                **found,
            )
        )
    return rows


def main() -> None:
    """One of the two, and what it took as JSON."""
    name, size, seed = sys.argv[1:]
    work = {"svd_plus_plus": svd_plus_plus, "knowledge": knowledge}[name]
    print(json.dumps(work(int(size), int(seed))))


if __name__ == "__main__":
    main()
