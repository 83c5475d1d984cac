"""Going back to the best epoch, on values that are given; cooling down."""

import numpy as np
import pytest

from tfrec import keras
from tfrec.benchmarks.plateau import BackToBest, cooled


class Model:
    """What the callback touches of a Keras model; its weight counts the epochs."""

    def __init__(self):
        self.optimizer = keras.optimizers.SGD(1.0)
        self.weights, self.stop_training = [np.zeros(1)], False

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = [w.copy() for w in weights]


def trained(values, **kwargs):
    """Epochs until it stops, the weight before each of them, the model."""
    callback, model, before = BackToBest("val_auc", **kwargs), Model(), []
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        before.append(model.weights[0].item())
        model.weights = [np.array([epoch + 1.0])]
        callback.on_epoch_end(epoch, {"val_auc": value})
        if model.stop_training:
            break
    return before, model


def test_an_epoch_that_is_no_better_is_undone_with_smaller_steps():
    before, model = trained([0.6, 0.7, 0.7, 0.8], patience=2)
    assert before == [0, 1, 2, 2]
    assert model.weights[0] == 4
    assert not model.stop_training
    np.testing.assert_allclose(model.optimizer.learning_rate, 0.1)


def test_it_stops_after_misses_in_a_row_with_the_best_weights():
    before, model = trained([0.6, 0.5, 0.7, 0.6, 0.6, 0.9], patience=2)
    assert before == [0, 1, 1, 3, 3]
    assert model.weights[0] == 3


def test_less_can_be_better():
    before, model = trained([0.6, 0.5, 0.55, 0.52], patience=2, lower=True)
    assert before == [0, 1, 2, 2]
    assert model.weights[0] == 2


def test_what_nothing_reports():
    callback = BackToBest("val_ndcg@10", patience=1)
    callback.set_model(Model())
    callback.on_train_begin()
    with pytest.raises(KeyError, match=r"nothing reports 'val_ndcg@10'"):
        callback.on_epoch_end(0, {"loss": 1.0})


def test_the_last_epochs_take_smaller_steps():
    callback, model, rates = cooled(2), Model(), []
    callback.set_model(model)
    for epoch in range(4):
        callback.on_epoch_begin(epoch)
        rates.append(float(model.optimizer.learning_rate))
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1])
