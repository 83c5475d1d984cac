"""Restrictions by category against sets in Python."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers.categories import NOTHING, Categories, CategoryLookup, both

GENRES = np.array(["", "", "Comedy", "Drama"], object)
YEARS = np.array([-1, -1, 1994, 1995])
# Items 2, 3, 4: comedy and drama, drama, of no genre.
TABLE = np.array([[0, 0], [0, 0], [2, 3], [3, 3], [0, 1]])
COLUMNS = {"genres": (GENRES, TABLE), "year": (YEARS, np.array([0, 0, 2, 2, 3]))}


@pytest.fixture(scope="module")
def lookup():
    return CategoryLookup(Categories.of(COLUMNS))


def found(lookup, within):
    """Sets of items; None where nothing is restricted."""
    rows = lookup(tf.constant(within)).numpy()
    sets = [set(row[row != 0].tolist()) for row in rows]
    return [s - {NOTHING} if s else None for s in sets]


def test_labels_are_those_that_an_item_has():
    made = Categories.of(COLUMNS)
    assert made.labels == ("genres=Comedy", "genres=Drama", "year=1994", "year=1995")
    np.testing.assert_array_equal(made.start, [0, 1, 3, 5, 6])
    np.testing.assert_array_equal(made.items, [2, 2, 3, 2, 3, 4])


def test_of_several_labels_one_is_enough(lookup):
    within = [["genres=Drama", ""], ["genres=Comedy", "year=1995"]]
    assert found(lookup, within) == [{2, 3}, {2, 4}]


def test_padding_restricts_nothing_and_the_unknown_everything(lookup):
    assert found(lookup, [["", ""], ["genres=Opera", ""]]) == [None, set()]
    assert lookup(tf.zeros((3, 0), tf.string)).numpy().tolist() == [[0]] * 3


def test_a_batch_is_its_rows_in_a_graph(lookup):
    graph = tf.function(
        lookup.__call__, input_signature=[tf.TensorSpec((None, None), tf.string)]
    )
    within = np.array([["year=1994", "genres=Comedy"], ["", "year=1995"]], object)
    rows = [set(row) - {0} for row in graph(within).numpy()]
    assert rows == [{NOTHING, 2, 3}, {NOTHING, 4}]


def test_two_restrictions_meet():
    one = tf.constant([[2, 3, 0], [2, 0, 0], [0, 0, 0], [0, 0, 0]])
    other = tf.constant([[4, 3], [4, 0], [5, 0], [0, 0]])
    rows = [set(row) - {0} for row in both(one, other).numpy()]
    assert rows == [{NOTHING, 3}, {NOTHING}, {NOTHING, 5}, set()]
