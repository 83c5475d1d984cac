"""Ratings as one of a few values: their distribution given hidden units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec.data.rows import Rows
from tfrec.errors import DataError
from tfrec.models.autoencoders._ratings import FromRatings, in_groups

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

Tensors = dict[str, tf.Tensor]
NEVER = -1e9  # log probability of a rating value that does not occur


class FromRatingValues(FromRatings):
    """Models with softmax units over the rating values of the data.

    A subclass has ``config.levels``, the most values there may be, ``weights_table``
    ``(other side, levels, hidden)`` and ``bias`` ``(other side, levels)``. Where
    nothing is known of the row or of the other side, the shares of the values among all
    ratings answer.
    """

    pair_outputs = ("distribution",)
    weights_table: tf.Variable
    bias: tf.Variable

    def hidden_of(self, rows: tf.Tensor) -> tf.Tensor:
        """Hidden units of ``(batch,)`` rows, ``(batch, hidden)``."""
        raise NotImplementedError

    def known_rows(self, rows: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` bool: something is known of the row."""
        raise NotImplementedError

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        options: dict[str, Any] = {"trainable": False, "initializer": "zeros"}
        options["experimental_autocast"] = False
        shape = (self.config.levels,)
        self.ratings = self.add_weight("ratings", shape, **options)
        self.log_share = self.add_weight("log_share", shape, **options)

    def adapt(self, data: Interactions) -> None:
        """Takes over the rows and, the first time, the rating values and their shares.

        Raises:
            ValueError: No label, more rating values than ``levels``, or one that there
                is no unit for.
        """
        fresh, levels = not self.adapted, self.config.levels
        if fresh:
            self._check(data, levels)
        super().adapt(data)
        if fresh:
            found = np.asarray(self.rated.matrix.rating)
            values, counts = np.unique(found, return_counts=True)
            unused = (0, levels - len(values))
            self.ratings.assign(np.pad(values, unused))
            share = np.log(counts / counts.sum())
            self.log_share.assign(np.pad(share, unused, constant_values=NEVER))

    def _check(self, data: Interactions, levels: int) -> None:
        if data.spec.label is None:
            return  # refused later, as by every model of ratings
        count = len(np.unique(data.label[np.isfinite(data.label)]))
        if count > levels:
            raise DataError(
                f"{data.name} has {count} rating values and the model room for "
                f"{levels}: set levels={count}, or round them."
            )

    def view(self) -> Rows:
        """A row of ratings for each user, or for each item."""
        rating = self.rated.matrix.rating
        if rating is None or not len(rating):
            return Rows(self.side)
        count = int(np.sum(self.log_share.numpy() > NEVER))
        return Rows(self.side, labels=tuple(self.ratings.numpy()[:count].tolist()))

    def units_of(self, ratings: tf.Tensor) -> tf.Tensor:
        """``(n,)`` ratings to the place of each among the rating values."""
        used = tf.where(self.log_share > NEVER, self.ratings, np.inf)
        return tf.searchsorted(used, ratings)

    def _probabilities(self, inputs: Tensors) -> tf.Tensor:
        """``p(v_i = k)`` of looked-up pairs, ``(batch, levels)``."""
        own, other = (inputs[column.name] for column in self.sides)
        distinct, place = tf.unique(own)
        hidden, there = self.hidden_of(distinct), self.known_rows(distinct)

        def some(rows: tf.Tensor) -> tf.Tensor:
            chosen, near = tf.gather(place, rows), tf.gather(other, rows)
            weights = tf.gather(self.weights_table, near)
            logits = tf.linalg.matvec(weights, tf.gather(hidden, chosen))
            logits += tf.gather(self.bias, near)
            known = tf.gather(self.rated.held["counts"], near) > 0
            known &= tf.gather(there, chosen)
            return tf.nn.softmax(tf.where(known[:, None], logits, 0) + self.log_share)

        size = self.config.levels * self.config.hidden
        return in_groups(some, tf.size(own), tf.constant(size), self.config.levels)

    def distribution(self, features: Tensors) -> Tensors:
        """What the ratings of pairs may be.

        Args:
            features: Ids ``(batch,)`` each.

        Returns:
            ``score``: ``(batch,)`` expected ratings; ``probability``: ``(batch,
            values)`` of each rating value, summing to 1; ``rating``: those values,
            ascending, ``(batch, values)``.
        """
        found = self._probabilities(self.lookup(features))
        count = tf.math.count_nonzero(self.log_share > NEVER)
        rating = tf.repeat(self.ratings[None, :count], tf.shape(found)[0], axis=0)
        score = tf.linalg.matvec(found, self.ratings)
        return {"score": score, "probability": found[:, :count], "rating": rating}

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Expected ratings ``(batch,)``."""
        return tf.linalg.matvec(
            self._probabilities(self.lookup(features)), self.ratings
        )

    def catalogue_state(self) -> Tensors:
        """W and b of all items, or ``p(h_j = 1 | v, r)`` of the items' rows."""
        column = self.spec.item_column
        items = tf.range(column.first, column.size)
        if self.side == "item":
            return {"hidden": self.hidden_of(items), "known": self.known_rows(items)}
        return {
            "weights": self.weights_table[column.first :],
            "bias": self.bias[column.first :],
            "known": self.rated.held["counts"][column.first :] > 0,
        }

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Expected ratings of all items."""
        users = self.lookup(features)[self.spec.user]
        items = tf.shape(state["known"])[0]

        def some(rows: tf.Tensor) -> tf.Tensor:
            chosen = tf.gather(users, rows)
            if self.side == "user":
                hidden = self.hidden_of(chosen)
                logits = tf.einsum("uj,ikj->uik", hidden, state["weights"])
                logits += state["bias"]
                there = self.known_rows(chosen)
            else:
                weights = tf.gather(self.weights_table, chosen)
                logits = tf.einsum("ukj,ij->uik", weights, state["hidden"])
                logits += tf.gather(self.bias, chosen)[:, None]
                there = tf.gather(self.rated.held["counts"], chosen) > 0
            known = there[:, None] & state["known"]
            logits = tf.where(known[..., None], logits, 0.0) + self.log_share
            return tf.linalg.matvec(tf.nn.softmax(logits), self.ratings)

        column = self.spec.item_column
        count = column.size - column.first
        return in_groups(some, tf.size(users), items * self.config.levels, count)


def log_losses(logits: tf.Tensor, units: tf.Tensor) -> tf.Tensor:
    """``(n, levels)`` logits and ``(n,)`` true levels to ``-log p``, ``(n,)``."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(units, logits)
