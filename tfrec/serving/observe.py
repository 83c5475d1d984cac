"""The signature that takes a user's newest ratings and answers after them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec.layers.inputs import Lookup
from tfrec.models.rank import Wanted, best
from tfrec.serving.checks import assertions, once_checked

Tensors = dict[str, tf.Tensor]
RATINGS, WHEN = "ratings", "seconds"


class Observe:
    """Raw items that users have rated since, to the k best items for them now.

    Nothing is kept: the next request gives them again, or the model has observed them
    and is exported anew. What was rated is not left out of the answer unless
    ``exclude`` names it.

    Args:
        model: A model with ``scores_after``.
        lookup: Of its item ids.
    """

    def __init__(self, model: Any, lookup: Lookup) -> None:
        self.model, self.lookup = model, lookup

    @property
    def inputs(self) -> dict[str, Any]:
        """Raw user ids ``(batch,)``; what they rated, padded, and the ratings.

        ``seconds`` ``(batch,)`` says when, in seconds since 1970.
        """
        spec = self.model.spec
        item = spec.item_column
        return {
            **spec.tensor_specs((spec.user,)),
            item.name: tf.TensorSpec((None, None), item.dtype, name=item.name),
            RATINGS: tf.TensorSpec((None, None), tf.float32, name=RATINGS),
            WHEN: tf.TensorSpec((None,), tf.int64, name=WHEN),
            "k": tf.TensorSpec((), tf.int32, name="k"),
            "exclude": tf.TensorSpec((None, None), item.dtype, name="exclude"),
        }

    def __call__(
        self,
        values: Tensors,
        state: Tensors,
        popularity: tf.Tensor,
        strangers: tf.Tensor,
        ids: tf.Tensor,
    ) -> Tensors:
        """``item_id`` and ``score`` ``(batch, k)``, and ``cold`` ``(batch,)``.

        Args:
            values: By the names of ``inputs``.
            state: The model's ``catalogue_state()``.
            popularity: ``(items,)`` scores for users of whom nothing is known.
            strangers: ``(user table rows,)`` bool, users without an event.
            ids: Raw ids by item index.
        """
        spec = self.model.spec
        column = spec.item_column
        values = once_checked(self._checks(values), values)
        user = self.model.lookup({spec.user: values[spec.user]})[spec.user]
        items = self.lookup(values[column.name])
        scores = self.model.scores_after(
            user, items, values[RATINGS], values[WHEN], state
        )
        cold = tf.gather(strangers, user)
        cold &= tf.reduce_all(items < column.first, axis=1)
        scores = tf.where(cold[:, None], popularity[None], scores)
        anything = tf.zeros([tf.size(user), 1], tf.int32)
        wanted = Wanted(values["k"], self.lookup(values["exclude"]), anything)
        found, score = best(scores, wanted, column.first)
        return {"item_id": tf.gather(ids, found), "score": score, "cold": cold}

    def _checks(self, values: Tensors) -> list[tf.Operation]:
        column = self.model.spec.item_column
        count, k = column.size - column.first, values["k"]
        batch = tf.shape(values[self.model.spec.user])[0]
        rated = tf.shape(values[column.name])
        rows = [tf.shape(values[name])[0] for name in (WHEN, "exclude")]
        checks = [
            (
                tf.reduce_all(rated == tf.shape(values[RATINGS])),
                f"{RATINGS} has not the shape of {column.name}: give one rating for "
                "each item.",
            ),
            (
                tf.reduce_all(tf.math.is_finite(values[RATINGS])),
                f"{RATINGS} holds what is no number: correct it, or leave it out.",
            ),
            (
                tf.reduce_all(tf.stack([rated[0], *rows]) == batch),
                f"{column.name}, {WHEN} and exclude need one row for each user.",
            ),
            (
                (k >= 1) & (k <= count),
                f"k is not between 1 and the {count} items of the catalogue: choose "
                "another.",
            ),
        ]
        return assertions(checks)
