"""DeepFM through the library against DeepCTR's, each as its own README trains it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager

from tfrec.benchmarks.peers import Peer
from tfrec.benchmarks.synthetic import clicks
from tfrec.benchmarks.timing import Row, Work, in_turns, row
from tfrec.data.interactions import Interactions
from tfrec.models.ranking.deepfm import DeepFM

PEER = Peer("DeepCTR", "deepctr", "0.9.4")
DIM, LAYERS = 16, (400, 400, 400)
L2 = 1e-5  # DeepCTR's default
WORKER = "tfrec.benchmarks.cases.deepctr_worker"


def worker(
    data: Interactions, batch_size: int, l2: float, seed: int
) -> AbstractContextManager[Work]:
    """DeepCTR in a process of its own, on the same rows.

    Args:
        data: Id columns and a label of 0 and 1.
        batch_size: Examples in a step.
        l2: Of its tables.
        seed: Seed of its weights.

    Returns:
        A context that gives what trains an epoch and returns its loss.
    """
    config = {
        "fields": {c.name: data.spec.table(c.name).size for c in data.spec.columns},
        "dim": DIM,
        "layers": LAYERS,
        "l2": l2,
        "seed": seed,
        "batch_size": batch_size,
    }
    columns = {c.name: data.columns[c.name] for c in data.spec.columns}
    return PEER.worker(WORKER, **columns, label=data.label, config=json.dumps(config))


def measure(
    ids: int,
    rounds: int,
    seed: int,
    l2: float = L2,
    rows: int = 300_000,
    fields: int = 10,
    batch_size: int = 4096,
    at_least: float | None = None,
) -> list[Row]:
    """Examples/s of ``fit`` on the same rows with the same network and Adam.

    Differences that belong to the libraries: DeepCTR's linear weights and vectors are
    in a table each for every field, its L2 is of whole tables and makes their gradients
    dense, its own pipeline slices NumPy arrays. Ours has L2 on the rows of the batch.

    Args:
        ids: Ids of all fields together.
        rounds: Timed epochs of each.
        seed: Seed of data and weights.
        l2: L2 of the embeddings of both.
        rows: Rows of an epoch.
        fields: Id columns.
        batch_size: Examples in a step.
        at_least: Target of the ratio.

    Raises:
        LeftOut: DeepCTR is not there and cannot be fetched.
    """
    PEER.install()
    data = clicks(fields, ids, rows, seed)
    model = DeepFM(data.spec, dim=DIM, layers=LAYERS, negatives=0, l2=l2, seed=seed)
    model.compile()
    batches = data.batches(model, batch_size, seed=seed)
    with worker(data, batch_size, l2, seed) as epoch:
        ours, baseline = in_turns(
            lambda: model.fit(batches, verbose=0).history["loss"][0], epoch, rounds
        )
    size = f"{ids / 1e6:g}m" if ids >= 1e6 else f"{ids / 1e3:g}k"
    return [
        row(
            f"deepctr_{size}" + ("" if l2 else "_no_l2"),
            rows / ours.median,
            rows / baseline.median,
            "examples/s",
            f"DeepFM-{DIM}, MLP {'-'.join(map(str, LAYERS))}, batch {batch_size}, "
            f"L2 {l2:g}, {rows:,} rows of {ids:,} ids in {fields} fields; baseline: "
            f"DeepCTR {PEER.version}, Adam, in a process of its own",
            at_least=at_least,
            losses=[ours.results[-1], baseline.results[-1]],
            seconds=[list(ours.seconds), list(baseline.seconds)],
        )
    ]
