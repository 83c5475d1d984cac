"""Trains DeepCTR's DeepFM as its README does; runs where DeepCTR can be imported.

``python -m tfrec.benchmarks.cases.deepctr_worker FILE`` reads the arrays of an ``.npz``
(columns, ``label``) with the network's shape in ``config`` (JSON). For every line on
standard input it trains an epoch and answers with a line of JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


def build(config: dict[str, Any]) -> Any:
    """DeepCTR's DeepFM, compiled.

    Args:
        config: ``fields`` (name to number of ids), ``dim``, ``layers``, ``l2``,
            ``seed``.
    """
    from deepctr.feature_column import SparseFeat
    from deepctr.models import DeepFM

    columns = [
        SparseFeat(name, vocabulary_size=size, embedding_dim=config["dim"])
        for name, size in config["fields"].items()
    ]
    model = DeepFM(
        columns,
        columns,
        dnn_hidden_units=tuple(config["layers"]),
        l2_reg_linear=config["l2"],
        l2_reg_embedding=config["l2"],
        seed=config["seed"],
        task="binary",
    )
    model.compile("adam", "binary_crossentropy")
    return model


def main() -> None:
    """Answers until its input ends."""
    # DeepCTR prints to standard output when it cannot ask for its latest version.
    answers, sys.stdout = sys.stdout, sys.stderr
    with np.load(sys.argv[1]) as file:
        data = dict(file)
    config, label = json.loads(str(data.pop("config"))), data.pop("label")
    model = build(config)
    for _ in sys.stdin:
        history = model.fit(
            data, label, batch_size=config["batch_size"], epochs=1, verbose=0
        ).history
        print(json.dumps(history["loss"][0]), file=answers, flush=True)


if __name__ == "__main__":
    main()
