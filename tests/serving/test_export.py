"""What an exported model holds and what its signatures answer."""

import json

import numpy as np
import pytest
import tensorflow as tf

import tfrec
from tfrec import serving
from tfrec.features import FeatureSpec
from tfrec.serving.export import EXTRA, latest, versions


def signature_columns(export, name):
    model = export.model
    dtype = export.data.spec.item_column.dtype
    lists = {"exclude": dtype, "candidates": dtype}
    if "genres" in model.item_columns:
        lists["within"] = "string"
    asked = {
        "k": tf.TensorSpec((), tf.int32, name="k"),
        **{n: tf.TensorSpec((None, None), d, name=n) for n, d in lists.items()},
    }
    columns = {
        "serving_default": model.query_columns,
        "examples": (),
        "score": model.columns,
        "query_embedding": model.query_columns,
        "item_embedding": model.item_columns,
    }[name]
    spec = FeatureSpec.from_json((export.version / EXTRA / "spec.json").read_text())
    expected = spec.tensor_specs(columns)
    if name == "examples":
        expected["examples"] = tf.TensorSpec((None,), tf.string, name="examples")
    return {**expected, **(asked if name in ("serving_default", "examples") else {})}


@pytest.mark.parametrize(
    ("name", "pairs_only"),
    [
        ("serving_default", True),
        ("examples", True),
        ("score", True),
        ("query_embedding", False),
        ("item_embedding", False),
    ],
)
def test_signatures_are_what_the_spec_says(two_tower, neumf, name, pairs_only):
    for export in (two_tower, neumf):
        if export is neumf and not pairs_only:
            assert name not in export.served.signatures
            continue
        function = export.served.signatures[name]
        assert function.structured_input_signature == (
            (),
            signature_columns(export, name),
        )
        outputs = {
            key: (value.shape.as_list(), value.dtype.name)
            for key, value in function.structured_outputs.items()
        }
        ids = export.data.spec.item_column.dtype
        assert outputs == {
            "score": {"score": ([None], "float32")},
            "query_embedding": {"embedding": ([None, 8], "float32")},
            "item_embedding": {"embedding": ([None, 8], "float32")},
        }.get(
            name,
            {
                "item_id": ([None, None], ids),
                "score": ([None, None], "float32"),
                "cold": ([None], "bool"),
            },
        )


def test_beside_the_graph(two_tower, neumf):
    assert two_tower.served.spec == two_tower.data.spec
    assert two_tower.served.metrics == {"ndcg@10": 0.25}
    assert neumf.served.config == {
        "model": "neumf",
        "class": "NeuMF",
        "hyper_parameters": neumf.model.config.to_dict(),
        "query_columns": ["user_id"],
        "item_columns": ["movie_id"],
        "operations": [],
        "tfrec": tfrec.__version__,
        "tensorflow": tf.__version__,
    }
    assert {p.name for p in neumf.path.iterdir()} == {"1"}
    assert {str(p.relative_to(neumf.version)) for p in neumf.version.rglob("*")} == {
        "saved_model.pb",
        "fingerprint.pb",
        "assets",
        "variables",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        EXTRA,
        f"{EXTRA}/spec.json",
        f"{EXTRA}/config.json",
        f"{EXTRA}/metrics.json",
        f"{EXTRA}/tf_serving_warmup_requests",
    }


def test_only_what_serving_needs_is_saved(two_tower):
    """No optimizer slots, no training counters, no histories."""
    weights = tf.train.list_variables(str(two_tower.version / "variables/variables"))
    numbers = sum(
        np.prod(shape, dtype=int) for name, shape in weights if "OBJECT" not in name
    )
    model, spec = two_tower.model, two_tower.data.spec
    items = spec.item_column.size - spec.item_column.first
    trained = sum(v.shape.num_elements() for v in model.trainable_variables)
    vectors, popularity, ids = items * 8, items, spec.item_column.size
    strangers = spec.user_column.size
    categories = model.catalogue.categories()
    genres = categories.start.size + categories.items.size
    assert numbers == trained + vectors + popularity + ids + strangers + genres


def test_the_graph_runs_in_a_session_as_in_tensorflow_serving(export):
    """Restores and initialises as the C++ loader does, from the saved names alone."""
    features = export.queries(3)
    expected = export.ask(4, **features)
    values = {**features, "k": 4, **export.lists(3)}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loader = tf.compat.v1.saved_model.loader
        graph = loader.load(session, ["serve"], str(export.version))
        signature = graph.signature_def["serving_default"]
        values = {name: values[name] for name in signature.inputs}
        feed = {signature.inputs[name].name: values[name] for name in values}
        fetch = {name: info.name for name, info in signature.outputs.items()}
        answer = session.run(fetch, feed)
    for name, value in expected.items():
        np.testing.assert_array_equal(answer[name], value)


def test_metrics_are_plain_json(neumf, tmp_path):
    metrics = {
        "ndcg@10": np.float32(0.5),
        "auc": float("nan"),
        "users": np.int64(3),
        "curve": np.array([0.5, np.inf]),
        "nested": {"protocol": "full", "seen": True},
    }
    version = neumf.model.export(tmp_path, metrics)
    written = (version / EXTRA / "metrics.json").read_text()

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(written, parse_constant=refuse) == {
        "ndcg@10": 0.5,
        "auc": None,
        "users": 3,
        "curve": [0.5, None],
        "nested": {"protocol": "full", "seen": True},
    }


def test_versions_are_numbers_and_no_text(tmp_path):
    for name in ("9", "100", "12", "notes", "1a"):
        (tmp_path / name).mkdir()
    (tmp_path / "200").write_text("a file")
    assert versions(tmp_path) == [9, 12, 100]
    assert latest(tmp_path) == tmp_path / "100"


def test_versions_count_up(neumf, tmp_path):
    path = tmp_path / "not" / "there"
    assert neumf.model.export(path) == path / "1"
    assert neumf.model.export(str(path)) == path / "2"
    (path / "41").mkdir()
    (path / "notes").mkdir()
    assert neumf.model.export(path) == path / "42"
    assert serving.load(path).path == path / "42"
    assert serving.load(path / "2").path == path / "2"
