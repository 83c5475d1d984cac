"""SkipGram and CBOW against gensim's Word2Vec on the same sequences."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tfrec import datasets
from tfrec.benchmarks.peers import Peer
from tfrec.benchmarks.timing import Row, in_turns, row
from tfrec.evaluation import Evaluator, FullRanking
from tfrec.models import registry

PEER = Peer("gensim", "gensim", "4.4.0", ("smart_open", "scipy"))
WORKER = "tfrec.benchmarks.cases.word2vec_worker"
DIM, WINDOW, NEGATIVES = 64, 5, 5
# Model, centres that share a draw, batch and learning rate.
RUNS = (
    ("skip_gram", 0, 8192, 0.02),
    ("skip_gram", 64, 8192, 0.02),
    ("cbow", 0, 8192, 0.02),
)
SCORES = ("probability", "lift", "cosine")


def measure(rounds: int, seed: int) -> list[Row]:
    """Words/s and recall@20 of the next film, of the packaged MovieLens.

    Both train ``rounds + 1`` epochs with the same windows, width, negatives and
    threads. Recall is over everybody's last event but one, the last ten films before it
    being the history. gensim's vectors are scored by our formulas, and the best of the
    three counts as its recall.

    Args:
        rounds: Timed epochs of each.
        seed: Seed of all weights.

    Raises:
        LeftOut: gensim is not there and cannot be fetched.
    """
    PEER.install()
    data = datasets.load("movielens", history=10)
    data = data.with_spec(data.spec.select("history"))
    train, valid, _ = data.split("leave_last_out")
    evaluator = Evaluator(valid, FullRanking(20))
    rows = []
    for name, shared, size, rate in RUNS:
        model = registry.get(name)(
            data.spec,
            dim=DIM,
            window=WINDOW,
            negatives=NEGATIVES,
            share_negatives=shared,
            learning_rate=rate,
            seed=seed,
        )
        model.compile()
        batches = train.batches(model, size, seed=seed)
        with tempfile.TemporaryDirectory() as directory:
            learned = Path(directory) / "learned.npz"
            line = train.timeline
            with PEER.worker(
                WORKER,
                items=line.items,
                start=line.start,
                rows=data.spec.item_column.size,
                skip_gram=name == "skip_gram",
                sizes=[DIM, WINDOW, NEGATIVES, os.cpu_count() or 1, rounds + 1, seed],
                learned=str(learned),
            ) as epoch:
                ours, baseline = in_turns(
                    partial(model.fit, batches, verbose=0),
                    epoch,
                    rounds,
                )
            vectors = dict(np.load(learned))
        found = evaluator.evaluate(model)["recall@20"]
        theirs = max(
            evaluator.evaluate(_with(model, vectors, score))["recall@20"]
            for score in SCORES
        )
        kind = f"{name}_shared" if shared else name
        drawn = f"shared by {shared} centres" if shared else "per pair"
        note = (
            f"{name}, negatives {drawn}, "
            f"batch {size}, window {WINDOW}, dim {DIM}, {len(train):,} events, "
            f"{rounds + 1} epochs; "
            f"baseline: gensim {PEER.version}"
        )
        rows += [
            row(
                f"word2vec_{kind}",
                len(train) / ours.median,
                len(train) / baseline.median,
                "words/s",
                note,
                at_least=1.0 if shared else 0.5,
            ),
            row(
                f"word2vec_{kind}_recall",
                found,
                theirs,
                "recall@20",
                note,
                at_least=1.0,
            ),
        ]
    return rows


def _with(model: Any, vectors: dict[str, np.ndarray], score: str) -> Any:
    """A model like this one that holds other vectors."""
    other = type(model)(model.spec, model.config, score=score)
    other.catalogue.arrays = model.catalogue.arrays
    other.ensure_built()
    other.inputs_table.build(None)
    for table, name in (
        (other.inputs_table, "inputs"),
        (other.outputs_table, "outputs"),
    ):
        table.embeddings.assign(vectors[name])
    other.log_noise.assign(model.log_noise)
    return other
