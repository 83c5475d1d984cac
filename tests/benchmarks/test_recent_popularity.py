"""Popularity that goes on counting."""

import numpy as np
import pytest

from tfrec.benchmarks.recent_popularity import RecentPopularity


def counted(data):
    model = RecentPopularity(data.spec, half_life=20.0)
    model.compile()
    model.fit(data.batches(model, 64), verbose=0)
    return model


def test_part_after_part_is_all_at_once(data):
    cut = np.median(data.timestamp)
    model = counted(data.take(data.timestamp < cut))
    newer = data.take(data.timestamp >= cut)
    for part in np.array_split(np.arange(len(newer)), 7):
        model.observe(newer.take(part))
    np.testing.assert_allclose(model.counts, counted(data).counts, rtol=1e-4)


def test_a_half_life_is_needed(data):
    with pytest.raises(ValueError, match="half_life=None discounts nothing"):
        RecentPopularity(data.spec)
