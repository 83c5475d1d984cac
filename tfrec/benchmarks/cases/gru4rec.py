"""GRU4Rec against the same network in PyTorch, trained as its authors train it."""

from __future__ import annotations

import json

from tfrec.benchmarks.peers import PYTORCH
from tfrec.benchmarks.synthetic import sessions
from tfrec.benchmarks.timing import Row, in_turns, row
from tfrec.data.session_parallel import flat_sessions
from tfrec.models.sequential.gru4rec import GRU4Rec

PEER = PYTORCH
WORKER = "tfrec.benchmarks.cases.gru4rec_worker"
ITEMS = 37_000  # as of a sixty-fourth of RSC15


def measure(
    loss: str,
    rounds: int,
    seed: int,
    items: int = ITEMS,
    count: int = 16_000,
    lanes: int = 128,
    units: int = 100,
    negatives: int = 2048,
    at_least: float | None = None,
) -> list[Row]:
    """Events/s of epochs over the same sessions with the same network and Adagrad.

    Differences that belong to the libraries: PyTorch's cell resets after its product
    with the state, as the authors' does, and ours before, as in the paper.

    Args:
        loss: ``bpr_max`` or ``cross_entropy``.
        rounds: Timed epochs of each.
        seed: Seed of sessions and weights.
        items: Items of the catalogue.
        count: Sessions of an epoch.
        lanes: Sessions side by side.
        units: Of the GRU, and width of item vectors.
        negatives: Items drawn for a batch.
        at_least: Target of the ratio.

    Raises:
        LeftOut: PyTorch is not there and cannot be fetched.
    """
    PEER.install()
    data = sessions(items, count, seed)
    model = GRU4Rec(
        data.spec, layers=(units,), loss=loss, negatives=negatives, seed=seed
    )
    model.compile()
    batches = data.batches(model, lanes, seed=seed)
    steps = int(batches.cardinality())
    chosen = model.config
    config = {
        "units": units,
        "lanes": lanes,
        "negatives": negatives,
        "loss": loss,
        "alpha": chosen.alpha,
        "score_weight": chosen.score_weight,
        "learning_rate": chosen.learning_rate,
        "momentum": chosen.momentum,
        "seed": seed,
    }
    flat, begin, end = flat_sessions(data)
    with PEER.worker(
        WORKER,
        items=flat,
        begin=begin,
        end=end,
        counts=data.item_counts,
        config=json.dumps(config),
    ) as epoch:
        ours, baseline = in_turns(
            lambda: model.fit(batches, verbose=0).history["loss"][0], epoch, rounds
        )
    return [
        row(
            f"gru4rec_{loss}",
            steps * lanes / ours.median,
            steps * lanes / baseline.median,
            "events/s",
            f"GRU4Rec-{units}, {loss}, {lanes} lanes, {negatives} drawn items, "
            f"{steps * lanes:,} events of {items:,} items; baseline: PyTorch "
            f"{PEER.version}, a step of its GRUCell at a time, sparse gradients and "
            "the authors' Adagrad with momentum, in a process of its own",
            at_least=at_least,
            losses=[list(ours.results), list(baseline.results)],
            seconds=[list(ours.seconds), list(baseline.seconds)],
        )
    ]
