"""Event times within the training period."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers.clock import DAY, Clock

FIRST, LAST = 1_000_000_000, 1_000_000_000 + 10 * DAY
TIMES = [0, -5, FIRST, FIRST + 1, FIRST + 5 * DAY, LAST, 2**40]


@pytest.fixture
def clock():
    clock = Clock()
    clock.fit(np.array([FIRST + 7, LAST, FIRST]))
    return clock


def seconds(values):
    return tf.constant(values, tf.int64)


def test_times_outside_the_period_are_at_its_ends(clock):
    found = clock.elapsed(seconds(TIMES))
    np.testing.assert_allclose(found, [0, 0, 0, 1 / (10 * DAY), 0.5, 1, 1], atol=1e-6)
    np.testing.assert_array_equal(
        clock.slices(seconds(TIMES), 4), [0, 0, 0, 0, 2, 3, 3]
    )
    assert clock.inside(seconds(TIMES)).numpy().tolist() == [
        *[FIRST] * 3,
        *TIMES[3:5],
        *[LAST] * 2,
    ]


def test_days_begin_at_midnight_and_are_not_cut(clock):
    midnight = FIRST // DAY * DAY
    times = [midnight - 1, midnight, FIRST, midnight + DAY - 1, midnight + DAY, 0]
    expected = [-1, 0, 0, 0, 1, -(FIRST // DAY)]
    np.testing.assert_array_equal(clock.days(seconds(times)), expected)


def test_no_time_is_the_end_of_the_period(clock):
    users = tf.constant([4, 5, 6])
    np.testing.assert_array_equal(clock.seconds(None, users), [LAST] * 3)
    given = tf.constant([np.nan, 1e9, np.inf], tf.float32)
    np.testing.assert_array_equal(clock.seconds(given, users), [LAST, FIRST, LAST])
    exact = seconds([FIRST + 1, 0, 2**40])
    np.testing.assert_array_equal(clock.seconds(exact, users), exact)


def test_a_period_of_one_moment_has_one_slice():
    clock = Clock()
    clock.fit(np.array([FIRST, FIRST]))
    np.testing.assert_array_equal(clock.slices(seconds(TIMES), 9), [0] * len(TIMES))
