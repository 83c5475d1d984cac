"""Item vectors as files that other tools read: word2vec text and the projector."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.models.families import FactorScorer

if TYPE_CHECKING:
    from tfrec.models.base import Recommender


def item_vectors(model: Recommender) -> tuple[list[str], np.ndarray]:
    """Ids and vectors of the vocabulary's items, those that ``similar_items`` compares.

    Returns:
        Raw ids as text, and ``(items, dim)`` float32.

    Raises:
        ConfigError: The model has no item vectors, or hashes its items.
    """
    column = model.spec.item_column
    if column.hash_bins is not None:
        raise ConfigError(
            f"column '{column.name}' is hashed, so a vector belongs to no one item: "
            "train with a vocabulary."
        )
    if hasattr(model, "input_vectors"):
        vectors = model.input_vectors(tf.range(column.first, column.size))
    elif isinstance(model, FactorScorer):
        vectors = model.catalogue_state()["item"]
    else:
        raise ConfigError(
            f"{type(model).__name__} scores pairs and has no item vectors: choose a "
            "model with towers or an item embedding."
        )
    return [str(v) for v in column.vocabulary], tf.cast(vectors, tf.float32).numpy()


def write_word2vec(path: str | Path, ids: Iterable[str], vectors: np.ndarray) -> None:
    """Writes the text format of word2vec: a line of sizes, then ``id v1 v2 ...``.

    Args:
        path: The file; it is replaced when all is written.
        ids: One for each vector.
        vectors: ``(items, dim)``.

    Raises:
        ConfigError: An id is empty or has a space, which separates the fields.
    """
    ids = list(ids)
    for name in ids:
        if not name or name.split() != [name]:
            raise ConfigError(
                f"id {name!r} has a space or nothing in it, and spaces separate the "
                "fields of word2vec's format: write the projector's files instead."
            )
    with _replaced(Path(path)) as file:
        file.write(f"{len(ids)} {vectors.shape[1]}\n")
        for name, vector in zip(ids, vectors, strict=True):
            file.write(f"{name} {' '.join(map(str, vector))}\n")


def write_projector(
    folder: str | Path,
    ids: Iterable[str],
    vectors: np.ndarray,
    titles: Mapping[str, str] | None = None,
) -> None:
    """Writes what TensorBoard's projector reads from a log folder.

    ``tensors.tsv`` holds the vectors, ``metadata.tsv`` id and title of each, and
    ``projector_config.pbtxt`` names the two; projector.tensorflow.org takes the first
    two as uploads.

    Args:
        folder: The folder, made if need be.
        ids: One for each vector.
        vectors: ``(items, dim)``.
        titles: Titles by id; items without one have an empty title.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _replaced(folder / "tensors.tsv") as file:
        for vector in vectors:
            file.write("\t".join(map(str, vector)) + "\n")
    with _replaced(folder / "metadata.tsv") as file:
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow(["id", "title"])
        for name in ids:
            title = (titles or {}).get(name, "")
            rows.writerow([" ".join(name.split()), " ".join(title.split())])
    with _replaced(folder / "projector_config.pbtxt") as file:
        file.write(
            "embeddings {\n"
            '  tensor_name: "items"\n'
            '  tensor_path: "tensors.tsv"\n'
            '  metadata_path: "metadata.tsv"\n'
            "}\n"
        )


@contextmanager
def _replaced(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its place when all is written."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
