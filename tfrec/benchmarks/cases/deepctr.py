"""DeepFM through the library against DeepCTR's, each as its own README trains it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from tfrec.benchmarks.synthetic import clicks
from tfrec.benchmarks.timing import LeftOut, Row, Work, in_turns, row
from tfrec.data.interactions import Interactions
from tfrec.models.ranking.deepfm import DeepFM

VERSION = "0.9.4"
DIM, LAYERS = 16, (400, 400, 400)
L2 = 1e-5  # DeepCTR's default
WORKER = "tfrec.benchmarks.cases.deepctr_worker"


def folder() -> Path:
    """Where DeepCTR is kept: in the user's cache, and in no environment."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "tfrec" / f"deepctr-{VERSION}"


def installed() -> bool:
    """Whether DeepCTR is there already."""
    return (folder() / "deepctr").is_dir()


def install() -> None:
    """Installs DeepCTR without what it depends on, which TensorFlow brings.

    Raises:
        LeftOut: It cannot be fetched.
    """
    target = folder()
    if installed():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=target.parent))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    try:
        done = subprocess.run(
            [*pip, "--target", str(beside), f"deepctr=={VERSION}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise LeftOut(
                f"the comparison with DeepCTR is left out, because pip cannot install "
                f"deepctr=={VERSION} ({reason}): try again with network."
            )
        shutil.rmtree(target, ignore_errors=True)
        os.replace(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def worker(data: Interactions, batch_size: int, l2: float, seed: int) -> Iterator[Work]:
    """DeepCTR in a process of its own, on the same rows.

    Args:
        data: Id columns and a label of 0 and 1.
        batch_size: Examples in a step.
        l2: Of its tables.
        seed: Seed of its weights.

    Yields:
        What trains an epoch and returns its loss.
    """
    config = {
        "fields": {c.name: data.spec.table(c.name).size for c in data.spec.columns},
        "dim": DIM,
        "layers": LAYERS,
        "l2": l2,
        "seed": seed,
        "batch_size": batch_size,
    }
    paths = [str(folder()), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TF_USE_LEGACY_KERAS": "1",
    }
    with tempfile.TemporaryDirectory() as directory:
        arrays, said = Path(directory) / "rows.npz", Path(directory) / "stderr"
        columns = {c.name: data.columns[c.name] for c in data.spec.columns}
        np.savez(arrays, **columns, label=data.label, config=json.dumps(config))  # type: ignore[arg-type]
        with (
            said.open("w") as errors,
            subprocess.Popen(
                [sys.executable, "-m", WORKER, str(arrays)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            ) as process,
        ):

            def epoch() -> float:
                assert process.stdin is not None and process.stdout is not None
                # Not through the buffer, which would fail again when it is closed. A
                # process that has ended has nothing to read from, and says why below.
                with suppress(BrokenPipeError):
                    os.write(process.stdin.fileno(), b"\n")
                answer = process.stdout.readline()
                if not answer:
                    end = said.read_text("utf8").strip()[-500:]
                    raise RuntimeError(f"DeepCTR {VERSION} has failed: {end}")
                return float(json.loads(answer))

            yield epoch


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
    install()
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
            f"DeepCTR {VERSION}, Adam, in a process of its own",
            at_least=at_least,
            losses=[ours.results[-1], baseline.results[-1]],
            seconds=[list(ours.seconds), list(baseline.seconds)],
        )
    ]
