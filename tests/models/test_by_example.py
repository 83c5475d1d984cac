"""Keras's own ways of training: weights of examples and classes, single batches."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.models.factorization.matrix_factorization import MatrixFactorization
from tfrec.models.ranking.gmf import GMF
from tfrec.models.retrieval.two_tower import TwoTower


@pytest.fixture
def batch(data):
    features, target = next(iter(data.batches(GMF(data.spec, negatives=3), 40)))
    return features, target


def losses(model: GMF, batch) -> np.ndarray:
    features, target = batch
    logit = model(features).numpy()
    return np.logaddexp(0, logit) - target.numpy() * logit


@pytest.mark.parametrize("eager", [True, False])
def test_examples_have_weights(data, batch, eager):
    model = GMF(data.spec, dim=4)
    model.compile(run_eagerly=eager, metrics=["mae"], weighted_metrics=["mse"])
    weight = np.random.default_rng(0).uniform(0, 2, 40)
    each, logit = losses(model, batch), model(batch[0]).numpy()
    found = model.test_on_batch(*batch, weight, return_dict=True)
    assert found["loss"] == pytest.approx(np.mean(weight * each), rel=1e-5)
    error = logit - batch[1].numpy()
    assert found["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    expected = np.average(error**2, weights=weight)
    assert found["mse"] == pytest.approx(expected, rel=1e-5)


def test_classes_have_weights(data, batch):
    """Positives alone: rows that occur only as negatives stay where they are."""
    model = GMF(data.spec, dim=4)
    model.compile(run_eagerly=True)
    before = model.item_table(tf.range(32)).numpy()
    features, target = batch
    dataset = tf.data.Dataset.from_tensors((features, target))
    model.fit(dataset, class_weight={0: 0.0, 1: 5.0}, verbose=0)
    after = model.item_table(tf.range(32)).numpy()
    changed = np.flatnonzero((before != after).any(axis=1))
    positive = features["movie_id/index"].numpy()[target.numpy() == 1]
    assert set(changed) == set(positive)


def test_weights_in_the_data_set_reach_fit(data, batch):
    model = MatrixFactorization(data.spec, objective="rating", dim=4, l2=0.0)
    model.compile(keras.optimizers.SGD(0.1))
    features, target = batch
    weight = tf.cast(tf.range(40) < 5, tf.float32)
    dataset = tf.data.Dataset.from_tensors((features, target, weight))
    before = model.user_bias(tf.range(42)).numpy()
    model.fit(dataset, verbose=0)
    changed = np.flatnonzero((before != model.user_bias(tf.range(42)))[:, 0])
    assert set(changed) == set(features["user_id/index"].numpy()[:5])


@pytest.mark.parametrize("cls", [GMF, TwoTower])
def test_a_single_batch_is_a_single_step_and_fit_goes_on_in_many(data, cls):
    model = cls(data.spec, dim=4)
    batches = data.batches(model, 64).cache()
    first = next(iter(batches))
    first = first if isinstance(first, tuple) else (first,)
    model.compile()
    before = model.test_on_batch(*first)
    for step in range(3):
        model.train_on_batch(*first)
        assert int(model.optimizer.iterations) == step + 1
    assert model.test_on_batch(*first) < before
    assert model.predict_on_batch(first[0]).shape == (64,)
    model.fit(batches, verbose=0)
    assert int(model.optimizer.iterations) == 3 + int(batches.cardinality())


def test_an_uncompiled_model_is_refused_as_ever(data, batch):
    with pytest.raises(RuntimeError, match="must compile your model"):
        GMF(data.spec).train_on_batch(*batch)


def test_validation_data_callbacks_and_metrics_work(data):
    model = GMF(data.spec, dim=4)
    train, valid, _ = data.split("random", valid=0.2)
    model.compile(metrics=[keras.metrics.AUC(from_logits=True, name="auc")])
    stop = keras.callbacks.EarlyStopping("val_auc", mode="max", patience=1)
    history = model.fit(
        train.batches(model, 256),
        validation_data=valid.batches(model, 256, shuffle=False),
        epochs=2,
        callbacks=[stop],
        verbose=0,
    ).history
    assert set(history) == {"loss", "auc", "val_loss", "val_auc"}
    assert np.isfinite(history["val_loss"]).all()


@pytest.mark.parametrize("name", ["train_step", "test_step"])
def test_a_step_is_traced_once(data, monkeypatch, name):
    traced, step = [], getattr(GMF, name)

    def counted(self, batch):
        traced.append(batch)
        return step(self, batch)

    monkeypatch.setattr(GMF, name, counted)
    model = GMF(data.spec, dim=4)
    model.compile()
    batches = data.batches(model, 512)
    steps = 2 * int(batches.cardinality())
    assert steps > 2
    model.fit(batches, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == steps
    model.fit(batches, epochs=1, verbose=0)
    for _ in range(2):
        model.evaluate(batches, verbose=0)
    assert len(traced) == 1


class Branching(GMF):
    def call(self, features, training=None):
        score = super().call(features, training)
        if tf.reduce_sum(score) > 1e9:
            score = -score
        return score


def test_a_model_of_ones_own_may_branch_on_tensors(data):
    model = Branching(data.spec, dim=4)
    batches = data.batches(model, 512)
    model.compile()
    assert model.fit(batches, verbose=0).history["loss"][0] > 0
    assert model.evaluate(batches, verbose=0) > 0
    assert model.predict(batches, verbose=0).shape[0] > 0


def test_an_error_in_a_step_is_told_as_it_is(data, monkeypatch):
    def broken(self, batch):
        raise ValueError("these shapes do not fit")

    monkeypatch.setattr(GMF, "train_step", broken)
    model = GMF(data.spec, dim=4)
    model.compile()
    with pytest.raises(ValueError, match="these shapes do not fit"):
        model.fit(data.batches(model, 512), verbose=0)
