"""What TensorFlow Serving reads at its start: models, versions, labels, batching."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfrec.errors import ConfigError, ModelFileError
from tfrec.serving.export import versions

MODELS, BATCHING = "models.config", "batching.config"
GRAPH = "saved_model.pb"


def find_models(folder: str | Path) -> dict[str, Path]:
    """The exported models in a folder.

    Args:
        folder: A model directory with numbered versions, or a directory of several.

    Returns:
        Absolute model directories by name, the directory's own.

    Raises:
        ModelFileError: There is none, or a version holds no SavedModel.
    """
    folder = Path(folder).resolve()
    if versions(folder):
        found = [folder]
    elif (folder / GRAPH).exists():
        raise ModelFileError(
            f"{folder} is one version of a model: give the folder around it, "
            f"{folder.parent}, with versions named by numbers."
        )
    else:
        children = sorted(folder.iterdir()) if folder.is_dir() else []
        found = [child for child in children if versions(child)]
    if not found:
        what = "holds no exported model" if folder.exists() else "does not exist"
        raise ModelFileError(
            f"{folder} {what}: give what model.export(path) wrote, or a folder of such."
        )
    for model in found:
        for version in versions(model):
            if not (model / str(version) / GRAPH).is_file():
                raise ModelFileError(
                    f"{model / str(version)} holds no {GRAPH}, so it is no version of "
                    f"{model.name}: move it away."
                )
    return {model.name: model for model in found}


def models_config(
    models: Mapping[str, Path], latest: int = 1, labels: Mapping[str, int] | None = None
) -> str:
    """A ``ModelServerConfig`` in text format.

    Args:
        models: Model directories by name.
        latest: How many of the highest versions answer; more than one lets requests
            ask for an older one.
        labels: Versions by label, such as ``stable`` and ``canary``, of one model:
            these versions answer, and the highest.

    Raises:
        ConfigError: Labels for several models, or for a version that is not there.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    if latest < 1:
        raise ConfigError(f"{latest} versions cannot answer: give 1 or more.")
    if labels and len(models) > 1:
        raise ConfigError(
            f"labels are of one model, and there are {', '.join(models)}: give the "
            "folder of one."
        )
    config = model_server_config_pb2.ModelServerConfig()
    for name, path in models.items():
        entry = config.model_config_list.config.add()
        entry.name, entry.base_path = name, str(path)
        entry.model_platform = "tensorflow"
        there = versions(path)
        for label, version in (labels or {}).items():
            if version not in there:
                raise ConfigError(
                    f"label '{label}' is for version {version} of {name}, which has "
                    f"{', '.join(map(str, there))}: choose one of them."
                )
            entry.version_labels[label] = version
        if labels:
            chosen = sorted({*labels.values(), there[-1]})
            entry.model_version_policy.specific.versions.extend(chosen)
        else:
            entry.model_version_policy.latest.num_versions = latest
    return text_format.MessageToString(config)


def batching_config(models: Mapping[str, Path], size: int, micros: int) -> str:
    """``BatchingParameters`` in text format, where every signature allows them.

    TensorFlow Serving joins requests along the first dimension of every input. It
    refuses inputs without one, and fills rows of different lengths up with their own
    first value, which an exported model would read as one more event.

    Args:
        models: Model directories by name.
        size: The most rows in a batch.
        micros: How long, in microseconds, a request waits for others.

    Raises:
        ConfigError: A number is too small, or requests of a signature cannot be joined.
    """
    if size < 1 or micros < 0:
        raise ConfigError(
            f"batches of {size} rows after {micros} microseconds cannot be: give at "
            "least 1 and 0."
        )
    for name, path in models.items():
        for version in versions(path):
            for signature, inputs in _signatures(path / str(version)).items():
                _check_joined(f"{name} {version}, {signature}", inputs)
    return (
        f"max_batch_size {{ value: {size} }}\n"
        f"batch_timeout_micros {{ value: {micros} }}\n"
    )


def _signatures(version: Path) -> dict[str, dict[str, Any]]:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    graph = saved_model_pb2.SavedModel()
    try:
        graph.ParseFromString((version / GRAPH).read_bytes())
    except DecodeError as why:
        raise ModelFileError(
            f"{version / GRAPH} is damaged: export the model again."
        ) from why
    found = {}
    for meta in graph.meta_graphs:
        for name, signature in meta.signature_def.items():
            if not name.startswith("__"):  # how variables are restored
                found[name] = dict(signature.inputs)
    return found


def _check_joined(place: str, inputs: Mapping[str, Any]) -> None:
    for name, info in sorted(inputs.items()):
        sizes = [dim.size for dim in info.tensor_shape.dim]
        if info.tensor_shape.unknown_rank or not sizes:
            problem = "has no batch dimension"
        elif any(size < 0 for size in sizes[1:]):
            problem = "has rows of any length"
        else:
            continue
        raise ModelFileError(
            f"requests cannot be batched by the server, because input '{name}' of "
            f"{place}, {problem}: ask for several queries in one request instead."
        )
