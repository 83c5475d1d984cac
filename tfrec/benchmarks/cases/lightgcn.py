"""LightGCN on a graph of Gowalla's size against its authors' way in PyTorch."""

from __future__ import annotations

import json

from tfrec.benchmarks.cases.graph import BATCH, DIM, GOWALLA, LAYERS, drawn
from tfrec.benchmarks.peers import PYTORCH
from tfrec.benchmarks.timing import Row, in_turns, row
from tfrec.models.graph.lightgcn import LightGCN

PEER = PYTORCH
WORKER = "tfrec.benchmarks.cases.lightgcn_worker"


def measure(
    steps: int,
    rounds: int,
    seed: int,
    size: tuple[int, int, int] = GOWALLA,
    batch_size: int = BATCH,
    at_least: float | None = None,
) -> list[Row]:
    """Events/s of ``fit`` on the same graph with the same network and Adam.

    Both train a share of an epoch at a time; ours also has what ``fit`` does at the end
    of an epoch, where all vectors are propagated once more.

    Args:
        steps: Steps of a round.
        rounds: Timed rounds of each.
        seed: Seed of graph and weights.
        size: Users, items and edges.
        batch_size: Events of a step.
        at_least: Target of the ratio.

    Raises:
        LeftOut: PyTorch is not there and cannot be fetched.
    """
    PEER.install()
    users, items, count = size
    data = drawn(users, items, count, seed)
    model = LightGCN(data.spec, dim=DIM, layers=LAYERS, seed=seed)
    model.compile()
    batches = data.batches(model, batch_size, seed=seed).repeat()
    config = {
        "users": users,
        "items": items,
        "dim": DIM,
        "layers": LAYERS,
        "l2": model.config.l2,
        "learning_rate": model.config.learning_rate,
        "batch_size": batch_size,
        "steps": steps,
        "seed": seed,
    }
    with PEER.worker(
        WORKER,
        users=data.user - data.spec.user_column.first,
        items=data.item - data.spec.item_column.first,
        config=json.dumps(config),
    ) as some:
        ours, baseline = in_turns(
            lambda: model.fit(batches, steps_per_epoch=steps, verbose=0).history[
                "loss"
            ][0],
            some,
            rounds,
        )
    epoch = [timed.median * count / (steps * batch_size) for timed in (ours, baseline)]
    return [
        row(
            "lightgcn",
            steps * batch_size / ours.median,
            steps * batch_size / baseline.median,
            "events/s",
            f"LightGCN-{DIM}, {LAYERS} layers, batch {batch_size}, {users:,} users, "
            f"{items:,} items, an epoch of {count:,} events in {epoch[0]:.0f} s by "
            f"{steps} steps; baseline: PyTorch {PEER.version}, {epoch[1]:.0f} s, the "
            "product of its sparse matrix of coordinates and Adam on whole tables, as "
            "the authors train, in a process of its own",
            at_least=at_least,
            losses=[list(ours.results), list(baseline.results)],
            seconds=[list(ours.seconds), list(baseline.seconds)],
            epoch_seconds=epoch,
        )
    ]
