"""The signature that names the users for an item."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.models.audience import members, nearest
from tfrec.models.base import Recommender
from tfrec.models.families import FactorScorer
from tfrec.serving.checks import once_checked

Tensors = dict[str, tf.Tensor]


class AudienceQuery(tf.Module):
    """Item columns and ``k`` to the nearest users, their vectors held as variables.

    Args:
        model: A model that has met data.

    Raises:
        ConfigError: The model has no vectors of users and items, or cannot make those
            of its users from what it knows of them.
    """

    def __init__(self, model: Recommender) -> None:
        super().__init__(name="audience")
        if not isinstance(model, FactorScorer):
            raise ConfigError(
                f"{type(model).__name__} has no vectors of users and items, so it "
                "answers no audience query: export it without, or another model."
            )
        self.model = model
        ids, vectors = members(model)
        self.count = len(ids)
        self.vectors = tf.Variable(vectors, trainable=False)
        with tf.device("CPU"):
            user = tf.constant(ids.tolist(), model.spec.user_column.dtype)
            self.ids = tf.Variable(user, trainable=False)

    @property
    def inputs(self) -> dict[str, Any]:
        """``k`` and the raw item columns."""
        columns = self.model.spec.tensor_specs(self.model.item_columns)
        return {**columns, "k": tf.TensorSpec((), tf.int32, name="k")}

    def __call__(self, k: tf.Tensor, **items: tf.Tensor) -> Tensors:
        """``user_id`` ``(batch, k)`` and ``score`` ``(batch, k)`` float32 cosines."""
        message = f"k is not between 1 and the {self.count} users: choose another."
        checks = [
            tf.debugging.assert_positive(k, message),
            tf.debugging.assert_less_equal(k, self.count, message),
        ]
        k, items = once_checked(checks, (k, items))
        rows, score = nearest(self.model, items, self.vectors, k)
        return {"user_id": tf.gather(self.ids, rows), "score": score}
