"""The speed table: what it measures is the same work, whatever the times are."""

import json
import math

import numpy as np
import pytest

from tfrec.benchmarks import speed, timing
from tfrec.benchmarks.cases import deepfm, epoch_end, full_ranking, neumf, tree
from tfrec.benchmarks.synthetic import clicks, events

KEYS = {"name", "ours", "baseline", "unit", "ratio", "target", "met", "note"}


def check(rows, *names) -> None:
    assert [row["name"] for row in rows] == list(names)
    for row in rows:
        assert row.keys() >= KEYS
        assert row["ours"] > 0 and row["baseline"] > 0 and row["note"]
        assert row["ratio"] == pytest.approx(row["ours"] / row["baseline"])
    assert json.loads(json.dumps(rows)) == rows


def test_the_two_contenders_take_turns_and_the_first_round_does_not_count():
    calls = []
    ours, baseline = timing.in_turns(
        lambda: calls.append("a") or len(calls),
        lambda: calls.append("b") or len(calls),
        rounds=2,
    )
    assert "".join(calls) == "ababab"
    assert (ours.results, baseline.results) == ((3, 5), (4, 6))
    assert len(ours.seconds) == len(baseline.seconds) == len(ours.busy) == 2
    assert timing.Timed((3.0, 1.0, 2.0), (), ()).median == 2.0


@pytest.mark.parametrize(
    ("bound", "target", "met"),
    [
        ({"at_least": 2.0}, ">= 2", True),
        ({"at_least": 2.1}, ">= 2.1", False),
        ({"at_most": 2.0}, "<= 2", True),
        ({"at_most": 1.9}, "<= 1.9", False),
        ({}, "", None),
    ],
)
def test_a_row_says_whether_its_target_is_met(bound, target, met):
    row = timing.row("x", 4.0, 2.0, "s", "why", **bound, more=1)
    assert (row["ratio"], row["target"], row["met"]) == (2.0, target, met)
    assert row["more"] == 1


def test_a_process_that_fails_says_so():
    with pytest.raises(RuntimeError, match="no_such_module_at_all"):
        timing.in_fresh_process("no_such_module_at_all")


def test_both_networks_learn_the_same_from_the_same_events():
    rows = neumf.measure(64, 60, 2, seed=0, users=50, items=40, positives=1_000)
    check(rows, "neumf_64")
    ours, plain = rows[0]["losses"]
    # Five examples to one positive: a constant answer has this loss.
    constant = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8))
    assert max(ours, plain) < constant + 0.01
    assert ours == pytest.approx(plain, abs=0.05)


def test_the_plain_network_has_the_weights_of_ours():
    data = events(50, 40, 500, seed=0)
    model = neumf.NeuMF(data.spec)
    model.ensure_built()
    plain = neumf.plain_network(52, 42)
    shapes = (
        sorted(tuple(w.shape) for w in m.trainable_weights) for m in (model, plain)
    )
    assert next(shapes) == next(shapes)


def test_the_examples_of_the_baseline_are_those_of_the_view():
    data = events(50, 40, 500, seed=0)
    model = neumf.NeuMF(data.spec)
    (user, item), target = neumf.drawn(data, model, 1_000, seed=0)
    assert len(user) == len(item) == len(target) == 1_000
    positive = np.isin(
        user.astype(np.int64) * data.spec.item_column.size + item, data.known
    )
    np.testing.assert_array_equal(positive, target == 1)


def test_only_the_optimizer_differs_and_hardly_the_loss():
    rows = deepfm.measure(256, 8, 1, seed=0, ids=2_000, fields=4, at_least=2.5)
    check(rows, "deepfm_0.002m", "deepfm_0.002m_optimizer")
    assert [row["target"] for row in rows] == [">= 2.5", ""]
    for row in rows:
        assert row["losses"][0] == pytest.approx(row["losses"][1], abs=0.02)


def test_a_full_ranking_finds_what_a_full_sort_finds(in_this_process):
    rows = full_ranking.measure(1, seed=0, users=60, items=500, at_most=1.3)
    check(rows, "full_ranking", "full_ranking_metrics", "full_ranking_memory")
    assert rows[0]["error"] < 1e-5
    # Random factors find a held-out item no more often than chance, and the fresh
    # process, which has the same seed, finds the same ones.
    assert rows[1]["recall"] == pytest.approx(rows[2]["recall"])
    assert 0.01 < rows[1]["recall"] < 0.1


def test_the_end_of_an_epoch_waits_for_nothing():
    (row,) = epoch_end.measure(256, 2_000, 2, seed=0, users=50, items=400)
    check([row], "epoch_end")
    assert row["step_seconds"] > 0
    options = (
        events(50, 40, 500, seed=0).batches(epoch_end.Pairs(negatives=4)).options()
    )
    assert options.autotune.enabled is False


def test_a_walk_down_a_tree_does_not_grow_with_the_leaves():
    rows = tree.measure((100, 1_000), 2, seed=0, growth=3.0)
    check(rows, "tree_0k", "tree_1k", "tree_growth")
    # Of 100 leaves all slots, 32 nodes above, twice those, and twice 50; then 3 levels.
    assert [row["nodes"] for row in rows[:2]] == [32 + 64 + 100, 32 + 64 + 4 * 100]
    assert rows[2]["target"] == "<= 3"
    assert rows[0]["note"].endswith("the same network over every leaf, timed 2 times")


def test_both_searches_of_the_tree_answer_with_the_same_network():
    task = tree.Task(300, seed=0, beam=256)  # as wide as a level
    history = task.history()
    for found, exact in zip(task._search(history), task._exact(history), strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-5)


def test_the_table_takes_names_and_refuses_others(monkeypatch):
    seen = []

    def case(quick, seed):
        seen.append((quick, seed))
        return [timing.row("one", 1.0, 2.0, "s", "note")]

    monkeypatch.setattr(speed, "CASES", {"one": case, "two": case})
    assert len(speed.run(seed=3)) == 2
    check(speed.run(["two"], quick=True), "one")
    assert seen == [(False, 3), (False, 3), (True, 0)]
    with pytest.raises(ValueError, match="called 'tow'; did you mean 'two'"):
        speed.run(["one", "tow"])
    assert len(seen) == 3


def test_synthetic_data_has_the_sizes_asked_for():
    data = events(50, 40, 1_000, seed=1)
    assert len(data) == len(data.known) <= 1_000
    assert data.user.min() == data.item.min() == 2
    assert (data.user.max(), data.item.max()) == (51, 41)
    rows = clicks(4, 400, 3_000, seed=1)
    assert sum(column.size for column in rows.spec.columns) == 400
    assert all(rows.columns[c.name].max() < c.size for c in rows.spec.columns)
    assert min(rows.columns[c.name].min() for c in rows.spec.columns) == 1
