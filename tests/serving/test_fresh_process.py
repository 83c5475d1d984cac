"""Exported models answer in a process that cannot import tfrec as they did in ours."""

import numpy as np
import pytest

from tfrec import serving
from tfrec.serving import Request


def test_the_fresh_process_gives_the_ids_of_this_one(export):
    """All columns from the client, histories excluded by it: as recommend does."""
    n, features = 5, export.queries(5)
    known = {k: v for k, v in features.items() if k in ("user_id", "device")}
    expected = export.model.recommend(known, k=6)
    inputs = {**features, "k": 6, "exclude": export.taken(n)}
    answer = serving.answer(export.path, inputs)
    assert answer["item_id"] == expected.item_id.tolist()
    np.testing.assert_allclose(answer["score"], expected.score, rtol=1e-5, atol=1e-6)
    assert answer["cold"] == [False] * n


def test_refusals_of_the_fresh_process_are_sentences(neumf, tmp_path, fresh_process):
    user = {"user_id": [1000]}
    asked = [
        Request(neumf.path, {**user, "k": 31}),
        Request(neumf.path, {**user, "k": 0}),
        Request(neumf.path, {**user, "exclude": [[1], [2]]}),
        Request(neumf.path, {"user_ids": [1000]}),
        Request(tmp_path, user),
        Request(neumf.version, user, "nothing"),
    ]
    words = [
        "k is not between 1 and the 30 items of the catalogue",
        "k is not between 1 and the 30 items of the catalogue",
        "exclude needs one row for each query",
        "wants inputs ['candidates', 'exclude', 'k', 'user_id']",
        "does not exist",
        "nothing",
    ]
    for refusal, expected in zip(fresh_process.answers(asked), words, strict=True):
        assert isinstance(refusal, ValueError)
        assert "gave no answer" in str(refusal)
        assert expected in str(refusal)


def test_a_process_that_is_too_slow_is_named(neumf):
    with pytest.raises(RuntimeError, match=r"no answer within 0\.01 seconds"):
        serving.answer(neumf.path, {"user_id": [1000]}, timeout=0.01)
