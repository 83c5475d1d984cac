"""Spoiled files are refused in one sentence or read right; ``make fuzz`` goes on."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from kinds import KINDS, outcome

# A graph of damaged bytes may end the process, in TensorFlow: see run.py.
EXAMPLES = {
    "csv": 200,
    "tsv": 100,
    "libsvm": 200,
    "parquet_bytes": 150,
    "parquet_types": 200,
    "prepared": 30,
    "yaml": 150,
    "export": 15,
    "keras": 25,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_spoiled_files_are_refused_or_read_right(name, tmp_path):
    kind, counts = KINDS[name](tmp_path), Counter()

    @settings(
        max_examples=EXAMPLES[name],
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.contents())
    def every(content):
        counts[outcome(kind, content)] += 1

    every()
    assert counts["read"] > 0
    assert len(counts) > 1
