"""Crosses: combinations, padding, buckets, and how a spec declares them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfrec.features import Cross, FeatureSpec
from tfrec.layers.crosses import cross, crossed


def test_every_combination_has_its_bucket():
    left, right = np.meshgrid(np.arange(200), np.arange(50), indexing="ij")
    ids = [tf.constant(v.ravel(), tf.int32) for v in (left, right)]
    found = cross(ids, 2**24).numpy()[:, 0]
    assert found.min() >= 1
    assert len(np.unique(found)) > 9_980  # of 10,000: a few meet by chance
    np.testing.assert_array_equal(found, cross(ids, 2**24).numpy()[:, 0])
    assert (cross(ids[::-1], 2**24).numpy()[:, 0] != found).mean() > 0.99


def test_buckets_are_evenly_full():
    ids = [tf.range(50_000), tf.range(50_000) % 7]
    found = cross(ids, 50).numpy()[:, 0]
    counts = np.bincount(found, minlength=51)
    assert counts[0] == 0
    assert np.abs(counts[1:] / 1000 - 1).max() < 0.15


def test_a_bag_gives_one_for_each_entry_and_padding_none():
    single, bag = tf.constant([3, 0]), tf.constant([[5, 6, 0], [0, 0, 0]])
    found = cross([single, bag], 1000).numpy()
    assert found.shape == (2, 3)
    assert (found[0, :2] > 0).all()
    assert found[0, 2] == 0
    assert not found[1].any()
    alone = cross([tf.constant([3]), tf.constant([6])], 1000).numpy()
    assert found[0, 1] == alone[0, 0]


def test_of_two_bags_all_pairs():
    left, right = tf.constant([[1, 2]]), tf.constant([[3, 4, 0]])
    found = cross([left, right], 10_000).numpy()[0].reshape(2, 3)
    for row, a in enumerate((1, 2)):
        for column, b in enumerate((3, 4)):
            one = cross([tf.constant([a]), tf.constant([b])], 10_000)
            assert found[row, column] == one.numpy()[0, 0]
    assert not found[:, 2].any()


def test_three_columns_in_a_graph_of_unknown_batch():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)] * 3)
    def graph(a, b, c):
        return cross([a, b, c], 100)

    ids = [tf.constant([1, 2, 3])] * 3
    np.testing.assert_array_equal(graph(*ids), cross(ids, 100))


def test_a_spec_declares_selects_and_stores_them(data):
    crosses = (Cross(("user_id", "genres"), 100), Cross(("age", "device")))
    spec = dataclasses.replace(data.spec, crosses=crosses)
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert spec.select("genres").crosses == crosses[:1]
    inputs = {
        "user_id": tf.constant([1]),
        "genres": tf.constant([[2, 0, 0]]),
        "age": tf.constant([1]),
        "device": tf.constant([2]),
    }
    assert [tuple(c.shape) for c in crossed(spec, inputs)] == [(1, 3), (1, 1)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cross(("a",)), "two or more different columns"),
        (lambda: Cross(("a", "a")), "two or more different columns"),
        (lambda: Cross(("a", "b"), 0), "hash_bins=0 must be positive"),
    ],
)
def test_what_is_no_cross_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_cross_of_numbers_or_of_nothing_known_is_refused(data):
    with pytest.raises(ValueError, match="'year' is numeric and has no ids to cross"):
        dataclasses.replace(data.spec, crosses=(Cross(("age", "year")),))
    with pytest.raises(KeyError, match="no column 'agee'"):
        dataclasses.replace(data.spec, crosses=(Cross(("agee", "device")),))
