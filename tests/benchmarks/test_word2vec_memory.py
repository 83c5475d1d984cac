"""SkipGram's memory: all drawn events are trained on."""

import numpy as np

from tfrec.benchmarks.cases import word2vec_memory


def test_all_events_are_trained_on(in_this_process):
    (row,) = word2vec_memory.measure(20_000, seed=0)
    assert (row["name"], row["unit"]) == ("word2vec_memory", "GB")
    assert row["target"] == "<= 1"
    assert row["data_gigabytes"] <= row["ours"]
    assert row["words_per_second"] > 0
    assert 0 < row["loss"] < 40


def test_events_are_those_of_the_seed_popular_items_often():
    data = word2vec_memory.drawn(50_000, seed=1)
    again = word2vec_memory.drawn(50_000, seed=1)
    np.testing.assert_array_equal(data.item, again.item)
    assert set(np.bincount(data.user)[2:]) == {word2vec_memory.PER_USER}
    first = data.spec.item_column.first
    counts = data.item_counts[first:]
    assert counts[:100].mean() > 10 * counts[-10_000:].mean()
    assert data.item.max() < data.spec.item_column.size
    assert data.item.dtype == np.int32
