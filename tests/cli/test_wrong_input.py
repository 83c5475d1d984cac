"""Each wrong input is one sentence and code 2."""

import zipfile

import pytest

FLAGS = ["--user", "u", "--item", "i", "--label", "stars", "--timestamp", "t"]


@pytest.fixture
def described(refused):
    def call(path, *flags):
        return refused("data", "describe", "--data", path, *(flags or FLAGS))

    return call


def test_files(described, ratings, tmp_path):
    message = described(ratings, "--user", "usr", "--item", "i")
    assert "column 'usr' missing from" in message and "found u, i, stars" in message
    message = described(ratings, "--user", "u")
    assert "needs --item" in message and "u, i, stars, t, name" in message
    assert "does not exist" in described(tmp_path / "no.csv")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert f"{empty} is empty" in described(empty)
    header = tmp_path / "header.csv"
    header.write_text("u,i,stars,t\n")
    assert "has no rows" in described(header)


def test_text_in_a_numeric_column_is_told_with_its_line(described, ratings, tmp_path):
    lines = ratings.read_text().splitlines()
    lines[6] = lines[6].replace(lines[6].split(",")[2], "good", 1)
    cells = lines[6].split(",")
    cells[2] = "good"
    lines[6] = ",".join(cells)
    file = tmp_path / "ratings.csv"
    file.write_text("\n".join(lines) + "\n")
    message = described(file)
    assert "line 7" in message and "'stars'" in message and "'good'" in message


def test_flags_that_do_not_fit_the_data(refused, trained):
    message = refused("data", "describe", "--data", "movielens", "--user", "u")
    assert "--user is for files" in message
    message = refused("train", "gmf", "--data", "x.csv", "--column", "genres")
    assert "--column" in message or "does not exist" in message
    message = refused("evaluate", trained, "--baselines", "popularty")
    assert "unknown model 'popularty'; did you mean 'popularity'?" in message
    assert "is not in the range" in refused("evaluate", trained, "--k", 0)


def test_a_damaged_archive(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    archive = tmp_path / "ml-100k.zip"
    archive.write_bytes(b"PK not an archive")
    command = ["data", "describe", "--data", "movielens/100k", "--data-dir", tmp_path]
    assert f"archive {archive} is damaged" in refused(*command)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("other.txt", "other")
    assert "lacks 'ml-100k/u.data'" in refused(*command)


def test_models_that_are_none(refused, trained, tmp_path):
    for command in (["recommend", "--user", "u1"], ["similar", "--item", "101"]):
        name, *flags = command
        assert "does not exist" in refused(name, tmp_path / "no", *flags)
    text = tmp_path / "text.keras"
    text.write_text("weights")
    assert "is no saved model" in refused("recommend", text, "--user", "u1")
    folder = tmp_path / "folder"
    (folder / "1").mkdir(parents=True)
    message = refused("recommend", folder, "--user", "u1")
    assert f"'{folder}/1' is no exported model" in message
    (folder / "1" / "saved_model.pb").write_bytes(b"cut")
    message = refused("recommend", folder, "--user", "u1")
    assert f"'{folder}/1' is damaged or not written by tfrec" in message
    assert "is neither a run" in refused("recommend", tmp_path, "--user", "u1")
    assert "is no run" in refused("evaluate", tmp_path)


def test_ids_and_numbers(refused, trained):
    message = refused("recommend", trained, "--user", "u1", "--k", 16)
    assert "k=16 is not between 1 and the catalogue's 15 items" in message
    assert "k=0" in refused("recommend", trained, "--user", "u1", "--k", 0)
    message = refused("similar", trained, "--item", 999)
    assert "item 999 is not among the 15 items" in message
    message = refused("similar", trained, "--item", "Alien")
    assert "'Alien' is no i: i is a whole number" in message
    message = refused("recommend", trained, "--user", "u1", "--exclude", "100,x")
    assert "'x' is no i" in message
    message = refused("recommend", trained, "--user", "u1", "--feature", "age")
    assert "--feature age is not NAME=VALUE" in message
    message = refused("recommend", trained, "--user", "u1", "--feature", "agee=3")
    assert "no column 'agee'" in message


def test_benchmarks(refused):
    assert "no published row 'neumff'" in refused(
        "bench", "published", "--only", "neumff"
    )
    message = refused("bench", "speed", "--only", "neumf_257")
    assert "did you mean 'neumf_256'?" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 2001-99-99\n", "is not YAML"),
        ("1: 2\n", "'1' is no setting of gmf"),
        ("dim: many\n", "'dim': 'many' is not a valid integer; correct it."),
        ("epochs: 0\n", "'epochs': 0 is not in the range x>=1; correct it."),
    ],
)
def test_a_configuration_file_is_named_with_its_fault(refused, tmp_path, text, message):
    file = tmp_path / "config.yaml"
    file.write_text(text, "utf8")
    said = refused("train", "gmf", "--config", file)
    assert str(file) in said and message in said
