"""Labels that the target can be, and those it cannot."""

import dataclasses
import math
import warnings

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import tfrecord
from tfrec.data.histories import histories as histories_of
from tfrec.data.interactions import Interactions
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.data.views import Pairs, Positives
from tfrec.data.weighted import WeightedPairs
from tfrec.datasets import from_file
from tfrec.features import Categorical, FeatureSpec
from tfrec.models import load, registry
from tfrec.models.baselines.popularity import Popularity
from tfrec.models.factorization.matrix_factorization import MatrixFactorization
from tfrec.models.ranking.logistic_regression import LogisticRegression

MISTAKEN = "label 'rating' has the value 3 and log loss takes yes and no: say with min_"


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
    loose = ratings.with_min_label(1)
    with pytest.raises(ValueError, match="is 1 or more in every event, and log loss"):
        loose.batches(Pairs(binary=True), 64)
    # With an event below the rule, as a rating or against drawn items it is welcome.
    ratings.with_min_label(2).batches(Pairs(binary=True), 64)
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
    for low in (0, -1):
        values = np.ones(600)
        values[[5, 9]] = low
        clicks = labelled(data, values)
        assert np.flatnonzero(~clicks.positive).tolist() == [5, 9]
        for learner in (Pairs(4), LogisticRegression(data.spec), Positives()):
            batches = clicks.batches(learner, 64)
            positive = 0
            for batch in batches:
                features, target = batch if isinstance(batch, tuple) else (batch, None)
                users = features["user_id/index"]
                positive += len(users) if target is None else np.sum(target)
            assert positive == 598


def test_a_rule_makes_clicks_of_ratings(data):
    ruled = data.with_spec(dataclasses.replace(data.spec, min_label=4))
    batches = ruled.batches(Pairs(binary=True), 100, shuffle=False)
    target = np.concatenate([target for _, target in batches])
    np.testing.assert_array_equal(target, data.label >= 4)
    weighted = ruled.batches(WeightedPairs(), 100, shuffle=False)
    _, target, weight = (np.concatenate(part) for part in _columns(weighted))
    np.testing.assert_array_equal(target, data.label >= 4)
    np.testing.assert_array_equal(weight, np.where(data.label >= 4, data.label, 1))


def test_yes_and_no_are_amounts_too(data):
    clicks = labelled(data, np.where(data.label > 3, 1, -1))
    for negatives in (0, 2):
        batches = clicks.batches(WeightedPairs(negatives), 100)
        _, target, weight = (np.concatenate(part) for part in _columns(batches))
        assert target.sum() == np.sum(data.label > 3)
        assert (weight == 1).all()


def test_a_no_that_the_rule_takes_for_a_yes_has_no_weight(data):
    clicks = labelled(data, np.where(data.label > 3, 1, -1))
    everything = dataclasses.replace(clicks.spec, min_label=-1)
    with pytest.raises(ValueError, match="value -1 and a weight cannot be negative"):
        clicks.with_spec(everything).batches(WeightedPairs(), 100)


def _columns(batches):
    triples = [(f["user_id/index"], target, weight) for f, target, weight in batches]
    return zip(*triples, strict=True)


def test_what_is_done_with_stars_is_said_in_one_line(data):
    said = "every event of a 'rating' above 0 is learned as a positive one"
    with pytest.warns(UserWarning, match=said):
        data.batches(Positives(), 64)
    ruled = data.with_spec(dataclasses.replace(data.spec, min_label=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ruled.batches(Positives(), 64)
        data.batches(Pairs(), 64)  # ratings are learned as they are
        labelled(data, data.label > 3).batches(Positives(), 64)


def test_a_rule_holds_for_all_that_belongs_to_the_events(data):
    expected = data.with_min_label(4).split()[2]
    found = data.split()[2].with_min_label(4)
    for name in ("past", "train", "given"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.spec == theirs.spec
        np.testing.assert_array_equal(ours.item_counts, theirs.item_counts)
        np.testing.assert_array_equal(ours.timeline.items, theirs.timeline.items)
    assert found.train is found.given  # once in memory
    users = np.unique(data.user)
    ours, theirs = (d.queries(users, ("history",)) for d in (found, expected))
    np.testing.assert_array_equal(ours["history/index"], theirs["history/index"])
    nothing = data.take(np.arange(0))
    alone = dataclasses.replace(data, past=nothing).with_min_label(4)
    assert alone.past.spec.min_label == 4


def test_nobody_is_told_what_others_of_a_bucket_disliked():
    spec = FeatureSpec(
        (
            Categorical("u", "user", hash_bins=5),
            Categorical("i", "item", vocabulary=("k", "l", "m")),
        ),
        "u",
        "i",
        "y",
    )
    user, item = spec.encode("u", ["a", "a"]), spec.encode("i", ["k", "l"])
    label = np.array([1, 0], np.float32)
    model = Popularity(spec)
    model.adapt(Interactions(spec, {"u": user, "i": item, "y": label}))
    answer = model.recommend({"u": ["a"]}, k=3)
    assert answer.item_id.tolist() == [["k", "l", "m"]]


def test_a_rule_that_no_label_can_follow_is_refused(data):
    with pytest.raises(ValueError, match=r"min_label=4 says .* there is no label"):
        Mapping("user", "item", min_label=4)
    with pytest.raises(ValueError, match="must be a finite number"):
        Mapping("user", "item", "stars", min_label=math.nan)
    high = data.with_spec(dataclasses.replace(data.spec, min_label=9))
    with pytest.raises(
        ValueError, match=r"600 events of small is positive .rating >= 9"
    ):
        high.batches(Positives(), 64)
    high.batches(Pairs(), 64)


@st.composite
def logs(draw):
    """Events of few users, items, labels and times, and a rule."""
    row = st.tuples(
        st.integers(0, 2), st.integers(0, 3), st.integers(-1, 3), st.integers(0, 4)
    )
    rows = draw(st.lists(row, min_size=1, max_size=12))
    return (
        np.array(rows).T,
        draw(st.sampled_from([None, 0.0, 1.0, 2.5])),
        draw(st.booleans()),
    )


@given(logs())
def test_histories_counts_and_known_pairs_follow_the_rule(log):
    (user, item, label, time), min_label, ordered = log
    spec = FeatureSpec(
        (
            Categorical("u", "user", vocabulary=("a", "b", "c")),
            Categorical("i", "item", vocabulary=("k", "l", "m", "n")),
        ),
        "u",
        "i",
        "y",
        "t",
        min_label=min_label,
    )
    columns = {"u": user + 2, "i": item + 2, "y": label.astype(np.float32), "t": time}
    columns = {
        n: v.astype(np.float32 if n == "y" else np.int64) for n, v in columns.items()
    }
    events = Interactions(spec, columns, ordered=ordered)
    positive = label > 0 if min_label is None else label >= min_label
    n = len(user)
    rows = sorted(range(n), key=lambda r: (time[r], r))
    found = histories_of(events)(tf.range(n, dtype=tf.int64), n).numpy()
    for row in range(n):
        own = [r for r in rows if user[r] == user[row] and positive[r]]
        kept = [r for r in own if time[r] < time[row]] if ordered else own
        expected = [item[r] + 2 for r in kept if r != row]
        seen = found[row][found[row] > 0].tolist()
        assert sorted(seen) == sorted(expected)
        if ordered:
            assert seen == expected
        assert events.places[row] == sum(
            positive & ((user < user[row]) | (user == user[row]) & before(time, row))
        )
    counts = np.bincount(item[positive] + 2, minlength=6)
    assert events.item_counts.tolist() == counts.tolist()
    pairs = np.unique((user + 2) * 6 + item + 2).tolist()
    assert events.known.tolist() == pairs == events.positives.known.tolist()
    assert events.positives.item.tolist() == (item[positive] + 2).tolist()


def before(time, row):
    rows = np.arange(len(time))
    return (time < time[row]) | (time == time[row]) & (rows < row)


def test_a_dislike_is_seen_and_neither_recommended_nor_learned(tmp_path):
    file = tmp_path / "events.csv"
    # Of a, b, c, d user u liked a and disliked b, v liked b and c, w disliked d alone.
    file.write_text(
        "user,item,y\nu,a,Y\nu,b,n\nv,b,y\nv,c,YES\nw,d,No\nx,a,true\nx,d,False\n"
    )
    data = from_file(file, "user", "item", "y")
    assert data.label.tolist() == [1, 0, 1, 1, 0, 1, 0]
    model = Popularity(data.spec)
    model.compile(run_eagerly=True)
    batches = data.batches(model, 8)
    assert sum(len(batch["user/index"]) for batch in batches) == 4
    model.fit(batches, verbose=0)
    answer = model.recommend({"user": ["u", "w"]}, k=4)
    # Popular are a (2), b and c (1 each), d (0).
    assert sorted(answer.item_id[0][:2]) == ["c", "d"]
    assert answer.item_id[0][2:].tolist() == ["", ""]
    assert answer.item_id[1][0] == "a" and "d" not in answer.item_id[1]
    model.save(tmp_path / "popular.keras")
    loaded = load(tmp_path / "popular.keras").catalogue
    assert loaded.arrays["met"].shape == (0,)
    strangers = loaded.strangers().numpy()[data.spec.user_column.first :]
    who = data.spec.user_column.raw[data.spec.user_column.first :]
    assert who[strangers].tolist() == ["w"]
    # Who learns labels has met w, and loading keeps it.
    rated = MatrixFactorization(data.spec, objective="rating")
    rated.compile()
    rated.adapt(data)
    rated.save(tmp_path / "rated.keras")
    for one in (rated, load(tmp_path / "rated.keras")):
        assert not one.catalogue.strangers().numpy()[-4:].any()
        users = data.spec.encode("user", ["u", "w"])
        seen = [sorted(row[row > 0]) for row in one.catalogue.seen(users)]
        items = data.spec.encode("item", ["a", "b", "d"])
        assert seen == [sorted(items[:2]), [items[2]]]


@pytest.mark.parametrize("words", ["0,1", "-1,+1", "False,TRUE", "no,Yes", "N,y"])
def test_words_for_yes_and_no_from_file_and_from_disk(tmp_path, words):
    no, yes = words.split(",")
    value = {"no": -1.0 if no == "-1" else 0.0, "yes": 1.0}
    lines = [f"u{n % 5},i{n % 7},{yes if n % 3 else no}" for n in range(60)]
    file = tmp_path / "events.csv"
    file.write_text("\n".join(["user,item,liked", *lines]))
    data = from_file(file, "user", "item", "liked")
    expected = [value["yes" if n % 3 else "no"] for n in range(60)]
    assert data.label.tolist() == expected
    mapping = Mapping("user", "item", "liked")
    prepare(file, tmp_path / "out", mapping, "random", valid=0.1, test=0.1)
    records = tfrecord.open(tmp_path / "out")
    memory = tfrecord.load(tmp_path / "out")
    np.testing.assert_array_equal(records.label, memory.label)
    assert set(records.label) == set(value.values())
    assert len(records.positives) == memory.positive.sum() < len(records)
    np.testing.assert_array_equal(records.known, memory.known)
    np.testing.assert_array_equal(records.positives.known, memory.known)
    np.testing.assert_array_equal(records.item_counts, memory.item_counts)
    for name in ("start", "items", "before"):
        ours, theirs = getattr(records.timeline, name), getattr(memory.timeline, name)
        np.testing.assert_array_equal(ours, theirs)
    batches = records.batches(Positives(), 8)
    streamed = np.concatenate([batch["item/index"] for batch in batches])
    np.testing.assert_array_equal(
        np.sort(streamed), np.sort(memory.item[memory.positive])
    )
    assert len(batches) == -(-len(streamed) // 8)


def test_other_words_are_no_labels(tmp_path):
    file = tmp_path / "events.csv"
    file.write_text("user,item,liked\nu,a,yes\nv,b,perhaps\n")
    with pytest.raises(ValueError, match="line 3, column 'liked': 'perhaps' is text"):
        from_file(file, "user", "item", "liked")


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
    lines = [f"u{n % 5},i{n % 13},{highest * (n % 2)}" for n in range(60)]
    file = tmp_path / "events.csv"
    file.write_text("\n".join(["user,item,rating", *lines]))
    mapping = Mapping("user", "item", "rating")
    prepare(file, tmp_path / "out", mapping, "random", valid=0.1, test=0.1)
    records = tfrecord.open(tmp_path / "out")
    if highest == 1:
        targets = [target for _, target in records.batches(Pairs(binary=True), 8)]
        assert set(np.concatenate(targets)) == {0.0, 1.0}
        positives = int(records.label.sum())
        targets = [target for _, target in records.batches(Pairs(2), 8)]
        assert np.concatenate(targets).sum() == positives < len(records)
    else:
        with pytest.raises(ValueError, match=MISTAKEN):
            records.batches(Pairs(binary=True), 8)
        ruled = tfrecord.open(tmp_path / "out", min_label=2)
        targets = [target for _, target in ruled.batches(Pairs(binary=True), 8)]
        assert set(np.concatenate(targets)) == {0.0, 1.0}
