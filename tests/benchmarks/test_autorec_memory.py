"""The memory of AutoRec on many items, measured in fresh processes."""

import pytest

from tfrec.benchmarks.cases import autorec


@pytest.mark.slow
def test_a_batch_stays_far_below_the_limit():
    found = autorec.measure(100_000, seed=0)
    assert [row["name"] for row in found] == [
        "autorec_user_memory",
        "autorec_item_memory",
    ]
    for row in found:
        assert (row["unit"], row["target"], row["met"]) == ("GB", "<= 1", True)
        assert 0.3 < row["ours"] < autorec.MEMORY
        assert row["loss"] > 0
