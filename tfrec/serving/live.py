"""The signature that takes a session one item further from the state it is in."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.layers.inputs import Lookup
from tfrec.models.base import Recommender
from tfrec.models.rank import Wanted, best
from tfrec.models.registry import name_of
from tfrec.serving.checks import assertions, once_checked

Tensors = dict[str, tf.Tensor]
STATE, VERSION = "session_state", "session_version"


def fingerprint(model: Recommender) -> str:
    """What tells the states of a model from those of any other: 16 hex digits.

    It is made of the model's name, hyper-parameters, item ids and weights.
    """
    config = [name_of(type(model)), model.config.to_dict()]
    found = hashlib.sha256(json.dumps(config).encode())
    found.update(json.dumps(model.spec.item_column.raw.tolist()).encode())
    for variable in model.trainable_variables:
        found.update(np.ascontiguousarray(variable.numpy()).data)
    return found.hexdigest()[:16]


class Advance:
    """An item and the state before it to the k best next items and the state after it.

    Args:
        model: A model with ``advance`` and ``state_width``.
        lookup: Of its item ids.
    """

    def __init__(self, model: Any, lookup: Lookup) -> None:
        self.model, self.lookup = model, lookup
        self.version = fingerprint(model)

    @property
    def inputs(self) -> dict[str, Any]:
        """Raw item ids ``(batch,)``, the state and its version, and what is asked.

        A session begins with a state of width 0, ``(batch, 0)``, of any version.
        """
        item = self.model.spec.item_column
        return {
            item.name: tf.TensorSpec((None,), item.dtype, name=item.name),
            STATE: tf.TensorSpec((None, None), tf.float32, name=STATE),
            VERSION: tf.TensorSpec((), tf.string, name=VERSION),
            "k": tf.TensorSpec((), tf.int32, name="k"),
            "exclude": tf.TensorSpec((None, None), item.dtype, name="exclude"),
        }

    def __call__(
        self,
        values: Tensors,
        vectors: tf.Tensor,
        popularity: tf.Tensor,
        ids: tf.Tensor,
    ) -> Tensors:
        """``item_id`` and ``score`` ``(batch, k)``, ``cold``, state and version.

        Args:
            values: By the names of ``inputs``.
            vectors: ``(items, dim)`` of the whole vocabulary.
            popularity: ``(items,)`` scores for sessions of no known item.
            ids: Raw ids by item index.
        """
        column = self.model.spec.item_column
        values = once_checked(self._checks(values), values)
        items, state = self.lookup(values[column.name]), values[STATE]
        width = self.model.state_width
        state = tf.pad(state, [[0, 0], [0, width - tf.shape(state)[1]]])
        query, after = self.model.advance(items, tf.ensure_shape(state, [None, width]))
        cold = tf.reduce_all(after == 0, axis=1)
        scores = tf.matmul(query, vectors, transpose_b=True)
        scores = tf.where(cold[:, None], popularity[None], scores)
        anything = tf.zeros([tf.size(items), 1], tf.int32)
        wanted = Wanted(values["k"], self.lookup(values["exclude"]), anything)
        found, score = best(scores, wanted, column.first)
        return {
            "item_id": tf.gather(ids, found),
            "score": score,
            "cold": cold,
            STATE: after,
            VERSION: tf.constant(self.version),
        }

    def _checks(self, values: Tensors) -> list[tf.Operation]:
        state, width = tf.shape(values[STATE]), self.model.state_width
        column = self.model.spec.item_column
        count = column.size - column.first
        batch = tf.size(values[column.name])
        k, begins = values["k"], state[1] == 0
        checks = [
            (
                begins | (values[VERSION] == self.version),
                f"{STATE} is of another model than {self.version}: begin the session "
                "anew, with a state of width 0, and give its items once more.",
            ),
            (
                begins | (state[1] == width),
                f"{STATE} is not {width} wide: give what the last answer held, or "
                "width 0 to begin a session.",
            ),
            (
                (state[0] == batch) & (tf.shape(values["exclude"])[0] == batch),
                f"{STATE} and exclude need one row for each item.",
            ),
            (
                (k >= 1) & (k <= count),
                f"k is not between 1 and the {count} items of the catalogue: choose "
                "another.",
            ),
        ]
        return assertions(checks)
