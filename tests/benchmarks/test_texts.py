"""What texts take: the same work at a size that a test can pay for."""

import numpy as np

from tfrec.benchmarks.cases import texts


def test_layers_and_whole_are_trained_on_drawn_texts(monkeypatch):
    small = {"ITEMS": 60, "WORDS": 40, "USERS": 50, "EVENTS": 300, "BATCH": 16}
    for name, value in small.items():
        monkeypatch.setattr(texts, name, value)
    found = texts.train(2, seed=0)
    assert found["seconds"] > 0
    assert np.isfinite(found["loss"]) and found["loss"] > 0
