"""The streaming estimate of how often items come by."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers.frequency import StreamingFrequency


def observed(batches, rate=0.1, size=8):
    layer = StreamingFrequency(size, rate)
    for step, items in enumerate(batches, 1):
        layer.observe(tf.constant(items), tf.constant(step))
    return layer


def test_the_update_is_that_of_the_paper():
    """Item 3 at steps 2, 3 and 7; a second time in one batch changes nothing."""
    layer = observed([[1], [3], [3, 3], [1], [1], [1], [3, 1]])
    gap = 2.0
    for since in (1, 4):
        gap = 0.9 * gap + 0.1 * since
    np.testing.assert_allclose(layer(tf.constant([3])), [1 / gap], rtol=1e-6)
    np.testing.assert_array_equal(layer.last, [0, 7, 0, 7, 0, 0, 0, 0])


def test_items_that_come_every_n_steps():
    batches = [
        [i for i in range(1, 6) if step % i == 0] or [0] for step in range(1, 200)
    ]
    layer = observed(batches)
    found = layer(tf.constant([1, 2, 3, 4, 5]))
    np.testing.assert_allclose(found, 1 / np.arange(1, 6), rtol=1e-3)


def test_it_follows_a_change():
    """Every step at first, later every tenth."""
    often = [[1]] * 50
    seldom = [[1] if step % 10 == 0 else [0] for step in range(600)]
    assert observed(often)(tf.constant([1])).numpy() == pytest.approx(1.0)
    later = observed(often + seldom)(tf.constant([1]))
    assert later.numpy()[0] == pytest.approx(0.1, rel=0.01)


def test_never_seen_is_once_in_all_steps():
    layer = observed([[1]] * 20)
    np.testing.assert_allclose(layer(tf.constant([5])), [1 / 20])
    assert StreamingFrequency(4)(tf.constant([2])).numpy() == [1.0]


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.5])
def test_rates_that_are_none(rate):
    with pytest.raises(ValueError, match=f"rate={rate} is not between 0 and 1"):
        StreamingFrequency(4, rate)
