import numpy as np

from tfrec.benchmarks import speed
from tfrec.benchmarks.cases import graph


def test_both_ways_to_propagate_give_the_same_gradient(monkeypatch):
    monkeypatch.setattr(graph, "GOWALLA", (300, 400, 5_000))
    (row,) = graph.products(1, seed=0)
    assert row["name"] == "propagation"
    assert row["apart"] < 1e-4
    assert row["ratio"] > 0


def test_a_graph_is_built_and_trained_on(in_this_process):
    step, memory = graph.large(500, 50, 5_000, seed=0)
    assert (step["name"], memory["name"]) == ("large_graph", "large_graph_memory")
    assert 0.5 < step["loss"] < 0.8  # -log sigmoid(0) = .69
    left, right = graph.edges(500, 50, 5_000, seed=0)
    assert step["entries"] == 2 * len(np.unique(left * 50 + right))


def test_both_are_measured_by_name():
    assert {"propagation", "large_graph"} <= set(speed.CASES)
