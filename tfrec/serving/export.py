"""Models as versioned SavedModels for TensorFlow Serving."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import Error as MessageError

import tfrec
from tfrec.errors import ConfigError
from tfrec.indexes.scann import Scann
from tfrec.models.registry import name_of
from tfrec.serving.servable import servable
from tfrec.serving.warmup import write_warmup

if TYPE_CHECKING:
    from tfrec.models.base import Recommender

EXTRA = "assets.extra"
SPEC, CONFIG, METRICS = "spec.json", "config.json", "metrics.json"
WARMUP = "tf_serving_warmup_requests"


def export(
    model: Recommender,
    path: str | Path,
    metrics: dict[str, Any] | None = None,
    audience: bool = False,
) -> Path:
    """Writes ``path/<version>/``, a SavedModel that answers from raw ids.

    The signatures are those of :func:`tfrec.serving.servable.servable`. Beside the
    graph, in ``assets.extra``: ``spec.json`` (columns), ``config.json`` (model,
    hyper-parameters, versions), ``metrics.json`` and warm-up requests. Titles are not
    written, nor what users have seen, except by models that score from it (ItemKNN,
    EASE, iALS, AutoRec, RBM): theirs hold user-item pairs. The version appears whole or
    not at all.

    Args:
        model: A trained model.
        path: Model directory; the version directory is made inside it, one above the
            highest there is, from 1.
        metrics: What to note in ``metrics.json``, NaN and infinities as null.
        audience: Whether to add the users' vectors and the ``audience`` signature.

    Returns:
        The version directory.

    Raises:
        ConfigError: The model cannot be served (it has met no data, hashes its items,
            is too large for one graph), answers no audience query where one is
            wanted, or the metrics cannot be written as JSON.
        OSError: The directory cannot be written, or the disk is full. Nothing is left.
    """
    path = Path(path)
    documents = {
        SPEC: model.spec.select(*model.columns).to_json(),
        CONFIG: json.dumps(_config(model), indent=2),
        METRICS: _json_metrics(metrics or {}),
    }
    served = servable(model, audience)
    with _version(path) as folder:
        try:
            # Nobody takes gradients of what is served, and those that a layer defines
            # itself cannot all be written.
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
            tf.saved_model.save(served.module, str(folder), served.signatures, options)
        except MessageError as why:
            raise ConfigError(
                f"nothing was exported to '{path}': ids and constants of "
                f"{type(model).__name__} exceed the 2 GB of one graph; shorten the "
                "vocabularies, or give large columns hash_bins."
            ) from why
        extra = folder / EXTRA
        extra.mkdir()
        for name, text in documents.items():
            (extra / name).write_text(text + "\n", encoding="utf-8")
        write_warmup(extra / WARMUP, model, served.signatures, path.resolve().name)
        version = _publish(folder, path)
    return version


def versions(path: Path) -> list[int]:
    """The versions in a model directory, ascending."""
    if not path.is_dir():
        return []
    names = (child.name for child in path.iterdir() if child.is_dir())
    return sorted(int(n) for n in names if n.isascii() and n.isdecimal())


def latest(path: Path) -> Path | None:
    """``path`` itself if it is a version, else its highest version, or None."""
    if (path / "saved_model.pb").exists():
        return path
    found = versions(path)
    return path / str(found[-1]) if found else None


def _config(model: Recommender) -> dict[str, Any]:
    return {
        "model": name_of(type(model)),
        "class": type(model).__name__,
        "hyper_parameters": model.config.to_dict(),
        "query_columns": list(model.query_columns),
        "item_columns": list(model.item_columns),
        "operations": ["scann"] if _has_scann(model) else [],
        "tfrec": tfrec.__version__,
        "tensorflow": tf.__version__,
    }


def _has_scann(model: Recommender) -> bool:
    return any(isinstance(module, Scann) for module in model.submodules)


def _json_metrics(metrics: dict[str, Any]) -> str:
    def plain(value: Any, place: str) -> Any:
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        if isinstance(value, dict):
            return {str(k): plain(v, f"{place}.{k}") for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [plain(v, f"{place}[{i}]") for i, v in enumerate(value)]
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if value is None or isinstance(value, str | int):
            return value
        raise ConfigError(
            f"{place} is of type {type(value).__name__}, which metrics.json cannot "
            "hold: give numbers, text, lists or dictionaries."
        )

    return json.dumps(plain(metrics, "metrics"), indent=2)


@contextlib.contextmanager
def _version(path: Path) -> Iterator[Path]:
    """A directory beside the versions that is gone afterwards, unless renamed."""
    made = [p for p in (path, *path.parents) if not p.exists()]
    folder = path / f".export-{uuid.uuid4().hex}"
    done = False
    try:
        folder.mkdir(parents=True)
        yield folder
        done = True
    except (OSError, tf.errors.OpError) as why:
        raise OSError(
            f"nothing was exported to '{path}': {_reason(why)}; free space there, or "
            "give a directory that can be written."
        ) from why
    finally:
        if not done:
            shutil.rmtree(folder, ignore_errors=True)
            for parent in made:
                # Never made, or another export has put its own there meanwhile.
                with contextlib.suppress(OSError):
                    parent.rmdir()


def _reason(why: OSError | tf.errors.OpError) -> str:
    if isinstance(why, OSError):
        return why.strerror or str(why)
    # "{{node}} /path/of/the/file; No space left on device [Op:SaveV2]"
    return why.message.rpartition("; ")[2].partition(" [Op:")[0].strip()


def _publish(folder: Path, path: Path) -> Path:
    """Renames to the next version; another export may take a number first."""
    while True:
        version = path / str(max(versions(path), default=0) + 1)
        try:
            os.replace(folder, version)
        except OSError as why:
            if why.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return version
