"""Raw values to indices and numbers, by hand and against NumPy."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis.strategies import lists, sampled_from

from tfrec import keras
from tfrec.features import Categorical, FeatureSpec, Numeric, Sequence, Text
from tfrec.layers.inputs import Inputs, Lookup, normalise, tokenize

IDS = (
    Categorical("user_id", "user", vocabulary=("a", "b")),
    Categorical("item_id", "item", vocabulary=("x", "y", "z")),
)


# Lookup


def test_padding_unknown_and_known_strings():
    lookup = Lookup(Categorical("c", vocabulary=("b", "é", "a")))
    found = lookup(tf.constant([["", "b"], ["é", "a"], ["z", "B"]]))
    assert found.dtype == tf.int32
    assert found.numpy().tolist() == [[0, 2], [3, 4], [1, 1]]


def test_padding_unknown_and_known_integers():
    lookup = Lookup(Categorical("c", dtype="int64", vocabulary=(2**40, 0, 7)))
    found = lookup(tf.constant([-1, 2**40, 0, 7, 8, -2], tf.int64))
    assert found.numpy().tolist() == [0, 2, 3, 4, 1, 1]


@pytest.mark.parametrize("dtype", ["string", "int64"])
def test_unknown_ids_spread_over_their_buckets(dtype):
    known = ("k",) if dtype == "string" else (10_000,)
    lookup = Lookup(Categorical("c", dtype=dtype, vocabulary=known, oov=5))
    numbers = np.arange(500)
    values = numbers.astype(str) if dtype == "string" else numbers
    found = lookup(tf.constant(values)).numpy()
    assert set(found) == {1, 2, 3, 4, 5}
    assert np.bincount(found).max() < 200
    np.testing.assert_array_equal(found, lookup(tf.constant(values)).numpy())
    assert lookup(tf.constant(list(known), dtype)).numpy().tolist() == [6]


@pytest.mark.parametrize("dtype", ["string", "int64"])
def test_hashed_ids_fill_the_buckets_and_leave_padding_alone(dtype):
    lookup = Lookup(Categorical("c", dtype=dtype, hash_bins=8))
    numbers = np.arange(500)
    values = numbers.astype(str) if dtype == "string" else numbers
    assert set(lookup(tf.constant(values)).numpy()) == set(range(1, 9))
    pad = [""] if dtype == "string" else [-1]
    assert lookup(tf.constant(pad, dtype)).numpy().tolist() == [0]


def test_an_integer_hashes_as_its_digits():
    texts = Lookup(Categorical("c", hash_bins=1000))(tf.constant(["17", "4"]))
    numbers = Lookup(Categorical("c", dtype="int64", hash_bins=1000))
    found = numbers(tf.constant([17, 4], tf.int64))
    assert found.numpy().tolist() == texts.numpy().tolist()


def test_an_empty_vocabulary_knows_nothing():
    lookup = Lookup(Categorical("c"))
    assert lookup(tf.constant(["", "x"])).numpy().tolist() == [0, 1]


# Text


def tokens(column: Text, *texts: str) -> list[list[str]]:
    found = tokenize(column, tf.constant(texts)).numpy()
    return [[t.decode() for t in row if t] for row in found]


def test_words_are_lower_cased_runs_of_letters_and_digits():
    column = Text("t", max_len=5)
    assert tokens(column, "Toy Story (1995)", "", "  --  ", "L'Été_2!") == [
        ["toy", "story", "1995"],
        [],
        [],
        ["l", "été", "2"],
    ]


def test_trigrams_are_of_the_word_between_hashes():
    column = Text("t", tokens="trigram", max_len=9)
    assert tokens(column, "Cat É", "a", "", "heat") == [
        ["#ca", "cat", "at#", "#é#"],
        ["#a#"],
        [],
        ["#he", "hea", "eat", "at#"],
    ]


def test_a_text_is_cut_at_its_length_and_padded_to_it():
    column = Text("t", vocabulary=("one", "three"), max_len=2)
    spec = FeatureSpec((*IDS, column))
    found = spec.encode("t", ["One two three", "three", ""])
    assert found.tolist() == [[2, 1], [3, 0], [0, 0]]


def test_known_trigrams_have_indices():
    column = Text("t", tokens="trigram", vocabulary=("at#", "#ca"), max_len=4)
    spec = FeatureSpec((*IDS, column))
    assert spec.encode("t", ["cat"]).tolist() == [[3, 1, 2, 0]]


# Bags and sequences


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([["x", "y", "z", "y"]], [[3, 4, 3]]),
        ([["x", "y", "z", "y"], ["x", "", "", ""]], [[3, 4, 3], [2, 0, 0]]),
        ([["x", "y"]], [[2, 3, 0]]),
        ([["x", "?", "y", "z", "", ""]], [[1, 3, 4]]),
        ([[""]], [[0, 0, 0]]),
    ],
)
def test_a_sequence_keeps_its_latest_entries(raw, expected):
    spec = FeatureSpec((*IDS, Sequence("h", of="item_id", max_len=3)))
    assert spec.encode("h", raw).tolist() == expected


@given(rows=lists(lists(sampled_from(["", "x", "y", "?"]), max_size=7), min_size=1))
def test_padding_may_stand_anywhere(rows):
    """In a sequence, whose newest entries come last, and in a bag."""
    spec = FeatureSpec(
        (
            *IDS,
            Sequence("h", of="item_id", max_len=3),
            Categorical("g", "item", vocabulary=("x", "y"), max_len=3),
        )
    )
    width = max(map(len, rows))
    in_front = [[""] * (width - len(row)) + row for row in rows]
    raw = np.array(in_front, object).reshape(len(rows), width)
    index = {"?": 1, "x": 2, "y": 3}
    entries = [[index[word] for word in row if word] for row in rows]
    newest = [(row[-3:] + [0] * 3)[:3] for row in entries]
    assert spec.encode("h", raw).tolist() == newest
    assert spec.encode("g", raw).tolist() == [(row + [0] * 3)[:3] for row in entries]


def test_a_sequence_of_no_width_is_padding():
    spec = FeatureSpec((*IDS, Sequence("h", of="item_id", max_len=3)))
    found = spec.encode("h", np.zeros((2, 0), object))
    assert found.tolist() == [[0, 0, 0], [0, 0, 0]]


# Numbers


RAW = np.array([-4.0, 0.0, 0.5, 3.0, np.nan, 1e6], np.float32)


def normalised(column: Numeric, values: np.ndarray = RAW) -> np.ndarray:
    found = normalise(column, tf.constant(values))
    assert found.dtype == tf.float32
    assert found.shape == values.shape
    return found.numpy()


def test_without_normalisation_only_the_missing_changes():
    expected = np.where(np.isnan(RAW), 2.5, RAW)
    np.testing.assert_array_equal(normalised(Numeric("x", mean=2.5)), expected)


def test_zscore():
    expected = (RAW - 1.5) / 2.0
    expected[4] = 0
    column = Numeric("x", normalisation="zscore", mean=1.5, std=2.0)
    np.testing.assert_allclose(normalised(column), expected, rtol=1e-6)


def test_log():
    expected = (np.log1p(np.maximum(RAW, 0)) - 0.5) / 1.5
    expected[4] = 0
    column = Numeric("x", normalisation="log", mean=0.5, std=1.5)
    np.testing.assert_allclose(normalised(column), expected, rtol=1e-6)


def test_quantile_is_the_distribution_function():
    """Linear between quantiles, 0 below all and 1 above, one half when missing."""
    values = np.random.default_rng(1).gamma(2.0, size=4000)
    column = Numeric("x", normalisation="quantile").fit(values)
    probe = np.linspace(-1, 15, 300).astype(np.float32)
    expected = np.interp(probe, column.boundaries, np.linspace(0, 1, 101))
    np.testing.assert_allclose(normalised(column, probe), expected, atol=1e-5)
    share = np.mean(values[None] <= probe[:, None], axis=1)
    np.testing.assert_allclose(normalised(column, probe), share, atol=0.011)
    assert normalised(column)[4] == 0.5


def test_quantile_gives_a_frequent_value_its_whole_share():
    """Seven of ten are 0, two are 1 .. 5 in between, one in ten is the largest."""
    values = np.concatenate([np.zeros(700), np.linspace(1, 5, 200), np.full(100, 9.0)])
    column = Numeric("x", normalisation="quantile").fit(values)
    probe = np.array([-1.0, 0.0, 3.0, 9.0, 10.0], np.float32)
    expected = [0.0, 0.7, 0.8, 1.0, 1.0]
    np.testing.assert_allclose(normalised(column, probe), expected, atol=0.011)
    constant = Numeric("x", normalisation="quantile").fit(np.full(9, 3.0))
    probe = np.array([2.0, 3.0, 4.0], np.float32)
    np.testing.assert_allclose(normalised(constant, probe), [0.0, 1.0, 1.0])


def test_quantiles_never_learned_are_refused():
    with pytest.raises(ValueError, match=r"'x' has no quantiles: learn them with"):
        normalise(Numeric("x", normalisation="quantile"), tf.constant(RAW))


ENDS = np.array([-np.inf, np.inf, np.nan, -1e30, 1e30, 4.0], np.float32)
HOWS = (None, "zscore", "log", "quantile")


@pytest.mark.parametrize("how", HOWS)
def test_clipped_numbers_take_the_nearer_end(how):
    column = Numeric("x", normalisation=how, clip=(1.0, 6.0)).fit(np.arange(9.0))
    plain = dataclasses.replace(column, clip=None)
    inside = np.array([1.0, 6.0, np.nan, 1.0, 6.0, 4.0], np.float32)
    found = normalised(column, ENDS)
    np.testing.assert_array_equal(found, normalised(plain, inside))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("how", HOWS)
def test_infinity_is_missing_where_nothing_is_clipped(how):
    column = Numeric("x", normalisation=how).fit(np.arange(9.0))
    found = normalised(column, ENDS)
    assert np.isfinite(found).all()
    assert found[0] == found[1] == found[2]


def test_a_saved_graph_clips(tmp_path):
    column = Numeric("x", normalisation="zscore", clip=(1.0, 6.0)).fit(np.arange(9.0))
    module = tf.Module()
    signature = [tf.TensorSpec((None,), tf.float32)]
    module.call = tf.function(lambda x: normalise(column, x), signature)
    tf.saved_model.save(module, str(tmp_path))
    found = tf.saved_model.load(str(tmp_path)).call(tf.constant(ENDS))
    np.testing.assert_allclose(found, normalised(column, ENDS), rtol=1e-6)


def test_arrays_are_normalised_entry_by_entry():
    column = Numeric("x", shape=(2, 2), normalisation="quantile", boundaries=(0, 2, 4))
    values = np.array([[[0, 1], [2, 3]], [[4, np.nan], [5, -1]]], np.float32)
    expected = [[[0, 0.25], [0.5, 0.75]], [[1, 0.5], [1, 0]]]
    np.testing.assert_allclose(normalised(column, values), expected)


# All columns of a model


SPEC = FeatureSpec(
    (
        *IDS,
        Sequence("history", of="item_id", max_len=2),
        Numeric("year", "item", normalisation="zscore", mean=2000.0, std=10.0),
        Text("title", vocabulary=("heat",), max_len=2),
    )
)


def test_the_columns_present_are_looked_up():
    inputs = Inputs(SPEC, ("user_id", "item_id", "history", "year", "title"))
    found = inputs(
        {
            "user_id": tf.constant(["b"]),
            "history": tf.constant([["x", "z", "y"]]),
            "year": tf.constant([1985.0]),
            "unread": tf.constant([1]),
        }
    )
    assert {k: v.numpy().tolist() for k, v in found.items()} == {
        "user_id": [3],
        "history": [[4, 3]],
        "year": [-1.5],
    }


def test_looked_up_columns_pass_and_win():
    inputs = Inputs(SPEC, ("item_id", "title"))
    found = inputs(
        {
            "item_id/index": tf.constant([4]),
            "item_id": tf.constant(["x"]),
            "title/index": tf.constant([[2, 0]]),
        }
    )
    assert found["item_id"].numpy().tolist() == [4]
    assert found["title"].numpy().tolist() == [[2, 0]]


def test_a_sequence_shares_the_lookup_of_its_ids():
    inputs = Inputs(SPEC, ("item_id", "history"))
    assert inputs.columns["history"].lookup is inputs.columns["item_id"].lookup


def test_mixed_precision_normalises_before_it_rounds():
    """2001.4 is 2000 in bfloat16 and 2001 in float16."""
    raw = {"year": tf.constant([2001.4, 1999.7])}
    for policy in ("mixed_bfloat16", "mixed_float16"):
        keras.mixed_precision.set_global_policy(policy)
        try:
            found = Inputs(SPEC, ("year",))(raw)["year"]
        finally:
            keras.mixed_precision.set_global_policy("float32")
        np.testing.assert_allclose(found, [0.14, -0.03], atol=1e-4)


def test_python_and_double_numbers_are_taken():
    inputs = Inputs(SPEC, ("year",))
    found = inputs({"year": np.array([1990.0, 2010.0])})["year"]
    assert found.dtype == tf.float32
    assert found.numpy().tolist() == [-1.0, 1.0]
