"""The tasks of sessions: what is asked, and that simple models answer it."""

import os
from pathlib import Path

import numpy as np
import pytest

from tfrec.benchmarks.tasks import task
from tfrec.evaluation import Evaluator
from tfrec.evaluation.report import fitted

DEFAULT = Path(__file__).parents[2].parent / "shared" / "data"
FOLDER = Path(os.environ.get("TFREC_DATA_DIR", DEFAULT))

pytestmark = pytest.mark.skipif(
    not (FOLDER / "sessions").is_dir(),
    reason=f"no folder sessions in {FOLDER}: set TFREC_DATA_DIR",
)


@pytest.mark.filterwarnings("ignore:RSC15")
def test_rsc15_asks_for_every_click_but_the_first_from_those_before():
    bench = task("rsc15", FOLDER)
    test = bench.test
    assert test.timestamp.min() > bench.train.timestamp.max()
    history = test.columns["history"]
    assert np.all(history[:, 0] > 0)
    same = test.user[1:] == test.user[:-1]
    last = history[np.arange(len(test)), np.count_nonzero(history, axis=1) - 1]
    np.testing.assert_array_equal(last[1:][same], test.item[:-1][same])
    evaluator = Evaluator(test, bench.protocol)
    found = {
        name: evaluator.evaluate(fitted(name, bench.train))["hit_rate@20"]
        for name in ("popularity", "markov", "session_popularity")
    }
    assert found["markov"] > found["session_popularity"] > found["popularity"] > 0.05


def test_diginetica_asks_for_the_last_click_of_drawn_sessions():
    bench = task("diginetica", FOLDER)
    assert len(bench.test) == len(np.unique(bench.test.user)) == 10_000
    history = bench.test.queries(bench.test.user, ("history",))["history/index"]
    assert np.all(history[:, 1] > 0)
    assert not np.isin(bench.test.user, bench.train.user).any()
