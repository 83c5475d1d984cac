"""A click log that does not fit into memory: prepared on disk, trained from there."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from tfrec.benchmarks.timing import Row, in_fresh_process, peak_memory, row
from tfrec.datasets.ctr_logs import CATEGORIES, NUMBERS, criteo_mapping

MEMORY = 3.0  # GB
# Of all categories together: each has a table of its own, of 2^20 / 26 rows. With 2^20
# rows each, weights and both moments of Adam alone would take 3.6 GB.
BINS = 2**20
DIM, LAYERS, BATCH = 10, (400, 400, 400), 4096
PIECE = 250_000  # rows drawn at a time
IDS = 2_000_000  # of the largest category; hashing brings them together


def write_log(path: Path, rows: int, seed: int) -> None:
    """Writes clicks in Criteo's format: 13 numbers, 26 categories, about 5 % missing.

    Categories have from ten to two million ids, popular ones often and rare ones
    rarely. Whether a row is clicked depends on one number and one category.

    Args:
        path: Tab-separated file to write.
        rows: Number of rows.
        seed: Seed of the draw.
    """
    rng = np.random.default_rng(seed)
    sizes = np.geomspace(10, IDS, len(CATEGORIES))
    options = pa.csv.WriteOptions(
        include_header=False, delimiter="\t", quoting_style="none"
    )
    writer = None
    for start in range(0, rows, PIECE):
        n = min(PIECE, rows - start)
        columns: dict[str, pa.Array] = {"label": pa.nulls(n, pa.int8())}
        for name in NUMBERS:
            values = rng.geometric(0.05, n).astype(np.int32)
            columns[name] = pa.array(values, mask=rng.random(n) < 0.05)
        signal = 0.02 * np.nan_to_num(columns["I1"].to_numpy(zero_copy_only=False))
        for name, size in zip(CATEGORIES, sizes, strict=True):
            ids = (size ** rng.random(n)).astype(np.int32)
            if name == "C1":
                signal = signal - 0.4 * (ids % 5)
            mask = rng.random(n) < 0.05 if name not in ("C7", "C10") else None
            columns[name] = pa.array(ids, mask=mask)
        clicked = rng.random(n) < 1 / (1 + np.exp(0.8 - signal))
        columns["label"] = pa.array(clicked.astype(np.int8))
        table = pa.table(columns)
        writer = writer or pa.csv.CSVWriter(
            str(path), table.schema, write_options=options
        )
        writer.write(table)
    if writer is not None:
        writer.close()


def prepare(directory: Path, rows: int, seed: int) -> None:
    """Writes the log and prepares it, in ``directory / "prepared"``."""
    from tfrec.data.prepare import prepare as prepared

    log = directory / "log.tsv"
    write_log(log, rows, seed)
    prepared(
        log,
        directory / "prepared",
        criteo_mapping(BINS // len(CATEGORIES)),
        "random",
        format="tsv",
        valid=0.0,
        test=0.0,
        shard_rows=PIECE,
        seed=seed,
    )
    log.unlink()


def train(directory: Path, seed: int) -> dict[str, float]:
    """Trains on all prepared rows once.

    Returns:
        ``rows`` and ``seconds``, the loss, and ``start``: seconds before the first
        step, among them one look at the ids of all rows.
    """
    from tfrec.data import tfrecord
    from tfrec.models import DeepFM

    begin = time.perf_counter()
    data = tfrecord.open(directory / "prepared")
    model = DeepFM(data.spec, dim=DIM, layers=LAYERS, negatives=0, seed=seed)
    model.compile()
    batches = data.batches(model, BATCH, seed=seed)
    start = time.perf_counter()
    history = model.fit(batches, verbose=0).history
    return {
        "rows": len(data),
        "seconds": time.perf_counter() - start,
        "loss": history["loss"][0],
        "start": start - begin,
    }


def measure(rows: int, seed: int) -> list[Row]:
    """Examples/s and peak memory of a fresh process that trains on prepared data.

    Both numbers hold tracing and reading from disk. The rows are drawn, written and
    prepared before, in another process, in a temporary folder: about 0.7 GB for a
    million.

    Args:
        rows: Rows of the log.
        seed: Seed of the log and the model.
    """
    with tempfile.TemporaryDirectory(prefix="tfrec-criteo-") as folder:
        made = in_fresh_process(__name__, "prepare", folder, str(rows), str(seed))
        found = in_fresh_process(__name__, "train", folder, str(rows), str(seed))
    shape = (
        f"DeepFM-{DIM}, MLP {'-'.join(map(str, LAYERS))}, batch {BATCH}, one epoch "
        f"over {rows:,} rows of 13 numbers and 26 categories hashed to 2^20 in all, "
        "from prepared TFRecord"
    )
    speed = found["rows"] / found["seconds"]
    return [
        row(
            "criteo_stream",
            speed,
            rows / made["seconds"],
            "examples/s",
            f"{shape}; baseline: rows/s of drawing and preparing them",
            loss=found["loss"],
            start=found["start"],
        ),
        row(
            "criteo_stream_memory",
            found["gigabytes"],
            MEMORY,
            "GB",
            f"{shape}: peak resident memory of a process that trains, TensorFlow "
            "included; baseline: the limit",
            at_most=1.0,
            prepare_gigabytes=made["gigabytes"],
        ),
    ]


def main() -> None:
    """One half of the work, and what it took as JSON."""
    what, folder, rows, seed = sys.argv[1:]
    found: dict[str, float] = {}
    begin = time.perf_counter()
    if what == "prepare":
        prepare(Path(folder), int(rows), int(seed))
        found["seconds"] = time.perf_counter() - begin
    else:
        found = train(Path(folder), int(seed))
    print(json.dumps({**found, "gigabytes": peak_memory()}))


if __name__ == "__main__":
    main()
