"""The stream: a log in Criteo's format, and training on it from disk."""

import numpy as np
import pytest

from tfrec.benchmarks.cases import criteo_stream
from tfrec.datasets import ctr_logs


def test_the_log_is_criteo_s_and_that_of_its_seed(tmp_path):
    first, again, other = (tmp_path / name for name in "abc")
    criteo_stream.write_log(first, 3_000, 0)
    criteo_stream.write_log(again, 3_000, 0)
    criteo_stream.write_log(other, 3_000, 1)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    data = ctr_logs.criteo(first, hash_bins=1000)
    assert len(data) == 3_000
    assert len(data.spec.columns) == 13 + 26
    assert set(data.label) == {0.0, 1.0}
    missing = np.isnan(data.columns["I2"]).mean()
    assert missing == pytest.approx(0.05, abs=0.02)


def test_what_is_prepared_is_trained_on(in_this_process):
    speed, memory = criteo_stream.measure(6_000, seed=0)
    assert speed["name"] == "criteo_stream"
    assert 0 < speed["loss"] < 0.75
    assert (memory["unit"], memory["target"]) == ("GB", "<= 1")
