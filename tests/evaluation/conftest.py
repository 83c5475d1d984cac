"""A tiny world whose metrics can be worked out by hand, and a larger random one."""

from collections.abc import Callable

import numpy as np
import pytest
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


@pytest.fixture(scope="session")
def tiny() -> Interactions:
    """Test events with their past.

    ann has taken a and is asked for b, c and (again) a; bob has taken a, b and is asked
    for f; cat has no past and is asked for a; dan has taken c and is asked for nothing
    but an item outside the vocabulary. eve is outside the vocabulary.
    """
    spec = spec_of(USERS, ITEMS)
    past = events(
        spec, [("ann", "a", 5), ("bob", "a", 4), ("bob", "b", 2), ("dan", "c", 3)]
    )
    test = [
        ("ann", "b", 5),
        ("ann", "c", 2),
        ("ann", "a", 4),
        ("bob", "f", 3),
        ("cat", "a", 5),
        ("dan", "zzz", 4),
        ("eve", "b", 1),
        ("ann", "b", 5),
    ]
    return events(spec, test, past=past, train=past, name="tiny")


@pytest.fixture(scope="session")
def from_scores() -> Callable[..., FromScores]:
    def make(data: Interactions, matrix) -> FromScores:
        return FromScores(data.spec).give(np.asarray(matrix, np.float32))

    return make


@pytest.fixture(scope="session")
def tiny_model(tiny, from_scores) -> FromScores:
    """Scores fall with the item, so all users are recommended a, b, c, ..."""
    return from_scores(tiny, np.tile(np.arange(6, 0, -1), (4, 1)))


@pytest.fixture(scope="session")
def world() -> Interactions:
    """Random events of 60 users on 50 items, 12 users of them without a past."""
    rng = np.random.default_rng(0)
    users = tuple(f"u{n}" for n in range(60))
    items = tuple(f"i{n}" for n in range(50))
    spec = spec_of(users, items)

    def draw(first: int, n: int) -> list[tuple]:
        pick = rng.integers(first, 60, n), rng.integers(0, 50, n), rng.integers(1, 6, n)
        return [(users[u], items[i], r) for u, i, r in zip(*pick, strict=True)]

    past = events(spec, draw(12, 500))
    return events(spec, draw(0, 400), past=past, train=past, name="world")
