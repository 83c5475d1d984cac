"""``tfrec vectors``."""

import json


def test_word2vec_and_the_projector(run, trained, tmp_path):
    result = run("vectors", trained, "--out", tmp_path / "items.txt")
    assert result.exit_code == 0, result.output
    head, *rows = (tmp_path / "items.txt").read_text().splitlines()
    count, dim = map(int, head.split())
    assert result.stdout.startswith(f"wrote {count} vectors of {dim} numbers to ")
    assert len(rows) == count
    projector = ["--format", "projector", "--json"]
    result = run("vectors", trained, "--out", tmp_path / "log", *projector)
    document = json.loads(result.stdout)
    assert document == {"path": str(tmp_path / "log"), "items": count, "dim": dim}
    titles = (tmp_path / "log/metadata.tsv").read_text().splitlines()
    assert titles[0] == "id\ttitle"
    assert "\tFilm " in titles[1]


def test_what_cannot_be_written_is_said(refused, trained, tmp_path):
    message = refused("vectors", tmp_path / "none", "--out", tmp_path / "v")
    assert "none" in message
    (tmp_path / "file").write_text("")
    message = refused("vectors", trained, "--out", tmp_path / "file" / "v.txt")
    assert "Not a directory" in message
    message = refused("vectors", trained, "--out", tmp_path, "--format", "excel")
    assert "'word2vec', 'projector'" in message
