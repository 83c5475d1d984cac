import json

import pytest

from tfrec.benchmarks import published, speed

ROWS = [
    {
        "name": "fast",
        "ours": 3e5,
        "baseline": 1e5,
        "unit": "examples/s",
        "ratio": 3.0,
        "target": ">= 2.5",
        "met": True,
        "note": "on two cores",
    },
    {
        "name": "slow",
        "ours": 1.0,
        "baseline": 2.0,
        "unit": "s",
        "ratio": 0.5,
        "target": "",
        "met": None,
        "note": "",
    },
]
RESULT = {
    "title": "NeuMF",
    "data": "ML-1M",
    "measured": {"ndcg@10": {"mean": 0.41, "std": 0.002}},
    "published": {"ndcg@10": 0.45},
    "passes": {"ndcg@10": False},
    "seeds": 3,
}


@pytest.fixture
def measured(monkeypatch):
    asked = []

    def run(only, quick, seed, say):
        asked.append((only, quick, seed))
        return [row for row in ROWS if row["name"] in only]

    monkeypatch.setattr(speed, "CASES", {"fast": None, "slow": None})
    monkeypatch.setattr(speed, "run", run)
    return asked


def test_speed_prints_ratios_and_writes_json(run, measured, tmp_path):
    file = tmp_path / "speed.json"
    result = run("bench", "speed", "--quick", "--seed", 5, "--json", file)
    assert result.exit_code == 0, result.output
    assert measured == [(["fast"], True, 5), (["slow"], True, 5)]
    assert json.loads(file.read_text()) == ROWS
    for word in ("3.00", ">= 2.5", "met", "on two cores", "300,000"):
        assert word in result.stdout, word


def test_speed_prints_clean_json(run, measured):
    result = run("bench", "speed", "--only", "slow", "--json", "-")
    assert json.loads(result.stdout) == ROWS[1:]


def test_published_hands_its_flags_on(run, monkeypatch, tmp_path):
    asked = []

    def measure(only, seeds, data_dir, out, say):
        asked.append((only, seeds, data_dir, out))
        say("neumf, seed 0: ndcg@10 0.4100")
        return [RESULT]

    monkeypatch.setattr(published, "run", measure)
    flags = ["--only", "neumf", "--seeds", 2, "--data-dir", tmp_path]
    result = run("bench", "published", *flags)
    assert result.exit_code == 0, result.output
    assert asked == [(("neumf",), 2, str(tmp_path), None)]
    assert "0.4100 ± 0.0020" in result.stdout and "below" in result.stdout
    assert "seed 0" in result.stderr and "seed 0" not in result.stdout
    document = run("bench", "published", *flags, "--json")
    assert json.loads(document.stdout) == [RESULT]


def test_published_writes_its_table_into_a_markdown_file(
    run, refused, monkeypatch, tmp_path
):
    monkeypatch.setattr(published, "run", lambda *_: [RESULT])
    monkeypatch.setattr(published, "markdown", lambda rows: f"{len(rows)} row")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{published.BEGIN}\nold\n{published.END}\nafter\n")
    result = run("bench", "published", "--markdown", page)
    assert result.exit_code == 0, result.output
    assert page.read_text() == (
        f"before\n{published.BEGIN}\n1 row\n{published.END}\nafter\n"
    )
    page.write_text("no markers")
    assert "has no lines" in refused("bench", "published", "--markdown", page)
