"""The stream of clicks: batches and training."""

from tfrec.benchmarks.cases import session_stream


def test_the_clicks_are_trained_on(in_this_process):
    speed, memory = session_stream.measure(20_000, seed=0)
    assert (speed["name"], speed["unit"]) == ("session_stream", "clicks/s")
    assert speed["ours"] > 0 and speed["baseline"] > 0
    assert (memory["unit"], memory["target"]) == ("GB", "<= 1")
