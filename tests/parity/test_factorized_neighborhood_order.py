"""FactorizedNeighborhood: of several ratings of an item the latest counts."""

import numpy as np
import tensorflow as tf
from timed import DAY, built

from tfrec.data.timeline import SECOND
from tfrec.models.factorization.factorized_neighborhood import FactorizedNeighborhood


def test_the_latest_rating_counts_whatever_the_order_of_the_rows(data, randomise):
    again = data.take(np.arange(40))
    again.columns["rating"] = 6 - again.label
    again.columns["timestamp"] = again.timestamp + 9 * DAY * SECOND
    both = data.concat(again)
    pairs = {
        "user_id/index": tf.constant(again.user),
        "movie_id/index": tf.constant(again.item),
    }
    found = []
    for events in (both, again.concat(data), data):
        model = built(FactorizedNeighborhood, events, randomise, decay=0.0)
        found.append(model(pairs).numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    assert np.abs(found[2] - found[0]).max() > 0.1
