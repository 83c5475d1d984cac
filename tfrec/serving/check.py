"""Whether exported models answer where tfrec is not."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLong
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfrec.serving.export import latest

SCRIPT = r"""
import json, os, pathlib, re, sys

replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print is no reply
CONFIG = "assets.extra/config.json"


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tfrec", "tf_keras"):
            raise ImportError(f"{name} is out of bounds: a model must stand alone")


sys.meta_path.insert(0, Refuse())
import tensorflow as tf


def load(path):
    config = pathlib.Path(path) / CONFIG
    known = json.loads(config.read_text("utf-8")) if config.exists() else {}
    if "scann" in known.get("operations", ()):
        import scann.scann_ops.py.scann_ops  # TensorFlow Serving has them built in
    return tf.saved_model.load(path)


def tensor(value, spec):
    if spec.shape.rank == 2 and not any(value):
        return tf.zeros((len(value), 0), spec.dtype)
    return tf.constant(value, spec.dtype)


def answer(loaded, signature, values):
    function = loaded.signatures[signature]
    _, specs = function.structured_input_signature
    for name in ("exclude", "candidates", "within"):
        if name in specs and values:
            values.setdefault(name, [[] for _ in next(iter(values.values()))])
    if "k" in specs:
        values.setdefault("k", 10)
    if values.keys() != specs.keys():
        raise ValueError(f"wants inputs {sorted(specs)}, got {sorted(values)}")
    outputs = function(**{n: tensor(values[n], spec) for n, spec in specs.items()})
    return {name: plain(value) for name, value in outputs.items()}


def plain(value):
    if value.dtype == tf.string:
        return [[text.decode() for text in row] for row in value.numpy()]
    return value.numpy().tolist()


def answers(requests):
    results, models = [], {}
    for path, signature, values in requests:
        try:
            if path not in models:
                models[path] = load(path)
            results.append({"answer": answer(models[path], signature, values)})
        except Exception as why:
            text = str(getattr(why, "message", None) or why or repr(why))
            refusal = re.search(r"assertion failed: \[(.+?)\] ", text)
            text = refusal.group(1) if refusal else " ".join(text.split())
            results.append({"error": text})
    return results


for line in sys.stdin:
    found = answers(json.loads(line))
    assert not [m for m in sys.modules if m.partition(".")[0] == "tfrec"]
    print(json.dumps(found), file=replies, flush=True)
"""
"""Runs in a new process, on TensorFlow alone: for each line of requests one line of
answers, as JSON."""


@dataclass(frozen=True)
class Request:
    """One question to an exported model.

    Attributes:
        path: Model directory (the highest version is asked) or version directory.
        inputs: JSON-able values by input name, rectangular; ``k`` is 10 and the lists
            of items and categories are empty when left out.
        signature: The one to ask.
    """

    path: str | Path
    inputs: dict[str, Any] = field(default_factory=dict)
    signature: str = "serving_default"


class FreshProcess:
    """A new process on TensorFlow alone, which cannot import tfrec, and answers.

    TensorFlow is loaded once, whatever is asked. Used with ``with``, or closed.

    Args:
        timeout: Seconds to wait for the answers to one call.
    """

    def __init__(self, timeout: float = 300.0) -> None:
        self._timeout = timeout
        self._errors = tempfile.TemporaryFile(  # noqa: SIM115, close() ends it
            "w+", encoding="utf-8"
        )
        # With TF_USE_LEGACY_KERAS, which tfrec sets, TensorFlow itself imports
        # tf_keras.
        environment = {
            k: v
            for k, v in os.environ.items()
            if k != "TF_USE_LEGACY_KERAS" and not k.startswith("PYTHON")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self._reader = ThreadPoolExecutor(1)

    def __enter__(self) -> FreshProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()
        self._reader.shutdown()
        self._errors.close()

    def answers(self, requests: Sequence[Request]) -> list[Any]:
        """Asks exported models; every call loads them anew.

        Args:
            requests: The questions.

        Returns:
            For each request its outputs by name, as lists, or the ValueError that says
            why there is none: the model cannot be loaded, or refuses the inputs.

        Raises:
            RuntimeError: The process ended without an answer, or took too long.
        """
        paths = [str(latest(Path(r.path)) or r.path) for r in requests]
        asked = [
            (path, r.signature, r.inputs)
            for path, r in zip(paths, requests, strict=True)
        ]
        loaded = f"the process that loaded {', '.join(sorted(set(paths)))}"
        line = self._reader.submit(self._ask, json.dumps(asked))
        try:
            reply = line.result(self._timeout)
        except TooLong as why:
            self._process.kill()
            raise RuntimeError(
                f"{loaded} gave no answer within {self._timeout:g} seconds: raise the "
                "timeout."
            ) from why
        if not reply:
            code = self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines() or ["it printed nothing"]
            raise RuntimeError(
                f"{loaded} ended with code {code} and no answer: {said[-1]}"
            )
        return [
            result["answer"]
            if "answer" in result
            else ValueError(f"'{path}' gave no answer: {result['error']}")
            for path, result in zip(paths, json.loads(reply), strict=True)
        ]

    def _ask(self, line: str) -> str:
        """One line in, one line out; nothing once the process has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return self._process.stdout.readline()


def answers(requests: Sequence[Request], timeout: float = 300.0) -> list[Any]:
    """Asks exported models in one new process; see :class:`FreshProcess`.

    Args:
        requests: The questions.
        timeout: Seconds to wait for all answers.

    Returns:
        For each request its outputs by name, as lists, or the ValueError that says why
        there is none: the model cannot be loaded, or refuses the inputs.

    Raises:
        RuntimeError: The process ended without an answer, or took too long.
    """
    with FreshProcess(timeout) as process:
        return process.answers(requests)


def answer(
    path: str | Path,
    inputs: dict[str, Any],
    signature: str = "serving_default",
    timeout: float = 300.0,
) -> dict[str, Any]:
    """Asks one question; see :class:`Request` and :func:`answers`.

    Returns:
        The outputs by name, as lists.

    Raises:
        ValueError: The model cannot be loaded, or refuses the inputs.
        RuntimeError: The process ended without an answer, or took too long.
    """
    (result,) = answers([Request(path, inputs, signature)], timeout)
    if isinstance(result, ValueError):
        raise result
    return result
