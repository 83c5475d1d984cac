"""The stream of clicks: batches and training in a process of their own."""

from tfrec.benchmarks.cases import session_stream


def test_a_fresh_process_trains_on_the_clicks():
    speed, memory = session_stream.measure(20_000, seed=0)
    assert (speed["name"], speed["unit"]) == ("session_stream", "clicks/s")
    assert speed["ours"] > 0 and speed["baseline"] > 0
    assert (memory["unit"], memory["target"]) == ("GB", "<= 1")
    assert 0.1 < memory["ours"] < 3
