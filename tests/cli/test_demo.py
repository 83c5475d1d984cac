import re

import numpy as np
import pytest

from tfrec import datasets, serving
from tfrec.cli import demonstration


@pytest.fixture(scope="module")
def shown(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    result = run("demo", "--out", out, "--epochs", 1)
    assert result.exit_code == 0, result.output
    return out, result.stdout


def test_the_demo_shows_every_step(shown):
    out, text = shown
    places = [
        text.index(word) for word in ("Data", "Train", "Compare", "Export", "Serve")
    ]
    assert places == sorted(places)
    for name in ("two_tower", "neumf", "popularity", "item_knn"):
        assert re.search(rf"{name} .*±", text)
    assert "full ranking of the catalogue" in text and "10 users" in " ".join(
        text.split()
    )
    assert (out / "recall.png").read_bytes()[:4] == b"\x89PNG"
    noted = serving.load(out / "neumf").metrics
    (metrics,) = noted.values()
    assert f"{metrics['ndcg@10']:.4f}" in text
    memory = re.search(r"peak memory ([\d.]+) GiB", text)
    assert memory and float(memory[1]) > 0.1


def test_the_demo_shows_a_history_and_ten_titles(shown):
    _, text = shown
    data = datasets.load("movielens")
    _, _, test = data.split("temporal")
    user = demonstration.busiest(test)
    past = test.past.take(test.past.user == user)
    assert len(past) >= demonstration.HISTORY and (test.user == user).any()
    raw_id = test.spec.decode("user_id", np.array([user]))[0]
    before, _, answer = text[
        text.index(f"User {raw_id}: {len(past)} ratings") :
    ].partition("Recommended")
    seen = {data.item_names[item] for item in past.item}
    latest = past.item[np.argmax(past.timestamp)]
    assert data.item_names[latest] in before
    rows = re.findall(r"^ *(\d+)   (.+?)  +-?\d+\.\d{3}\b", answer, re.MULTILINE)
    assert [int(rank) for rank, _ in rows] == list(range(1, 11))
    titles = {title.strip() for _, title in rows}
    assert len(titles) == 10 and titles <= set(data.item_names) - seen
