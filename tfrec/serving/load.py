"""Exported models in this process, for tests, notebooks and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError, ModelFileError, did_you_mean
from tfrec.features import FeatureSpec
from tfrec.indexes.scann import scann_operations
from tfrec.layers.top_k import check_k, check_whole
from tfrec.models.audience import Audience
from tfrec.models.raw import raw_features, raw_items, raw_labels
from tfrec.models.recommend import Recommendations
from tfrec.serving.export import CONFIG, EXTRA, METRICS, SPEC, latest


class Served:
    """An exported model as TensorFlow Serving sees it.

    Attributes:
        path: The version directory.
        spec: The columns that the model reads.
        config: Registry name, class, hyper-parameters, libraries of operations that a
            process has to load, and versions.
        metrics: What was noted at export.
        signatures: Functions by name, from tensors to tensors.
    """

    def __init__(self, path: Path) -> None:
        extra = path / EXTRA
        self.path = path
        self.spec = FeatureSpec.from_json((extra / SPEC).read_text(encoding="utf-8"))
        self.config: dict[str, Any] = json.loads((extra / CONFIG).read_text("utf-8"))
        self.metrics: dict[str, Any] = json.loads((extra / METRICS).read_text("utf-8"))
        _check_config(self.config, self.spec)
        if "scann" in self.config.get("operations", ()):
            scann_operations()
        self._loaded = tf.saved_model.load(str(path))
        self.signatures: dict[str, Any] = dict(self._loaded.signatures)

    def __repr__(self) -> str:
        return f"Served({self.config['class']} at {self.path})"

    def recommend(
        self,
        features: dict[str, Any],
        k: int = 10,
        exclude: Any = None,
        candidates: Any = None,
        within: Any = None,
    ) -> Recommendations:
        """The k best items for each query.

        Unlike a model in training, an exported one knows no histories: give them in
        ``features``, and in ``exclude`` what must not come back.

        Args:
            features: Raw values of every query column, one per query; bags and
                sequences as lists of any lengths.
            k: Items for each query.
            exclude: Raw item ids for each query, lists of any lengths.
            candidates: Raw item ids for each query to stay within, lists of any
                lengths; an empty list restricts nothing.
            within: For each query a list of categories as ``column=value`` to stay
                within; one of them is enough. An empty list restricts nothing.

        Returns:
            Raw item ids ``(queries, k)`` and scores, best first.

        Raises:
            ValueError: A column is missing or unknown, the columns differ in length,
                k is no whole number in 1 .. number of items, or the model knows no
                categories.
        """
        query, item = self.config["query_columns"], self.spec.item_column
        check_k(k, item.size - item.first)
        self._check_columns(features, query, "query")
        inputs = raw_features(self.spec, features)
        n, function = int(inputs[query[0]].shape[0]), self.signatures["serving_default"]
        lists = {
            "exclude": raw_items(self.spec, "exclude", exclude, n),
            "candidates": raw_items(self.spec, "candidates", candidates, n),
        }
        if "within" in function.structured_input_signature[1]:
            lists["within"] = raw_labels(within, n)
        elif within is not None:
            raise ModelFileError(
                f"{self.config['class']} was exported without categories of items: "
                "leave within out, or give candidates."
            )
        answer = function(k=tf.constant(k, tf.int32), **lists, **inputs)
        ids = _plain(answer["item_id"], item.dtype)
        return Recommendations(ids, answer["score"].numpy(), answer["cold"].numpy())

    def audience(self, features: dict[str, Any], k: int = 10) -> Audience:
        """The k users nearest to each item, by cosine.

        Args:
            features: Raw values of every item column, one per item.
            k: Users for each item.

        Raises:
            ValueError: The model was exported without users, k is no whole number, or
                a column is missing or of another length.
        """
        if "audience" not in self.signatures:
            raise ModelFileError(
                f"{self.config['class']} was exported without its users: export it "
                "with audience=True."
            )
        check_whole(k)
        inputs = raw_features(self.spec, features)
        self._check_columns(features, self.config["item_columns"], "item")
        answer = self.signatures["audience"](k=tf.constant(k, tf.int32), **inputs)
        users = _plain(answer["user_id"], self.spec.user_column.dtype)
        return Audience(users, answer["score"].numpy())

    def _check_columns(
        self, given: Iterable[str], wanted: list[str], side: str
    ) -> None:
        for name in given:
            if name not in wanted:
                raise ConfigError(
                    f"{self.config['class']} reads no {side} column '{name}'; "
                    f"{did_you_mean(name, wanted)}"
                )
        for name in wanted:
            if name not in given:
                raise ConfigError(
                    f"{self.config['class']} reads column '{name}', which the {side} "
                    f"does not give: pass features['{name}']."
                )


def _plain(ids: tf.Tensor, dtype: str) -> np.ndarray:
    """Raw ids as NumPy has them, text as str."""
    found = ids.numpy()
    if dtype != "string":
        return found
    return np.array([i.decode() for i in found.ravel()], object).reshape(found.shape)


def load(path: str | Path) -> Served:
    """Loads an exported model.

    Args:
        path: Model directory (the highest version is taken) or version directory.

    Raises:
        ModelFileError: Not a directory that ``export`` wrote.
    """
    version = latest(Path(path)) or Path(path)
    try:
        return Served(version)
    except Exception as why:  # a wrong value may come to light anywhere
        if not (version / "saved_model.pb").exists():
            fault = "is no exported model"
        else:
            reason = " ".join(str(why).split()).rstrip(".")[:200]
            fault = f"is damaged or not written by tfrec ({reason})"
        raise ModelFileError(
            f"'{version}' {fault}: give the directory that model.export(path) wrote, "
            "or one of its versions."
        ) from why


def _check_config(config: Any, spec: FeatureSpec) -> None:
    """Refuses what ``export`` does not write.

    Raises:
        ModelFileError: A class without a name, or a column that the spec has not.
    """
    if not isinstance(config, dict) or not isinstance(config.get("class"), str):
        raise ModelFileError(f"{CONFIG} names no class")
    known = {*(column.name for column in spec.columns), spec.timestamp}
    for key in ("query_columns", "item_columns"):
        names = config.get(key)
        if not isinstance(names, list) or not known.issuperset(names):
            raise ModelFileError(f"{key} in {CONFIG} are not columns of {SPEC}")
