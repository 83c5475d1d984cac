import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.columns import Numeric
from tfrec.data.sides import sides_by_cuts, temporal_sides
from tfrec.data.statistics import Sample, Statistics, TimeCounts
from tfrec.data.vocabulary import Counter


def blocks(values, size):
    return (values[start : start + size] for start in range(0, len(values), size))


def test_the_most_frequent_values_are_in_the_vocabulary_in_ascending_order():
    counter = Counter()
    counter.add(pa.array(["b", "a", "c", "b", None]))
    counter.add(pa.array(["c", "d"]))
    # b and c twice, a and d once.
    assert counter.vocabulary() == ("a", "b", "c", "d")
    assert counter.vocabulary(min_count=2) == ("b", "c")
    assert counter.vocabulary(max_size=3) == ("a", "b", "c")
    assert counter.vocabulary(max_size=1) == ("b",)
    with pytest.raises(ValueError, match="no value occurs min_count=9 times"):
        counter.vocabulary(min_count=9)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_counts_do_not_depend_on_blocks(size):
    values = np.random.default_rng(0).integers(0, 200, 1000).astype(str)
    whole, parts = Counter(), Counter(pending=10)
    whole.add(pa.array(values))
    for block in blocks(values, size):
        parts.add(pa.array(block))
    assert parts.vocabulary() == whole.vocabulary()
    ids, counts = np.unique(values, return_counts=True)
    assert whole.vocabulary() == tuple(ids)
    most = ids[np.lexsort((ids, -counts))[:50]]
    assert parts.vocabulary(max_size=50) == tuple(np.sort(most))


@given(
    values=st.lists(st.text("abc", min_size=1, max_size=2), min_size=1),
    more=st.data(),
)
@settings(deadline=None)
def test_the_order_of_a_vocabulary_tells_no_counts(values, more):
    """Events that repeat known values, such as held-out ones, change no index."""
    once, often = Counter(), Counter()
    once.add(pa.array(values))
    often.add(pa.array(values + more.draw(st.lists(st.sampled_from(values)))))
    assert once.vocabulary() == often.vocabulary()


def test_integer_ids_are_told_from_text():
    def integers(*values):
        counter = Counter()
        counter.add(pa.array(values))
        return counter.integers()

    assert integers("1", "20", "-3", "0")
    assert not integers("1", "007")
    assert not integers("1", "x")
    assert not integers("1", "-1")  # the padding of integer ids
    counter = Counter()
    counter.add(pa.array(["10", "9"]))
    # As numbers 9 < 10; as text "10" < "9".
    assert counter.vocabulary("int64") == (9, 10)
    assert counter.vocabulary("string") == ("10", "9")


@pytest.mark.parametrize("normalisation", ["zscore", "log", "quantile"])
def test_statistics_of_a_stream_are_those_of_the_whole(normalisation):
    values = np.random.default_rng(1).gamma(2.0, 3.0, 5000)
    values[::50] = np.nan
    column = Numeric("x", normalisation=normalisation)
    stream = Statistics(column)
    for block in blocks(values, 37):
        stream.add(block)
    whole, fitted = column.fit(values), stream.fitted()
    np.testing.assert_allclose(fitted.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(fitted.std, whole.std, rtol=1e-12)
    np.testing.assert_allclose(fitted.boundaries, whole.boundaries)


def test_sample_is_uniform_seeded_and_free_of_blocks():
    values = np.arange(100_000.0)
    whole, parts = Sample(2000, seed=5), Sample(2000, seed=5)
    whole.add(values)
    for block in blocks(values, 999):
        parts.add(block)
    np.testing.assert_array_equal(whole.values(), parts.values())
    # Mean of 2000 uniform draws: standard error 100000 / sqrt(12 * 2000) = 645.
    assert abs(whole.values().mean() - 50_000) < 4 * 645


def test_time_cuts_are_exact_below_the_limit_and_near_above_it():
    times = np.random.default_rng(2).integers(0, 5000, 20_000)
    exact, coarse = TimeCounts(), TimeCounts(limit=100)
    for block in blocks(times, 700):
        exact.add(block)
        coarse.add(block)
    cuts, sizes = exact.cuts(0.1, 0.2)
    sides = temporal_sides(times, 0.1, 0.2)
    np.testing.assert_array_equal(sides_by_cuts(times, cuts), sides)
    np.testing.assert_array_equal(sizes, np.bincount(sides))
    cuts, sizes = coarse.cuts(0.1, 0.2)
    sides = sides_by_cuts(times, cuts)
    np.testing.assert_array_equal(sizes, np.bincount(sides))
    assert times[sides == 0].max() < times[sides == 1].min()
    # A tick of 64 seconds of 5000 holds 1.3 % of the events.
    np.testing.assert_allclose(sizes / len(times), [0.7, 0.1, 0.2], atol=0.014)
    assert coarse.span == exact.span == (times.min(), times.max())
