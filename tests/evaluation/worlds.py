"""A model whose scores are given, and data from a list of events."""

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.views import Pairs
from tfrec.features import Categorical, FeatureSpec
from tfrec.models.base import Recommender

ITEMS = tuple("abcdef")
USERS = ("ann", "bob", "cat", "dan")


class FromScores(Recommender):
    """Scores looked up in a matrix: row = user in the vocabulary, column = item."""

    paper = "none"
    objective = "none"

    def give(self, matrix: np.ndarray) -> "FromScores":
        self.matrix = tf.constant(matrix, tf.float32)
        return self

    def view(self) -> Pairs:
        return Pairs()

    def call(self, features, training=None):
        user = features["user_id/index"] - self.spec.user_column.first
        item = features["item_id/index"] - self.spec.item_column.first
        return tf.gather_nd(self.matrix, tf.stack([user, item], 1))

    def catalogue_state(self):
        return {"matrix": self.matrix}

    def catalogue_scores(self, features, state):
        row = features["user_id/index"] - self.spec.user_column.first
        return tf.gather(state["matrix"], tf.maximum(row, 0))


def spec_of(users: tuple[str, ...], items: tuple[str, ...]) -> FeatureSpec:
    return FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=users),
            Categorical("item_id", "item", vocabulary=items),
        ),
        label="rating",
    )


def events(spec: FeatureSpec, rows: list[tuple], **kwargs) -> Interactions:
    """Events from (user, item, rating) with raw ids."""
    user, item, rating = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {
        "user_id": spec.encode("user_id", np.array(user, object)),
        "item_id": spec.encode("item_id", np.array(item, object)),
        "rating": np.array(rating, np.float32),
    }
    return Interactions(spec, columns, **kwargs)
