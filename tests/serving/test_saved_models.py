"""The committed sample models are what the code exports today, and answer."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml

from tfrec import serving
from tfrec.cli import serve
from tfrec.features import FeatureSpec
from tfrec.serving import Request
from tfrec.serving.export import CONFIG, EXTRA, METRICS, SPEC

FOLDER = Path(__file__).parents[2] / "saved_models"
MAKE = runpy.run_path(str(FOLDER / "make.py"))
NAMES = (
    "movielens_pipeline",
    "movielens_ranking",
    "movielens_retrieval",
    "movielens_sequence",
)
ENOUGH = 5_000_000  # bytes of a model
K = 10

every_model = pytest.mark.parametrize("name", NAMES)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split():
    return MAKE["parts"]()


@pytest.fixture(scope="module")
def fresh(split, tmp_path_factory):
    """The same models as today's code exports them, without training."""
    train, _, _ = split
    made = MAKE["build"](train)
    for model in made.values():
        train.batches(model)
        model.ensure_built()
    made["movielens_pipeline"] = MAKE["pipeline"](made)
    folder = tmp_path_factory.mktemp("fresh")
    return {name: model.export(folder / name) for name, model in made.items()}


def document(version, name):
    return json.loads((version / EXTRA / name).read_text("utf-8"))


def signatures(version):
    """Inputs and outputs of every signature, by name: type and shape."""
    return {
        name: (
            {k: (s.dtype, s.shape) for k, s in f.structured_input_signature[1].items()},
            {k: (s.dtype, s.shape) for k, s in f.structured_outputs.items()},
        )
        for name, f in serving.load(version).signatures.items()
    }


def test_these_models_are_there():
    found = {path.parent.parent.name for path in FOLDER.glob("*/*/saved_model.pb")}
    assert found == set(NAMES)
    for name in NAMES:
        assert [p.name for p in (FOLDER / name).iterdir()] == ["1"]
        files = [p for p in (FOLDER / name).rglob("*") if p.is_file()]
        assert sum(path.stat().st_size for path in files) < ENOUGH


@every_model
def test_it_is_what_is_exported_today(name, fresh):
    there, today = FOLDER / name / "1", fresh[name]
    specs = [FeatureSpec.from_dict(document(v, SPEC)) for v in (there, today)]
    assert specs[0] == specs[1]
    versions = {"tfrec": None, "tensorflow": None}
    one, other = ({**document(v, CONFIG), **versions} for v in (there, today))
    assert one == other
    assert signatures(there) == signatures(today)
    names = [sorted(p.name for p in (v / EXTRA).iterdir()) for v in (there, today)]
    assert names[0] == names[1]


@pytest.fixture(scope="module")
def answers(split, fresh_process):
    """What each model answers for all test users, in a process without tfrec."""
    _, _, test = split
    spec, past = test.spec, test.past
    users = np.unique(test.user)
    seen = [np.unique(past.item[past.user == user]) for user in users]
    columns = test.queries(users, ("user_id", "history"))
    given = {
        "user_id": spec.decode("user_id", users).tolist(),
        "history": spec.decode("history", columns["history/index"]).tolist(),
    }
    longest = max(map(len, seen))
    exclude = [
        [*spec.decode("movie_id", items).tolist(), *[""] * (longest - len(items))]
        for items in seen
    ]
    requests = []
    for name in NAMES:
        reads = document(FOLDER / name / "1", CONFIG)["query_columns"]
        inputs = {column: given[column] for column in reads}
        requests.append(Request(FOLDER / name, {**inputs, "k": K, "exclude": exclude}))
    return users, dict(zip(NAMES, fresh_process.answers(requests), strict=True))


@every_model
def test_the_answers_are_as_good_as_the_noted_numbers(name, answers, split):
    users, found = answers
    _, _, test = split
    wanted = dict(zip(test.user.tolist(), test.raw("movie_id"), strict=True))
    ids = found[name]["item_id"]
    past = set(zip(test.past.user, test.past.raw("movie_id"), strict=True))
    hits = [wanted[user] in row for user, row in zip(users.tolist(), ids, strict=True)]
    given = zip(np.repeat(users, K), np.ravel(ids), strict=True)
    assert not past & set(given)
    (noted,) = document(FOLDER / name / "1", METRICS).values()
    # Ties, and another processor's rounding, may move a film over the edge.
    assert np.mean(hits) == pytest.approx(noted["recall@10"], abs=2 / len(users))
    assert noted["recall@10"] > noted["popularity recall@10"]


def test_a_stranger_is_answered_by_popularity():
    query = {"user_id": ["nobody"], "history": [[""]]}
    for name in NAMES:
        reads = document(FOLDER / name / "1", CONFIG)["query_columns"]
        inputs = {column: query[column] for column in reads}
        answer = serving.load(FOLDER / name).recommend(inputs, k=3)
        assert answer.cold.all() and (answer.item_id != "").all()


def test_no_title_is_in_them(split):
    train, _, _ = split
    first = train.spec.item_column.first
    often = np.argsort(-train.item_counts[first:], kind="stable")[:200] + first
    titles = [str(t).encode() for t in train.item_names[often] if len(str(t)) > 8]
    assert len(titles) > 100
    for path in FOLDER.glob("*/1/**/*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [title for title in titles if title in content], path


def test_the_files_beside_them_fit():
    text = (FOLDER / "models.config").read_text("utf-8")
    assert text == MAKE["config_text"]()
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert MAKE["table"]() in readme
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))["services"]
    models = services["models"]
    assert models["image"].partition(":")[0] == serve.IMAGE
    assert models["ports"] == [f"{port}:{port}" for port in (serve.GRPC, serve.REST)]
    (source, target, mode) = models["volumes"][0].split(":")
    assert (source, target, mode) == (".", MAKE["IN_CONTAINER"], "ro")
    flag, _, path = models["command"].partition("=")
    assert flag == "--model_config_file"
    assert (FOLDER / Path(path).relative_to(target)).is_file()
    assert services["vectors"]["image"].partition(":")[0] == "redis"
