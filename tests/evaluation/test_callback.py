"""Ranking metrics in the logs of ``fit``, where other callbacks see them."""

import copy
import math

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.evaluation import (
    BinaryClassification,
    Evaluator,
    FullRanking,
    RankingCallback,
    RatingPrediction,
    SampledNegatives,
)
from tfrec.evaluation.callback import monitored
from tfrec.models.factorization.matrix_factorization import MatrixFactorization
from tfrec.models.ranking.gmf import GMF


class Record(keras.callbacks.Callback):
    """Keeps a copy of the logs it is handed."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))


@pytest.fixture(scope="module")
def parts(data):
    return data.split("random", seed=3)


@pytest.fixture(scope="module")
def fit(parts):
    """Trains one model, compiled once, from its first weights; model and history."""
    model = GMF(parts[0].spec, learning_rate=1e-2)
    model.compile()
    batches = parts[0].batches(model, 256)
    start = model.get_weights()

    def run(callbacks, epochs=3, learning_rate=1e-2):
        model.set_weights(start)
        model.optimizer.build(model.trainable_variables)
        for variable in model.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        model.optimizer.learning_rate = learning_rate
        history = model.fit(batches, epochs=epochs, callbacks=callbacks, verbose=0)
        return model, history.history

    return run


def test_later_callbacks_and_history_see_the_metrics(parts, fit):
    before, after = Record(), Record()
    ranking = RankingCallback(parts[1])
    model, history = fit([before, ranking, after])
    assert set(history) == {"loss", "val_recall@10", "val_ndcg@10"}
    assert len(history["val_ndcg@10"]) == 3
    assert [set(logs) for logs in before.logs] == [{"loss"}] * 3
    assert [logs["val_ndcg@10"] for logs in after.logs] == history["val_ndcg@10"]
    # The last epoch's are those of the trained model.
    result = Evaluator(parts[1]).evaluate(model)
    assert history["val_ndcg@10"][-1] == result["ndcg@10"]
    assert [epoch for epoch, _ in ranking.results] == [1, 2, 3]


def test_early_stopping_and_checkpoints_act_on_them(parts, fit, tmp_path):
    stop = keras.callbacks.EarlyStopping("val_ndcg@10", mode="max", patience=2)
    best = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "best.keras"), "val_ndcg@10", mode="max", save_best_only=True
    )
    # Without learning nothing improves on the first epoch.
    _, history = fit([RankingCallback(parts[1]), stop, best], 9, 1e-30)
    assert len(history["val_ndcg@10"]) == 3
    assert stop.stopped_epoch == 2
    assert best.best == history["val_ndcg@10"][0]
    assert (tmp_path / "best.keras").exists()


def test_early_stopping_waits_while_they_improve(parts, fit):
    class Improve(keras.callbacks.Callback):
        """Two epochs that help, then one that destroys what was learned."""

        def on_epoch_end(self, epoch, logs=None):
            scale = 1.0 if epoch < 2 else -1.0
            held_out = parts[1]
            user, item = self.model.user_table, self.model.item_table
            user.embeddings.assign(tf.ones_like(user.embeddings))
            shown = np.zeros(item.embeddings.shape, np.float32)
            # The first epoch finds a third of the events, the second all of them.
            known = held_out.item[: len(held_out) // (3 if epoch == 0 else 1)]
            shown[known] = scale
            item.embeddings.assign(shown)
            self.model.output_layer.kernel.assign(
                tf.ones_like(self.model.output_layer.kernel)
            )

    stop = keras.callbacks.EarlyStopping("val_ndcg@10", mode="max", patience=1)
    _, history = fit([Improve(), RankingCallback(parts[1]), stop], 40)
    first, second, third = history["val_ndcg@10"]
    assert first < second > third


def test_measuring_now_and_then(parts, fit):
    ranking = RankingCallback(parts[1], every=2)
    _, history = fit([ranking], 5)
    assert len(history["val_ndcg@10"]) == 2
    assert [epoch for epoch, _ in ranking.results] == [2, 4]


def test_the_graph_is_kept_over_epochs(parts, fit, monkeypatch):
    traces = []
    original = GMF.catalogue_scores

    def counted(self, features, state):
        traces.append(1)
        return original(self, features, state)

    monkeypatch.setattr(GMF, "catalogue_scores", counted)
    fit([RankingCallback(parts[1])], 4)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("protocol", "metrics", "names"),
    [
        (FullRanking(k=(3, 5)), (), ["ndcg@3", "ndcg@5", "recall@3", "recall@5"]),
        (FullRanking(k=3), ("mrr", "coverage"), ["coverage@3", "mrr@3"]),
        (SampledNegatives(k=3, negatives=8), (), ["hit_rate@3", "ndcg@3"]),
        (RatingPrediction(), (), ["mae", "rmse"]),
    ],
)
def test_other_protocols_and_metrics(parts, fit, protocol, metrics, names):
    _, history = fit([RankingCallback(parts[1], protocol, metrics=metrics)], 1)
    assert sorted(history) == ["loss", *(f"val_{name}" for name in names)]


def test_errors_are_to_fall_and_all_else_to_rise():
    assert monitored(RatingPrediction()) == ("val_rmse", "min")
    assert monitored(BinaryClassification()) == ("val_auc", "max")
    assert monitored(FullRanking(k=(20, 5))) == ("val_ndcg@20", "max")


def test_ranking_beside_validation_data(parts):
    model = MatrixFactorization(parts[0].spec, objective="rating")
    model.compile()
    history = model.fit(
        parts[0].batches(model, 64),
        validation_data=parts[1].batches(model, 64),
        callbacks=[RankingCallback(parts[1], RatingPrediction())],
        verbose=0,
    ).history
    assert {"val_loss", "val_rmse"} <= set(history)
    assert math.isfinite(history["val_rmse"][0])


def test_a_copy_shares_the_data_and_nothing_else(parts):
    # keras-tuner copies the callbacks for each trial.
    ranking = RankingCallback(parts[1], FullRanking(k=3), 2, ("mrr",))
    twin = copy.deepcopy(ranking)
    assert twin is not ranking
    assert twin.evaluator is not ranking.evaluator
    assert twin.evaluator.data is parts[1]
    assert (twin.evaluator.protocol, twin.every) == (FullRanking(k=3), 2)
    assert twin.metrics == ("mrr",)


def test_refusals(parts, fit):
    with pytest.raises(ValueError, match="every=0 epochs"):
        RankingCallback(parts[1], every=0)
    with pytest.raises(ValueError, match="no metric 'ndgc'; did you mean 'ndcg'"):
        fit([RankingCallback(parts[1], metrics=("ndgc",))])
    with pytest.raises(ValueError, match=r"k=31 is not between 1 and .* 30 items"):
        fit([RankingCallback(parts[1], FullRanking(k=31))])


def test_a_diverged_training_says_so(parts, fit):
    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for variable in self.model.trainable_variables:
                variable.assign(np.full(variable.shape, np.nan))

    with pytest.raises(ValueError, match="has training diverged"):
        fit([Spoil(), RankingCallback(parts[1])])
