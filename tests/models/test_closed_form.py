"""Models that are solved for inside ``fit``: callbacks, failures, replicas, views."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.data.interactions import Interactions
from tfrec.data.persons import Persons
from tfrec.data.views import Pairs
from tfrec.evaluation import RankingCallback
from tfrec.features import Categorical, FeatureSpec
from tfrec.models import EASE, BiasBaseline, ImplicitALS, ItemKNN, Popularity, registry
from tfrec.models.baselines._views import BothSides, Together, Twice

BASELINES = ("bias_baseline", "ease", "implicit_als", "item_knn", "popularity")


def learned(name, strategy, data):
    """Losses and weights of two epochs."""
    with strategy.scope():
        model = registry.get(name)(data.spec)
        model.compile(steps_per_execution=1)
    batches = data.batches(model, 64, shuffle=False)
    losses = model.fit(batches, epochs=2, verbose=0).history["loss"]
    return losses, [values for values in model.get_weights() if values.size > 1]


@pytest.mark.parametrize("name", BASELINES)
def test_two_replicas_learn_what_one_device_learns(name, data, two_replicas):
    losses, weights = learned(name, tf.distribute.get_strategy(), data)
    other_losses, others = learned(name, two_replicas, data)
    np.testing.assert_allclose(other_losses, losses, rtol=1e-4)
    assert any(np.any(values) for values in weights)
    for values, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(other, values, rtol=1e-3, atol=1e-5)


def test_callbacks_see_the_solution_wherever_they_are_given(data):
    """Positional callbacks, as Keras allows them, and the loss in their logs."""
    train, valid, _ = data.split("temporal")
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((logs["loss"], float(np.sum(self.model.counts))))

    model = Popularity(data.spec)
    model.compile()
    ranking = RankingCallback(valid)
    batches = train.batches(model, 64)
    model.fit(batches, None, None, 2, 0, [ranking, Watch()])
    assert [count for _, count in seen] == [len(train)] * 2
    assert seen[0][0] > 0
    assert ranking.results[0][1]["ndcg@10"] == ranking.results[1][1]["ndcg@10"] > 0


def test_a_fit_that_fails_leaves_nothing_behind(data):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model = EASE(data.spec, regularisation=5.0)
    model.compile()
    batches = data.batches(model, 8)
    with pytest.raises(KeyboardInterrupt):
        model.fit(batches, callbacks=[Stop()], verbose=0)
    assert model.sums is None
    assert not np.any(model.item_weights)
    model.fit(batches, verbose=0)
    fresh = EASE(data.spec, regularisation=5.0)
    fresh.compile()
    fresh.fit(batches, verbose=0)
    np.testing.assert_array_equal(model.item_weights, fresh.item_weights)


def test_sums_are_no_weights(data):
    model = BiasBaseline(data.spec)
    model.compile()
    vectors = []

    class Vectors(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            vectors.append([v.name for v in self.model.weights if v.shape.rank])

    model.fit(data.batches(model, 64), callbacks=[Vectors()], verbose=0)
    assert vectors[0] == ["user_bias:0", "item_bias:0"]


@pytest.mark.parametrize("batch_size", [1, 7, 4096])
def test_together_counts_users_of_both(data, batch_size):
    spec = data.spec
    matrix = np.zeros((spec.user_column.size, spec.item_column.size))
    matrix[data.user, data.item] = 1
    matrix = matrix[spec.user_column.first :, spec.item_column.first :]
    blocks = Together().batches(data, batch_size)
    parts = list(blocks.as_numpy_iterator())
    assert len(parts) == int(blocks.cardinality()) == -(-30 // min(batch_size, 30))
    joined = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    np.testing.assert_array_equal(joined["column"], np.arange(30))
    np.testing.assert_array_equal(joined["together"], matrix.T @ matrix)
    np.testing.assert_array_equal(joined["counts"], np.tile(matrix.sum(0), (30, 1)))
    np.testing.assert_array_equal(joined["users"], [40.0] * 30)


def test_twice_is_every_event_once_in_each_pass(data):
    once = Pairs().batches(data, 64)
    batches = Twice().batches(data, 64)
    assert int(batches.cardinality()) == 2 * int(once.cardinality())
    rows = [
        (
            int(f["second"][r]),
            int(f["user_id/index"][r]),
            int(f["movie_id/index"][r]),
            y,
        )
        for f, target in batches.as_numpy_iterator()
        for r, y in enumerate(target)
    ]
    passes = [sorted(row[1:] for row in rows if row[0] == n) for n in (0, 1)]
    events = sorted(zip(data.user, data.item, data.label, strict=True))
    assert passes[0] == passes[1] == events
    assert [row[0] for row in rows] == [0] * len(data) + [1] * len(data)


@pytest.mark.parametrize("view", [Together(), BothSides(8, 64)])
def test_views_of_the_matrix_need_the_events_in_memory(view, data):
    class Stream:
        spec = data.spec

    with pytest.raises(ValueError, match="need the events in memory: load them"):
        view.batches(Stream(), 8)
    with pytest.raises(ValueError, match="no events"):
        view.batches(data.take(np.arange(0)), 8)


def test_of_a_bucket_of_hashed_users_nothing_is_known(data):
    """It is many people, and what they took is not what one of them took."""
    user = data.spec.user_column
    hashed = type(user)(user.name, user.side, hash_bins=40)
    spec = FeatureSpec((hashed, data.spec.item_column), item="movie_id")
    model = EASE(spec)
    model.taken.catalogue.arrays = {
        "start": np.append([0, 0], np.arange(1, 41)),
        "seen": np.full(40, 3, np.int32),
    }
    cold = model.cold(
        {"user_id/index": np.arange(0, 41, dtype=np.int32)}, np.zeros(41, bool)
    )
    assert cold.numpy().all()


def test_items_are_taken_together_by_a_person_and_not_by_a_bucket(data):
    hashed = Categorical("user_id", "user", hash_bins=1)
    spec = FeatureSpec((hashed, data.spec.item_column), item="movie_id")
    users = np.ones(3, np.int32)
    columns = {"user_id": users, "movie_id": np.array([2, 3, 4], np.int32)}
    persons = Persons.of(hashed, users, np.array([8, 8, 9]))
    two = Interactions(spec, columns, persons=persons)
    batch = next(iter(two.batches(Together(), 4)))
    np.testing.assert_array_equal(
        batch["together"][:3, :3], [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    )
    assert batch["users"][0] == 2


@pytest.mark.parametrize("model", [EASE, ImplicitALS, ItemKNN])
def test_hashed_items_are_refused(model, data):
    item = data.spec.item_column
    hashed = type(item)(item.name, item.side, hash_bins=40)
    with pytest.raises(
        ValueError, match=r"'movie_id' is hashed.* give it a vocabulary"
    ):
        model(data.spec.replace(hashed))
