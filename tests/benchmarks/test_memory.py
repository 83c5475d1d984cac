"""Cases that measure memory do the work that they name, at any size."""

import pytest

from tfrec.benchmarks.cases import autorec, memory

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_a_batch_of_rows_is_trained_on(monkeypatch):
    monkeypatch.setattr(autorec, "USERS", 300)
    monkeypatch.setattr(autorec, "ITEMS", 200)
    found = autorec.measure(2_000, seed=0)
    names = ["autorec_user_memory", "autorec_item_memory"]
    assert [row["name"] for row in found] == names
    for row in found:
        assert (row["unit"], row["target"]) == ("GB", "<= 1")
        assert row["baseline"] == autorec.MEMORY
        assert row["loss"] > 0


def test_long_profiles_and_large_graphs():
    profiles, graph = memory.measure(50, 300, seed=0)
    assert profiles["name"] == "svd_plus_plus_memory"
    assert 1.5 < profiles["loss"] < 2.5  # ratings of 1 to 5 at random vary by 2
    assert graph["name"] == "knowledge_memory"
    assert graph["own"] == 1.0  # entities with edges begin their own
    for row in (profiles, graph):
        assert (row["unit"], row["target"]) == ("GB", "<= 1")
        assert row["baseline"] == memory.LIMITS[row["name"].removesuffix("_memory")]
