"""Labels that the target can be, and those it cannot."""

import dataclasses
import math

import numpy as np
import pytest

from tfrec.data import tfrecord
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.data.views import Pairs
from tfrec.models import registry
from tfrec.models.ranking.logistic_regression import LogisticRegression

MISTAKEN = "label 'rating' has the value 3 and log loss takes 0 and 1: set negatives=4"
NO_POSITIVE = "2 of 600 events have 'rating' 0 and are no positives to draw negatives"


def labelled(data, values):
    columns = {**data.columns, "rating": np.asarray(values, np.float32)}
    return dataclasses.replace(data, columns=columns)


@pytest.fixture(scope="module")
def clicks(data):
    return labelled(data, data.label > 3)


def test_a_rating_is_no_click(data):
    values = np.ones(600)
    values[-1] = 3
    ratings = labelled(data, values)
    with pytest.raises(ValueError, match=MISTAKEN):
        ratings.batches(Pairs(binary=True), 64)
    with pytest.raises(ValueError, match=MISTAKEN):
        ratings.batches(LogisticRegression(data.spec, negatives=0), 64)
    # As a rating, or as an event against drawn items, it is welcome.
    ratings.batches(Pairs(), 64)
    ratings.batches(Pairs(4, binary=True), 64)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["matrix_factorization", "bias_baseline"])
def test_what_is_no_number_is_no_rating(data, name, value):
    values = data.label.copy()
    values[[7, 9]] = value
    ratings = labelled(data, values)
    options = {"objective": "rating"} if name == "matrix_factorization" else {}
    model = registry.get(name)(data.spec, **options)
    message = f"2 of 600 values of 'rating' in small .* first in row 7 .{value:g}"
    for _ in range(2):  # the model has not learned it by the first attempt
        with pytest.raises(ValueError, match=message):
            ratings.batches(model, 64)
    kept = ratings.take(np.isfinite(ratings.label))
    features, _ = next(iter(kept.batches(model, 64)))
    assert np.isfinite(model(features)).all()
    ratings.batches(Pairs(2), 64)  # against drawn items the label is not read


def test_what_was_not_clicked_is_no_positive(data):
    values = np.ones(600)
    values[[5, 9]] = 0
    with pytest.raises(ValueError, match=NO_POSITIVE):
        labelled(data, values).batches(Pairs(4), 64)
    with pytest.raises(ValueError, match=NO_POSITIVE):
        labelled(data, values).batches(LogisticRegression(data.spec), 64)
    labelled(data, np.ones(600)).batches(Pairs(4), 64)
    values[0] = 5  # stars from 0 to 5 are ratings, and every one of them an event
    labelled(data, values).batches(Pairs(4), 64)


def test_clicks_are_learned(clicks):
    batches = clicks.batches(Pairs(binary=True), 100, shuffle=False)
    target = np.concatenate([target for _, target in batches])
    np.testing.assert_array_equal(target, clicks.label)
    model = LogisticRegression(clicks.spec, negatives=0, learning_rate=0.05)
    model.compile()
    history = model.fit(clicks.batches(model, 64), epochs=8, verbose=0).history
    losses = history["loss"]
    assert math.isfinite(losses[-1]) and losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("highest", [1, 3])
def test_labels_on_disk(tmp_path, highest):
    lines = [f"u{n % 5},i{n % 7},{highest * (n % 2)}" for n in range(60)]
    file = tmp_path / "events.csv"
    file.write_text("\n".join(["user,item,rating", *lines]))
    mapping = Mapping("user", "item", "rating")
    prepare(file, tmp_path / "out", mapping, "random", valid=0.1, test=0.1)
    records = tfrecord.open(tmp_path / "out")
    if highest == 1:
        targets = [target for _, target in records.batches(Pairs(binary=True), 8)]
        assert set(np.concatenate(targets)) == {0.0, 1.0}
        with pytest.raises(ValueError, match="are no positives"):
            records.batches(Pairs(2), 8)
    else:
        with pytest.raises(ValueError, match=MISTAKEN):
            records.batches(Pairs(binary=True), 8)
