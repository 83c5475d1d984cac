"""Events in turn: predicted, then known."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import models
from tfrec.data.t_batches import runs
from tfrec.evaluation import Evaluator, InTurn, RankingCallback


@pytest.fixture(scope="module")
def parts(data):
    return data.split("temporal", valid=0.2, test=0.2)


def gaps(parts, events):
    """Hours since each user's event before, and the mean ones of training."""
    train, found = parts[0], []
    user, time = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("user", "seconds")
    )
    for u, t, row in events:
        earlier = time[:row][user[:row] == u]
        own = np.diff(np.sort(train.seconds[train.user == u])) / 3_600
        of_all = [
            np.diff(np.sort(train.seconds[train.user == v])) / 3_600
            for v in np.unique(train.user)
        ]
        mean = own.mean() if len(own) else np.concatenate(of_all).mean()
        found.append(((t - earlier.max()) / 3_600 if len(earlier) else np.nan, mean))
    return np.array(found).T


def test_popularity_stays_as_it_was(parts):
    train, valid, test = parts
    model = models.Popularity(train.spec)
    model.compile()
    model.fit(train.batches(model, 64), verbose=0)
    result = Evaluator(test, InTurn(k=5)).evaluate(model)
    counts = train.item_counts[train.spec.item_column.first :]
    own = counts[test.item - train.spec.item_column.first]
    ranks = [
        np.arange(np.sum(counts > count), np.sum(counts >= count)) + 1 for count in own
    ]
    assert result.events == len(test)
    hit = np.mean([np.mean(places <= 5) for places in ranks])
    assert result["hit_rate@5"] == pytest.approx(hit)
    reciprocal = [np.mean((places <= 5) / places) for places in ranks]
    assert result["mrr@5"] == pytest.approx(np.mean(reciprocal))
    assert result.tied == pytest.approx(np.mean([len(p) > 1 for p in ranks]))
    first = len(train) + len(valid)
    rows = zip(test.user, test.seconds, first + np.arange(len(test)), strict=True)
    waited, mean = gaps(parts, rows)
    assert np.isfinite(waited).all()
    error = np.abs(waited - mean).mean()
    assert result["mae_hours"] == pytest.approx(error, rel=1e-6)


def trained(train):
    model = models.DeepCoevolve(train.spec, dim=4, negatives=20, learning_rate=0.02)
    model.compile()
    model.fit(train.batches(model, 64), epochs=3, verbose=0)
    return model


def test_a_model_that_observes_is_shown_each_event_afterwards(parts):
    """Validation first, then a stretch of test after the other, and all is undone."""
    train, valid, test = parts
    model, twin = trained(train), trained(train)
    before = model.get_weights()
    evaluator = Evaluator(test, InTurn(k=5))
    result = evaluator.evaluate(model)
    again = evaluator.evaluate(model)
    assert again.metrics == result.metrics
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    twin.observe(valid)
    place, hours = [], []
    for low, high in runs(test.user, test.item):
        some = test.take(np.arange(low, high))
        query = {
            "user_id/index": tf.constant(some.user),
            "timestamp": tf.constant(some.seconds),
        }
        scores = twin.catalogue_scores(query, twin.catalogue_state()).numpy()
        own = scores[np.arange(len(some)), some.item - train.spec.item_column.first]
        place += list(np.sum(scores >= own[:, None], axis=1) - 1)
        hours += list(twin.next_hours(query, twin.catalogue_state()).numpy())
        twin.observe(some)
    assert result["hit_rate@5"] == pytest.approx(np.mean(np.array(place) < 5), abs=0.02)
    first = len(train) + len(valid)
    rows = zip(test.user, test.seconds, first + np.arange(len(test)), strict=True)
    waited, _ = gaps(parts, rows)
    error = np.abs(waited - hours).mean()
    assert result["mae_hours"] == pytest.approx(error, rel=1e-2)


def test_it_watches_training(parts):
    train, valid, _ = parts
    model = models.DeepCoevolve(train.spec, dim=4, negatives=20)
    model.compile()
    watch = RankingCallback(valid, InTurn(k=5), metrics=("mrr", "mae_hours"))
    logs = model.fit(
        train.batches(model, 64), epochs=2, callbacks=[watch], verbose=0
    ).history
    assert len(logs["val_mrr@5"]) == len(logs["val_mae_hours"]) == 2


def test_events_without_a_past_are_refused(parts):
    train, _, _ = parts
    with pytest.raises(ValueError, match="has no times, or no past"):
        Evaluator(train, InTurn()).evaluate(trained(train))


def test_k_is_a_positive_number():
    with pytest.raises(ValueError, match="k=0 must be a positive whole number"):
        InTurn(k=0)
