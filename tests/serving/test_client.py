"""The client against a model server of its own process, over both protocols."""

import json
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfrec.models.factorization.matrix_factorization import MatrixFactorization
from tfrec.serving import Client
from tfrec.serving.client import failures

SCRIPT = Path(__file__).with_name("model_server.py")
PROTOCOLS = ("rest", "grpc")


@contextmanager
def serving(*arguments):
    """A model server; the URL of each protocol."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        ports = json.loads(process.stdout.readline())
        yield {
            "rest": f"http://127.0.0.1:{ports['rest']}",
            "grpc": f"grpc://127.0.0.1:{ports['grpc']}",
        }
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def folders(two_tower, neumf, data, tmp_path_factory):
    """Folders of versions; neumf has two, mf knows its users, the last adds numbers."""
    root = tmp_path_factory.mktemp("models")
    factors = MatrixFactorization(data.spec.select("user_id"), dim=4)
    factors.compile()
    factors.fit(data.batches(factors, 64), epochs=1, verbose=0)
    factors.export(root / "mf", audience=True)
    shutil.copytree(two_tower.version, root / "two_tower" / "1")
    for number in (1, 2):
        shutil.copytree(neumf.version, root / "neumf" / str(number))
    module = tf.Module()
    module.f = tf.function(
        lambda x: {"y": x + 1.0}, input_signature=[tf.TensorSpec((None, 3), name="x")]
    )
    tf.saved_model.save(module, str(root / "sum" / "1"), {"serving_default": module.f})
    return root


@pytest.fixture(scope="module")
def urls(folders):
    models = [f"{path.name}={path}" for path in folders.iterdir()]
    with serving(*models, "--all", "--label", "stable=1", "--label", "gone=9") as found:
        yield found


@pytest.fixture(params=PROTOCOLS)
def url(request, urls):
    return urls[request.param]


@pytest.fixture
def client(url, export):
    with Client(url, export.path.name) as asked:
        yield asked


def same(found, expected):
    np.testing.assert_array_equal(found.item_id, expected.item_id)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.cold, expected.cold)
    for name in ("item_id", "score", "cold"):
        assert getattr(found, name).dtype == getattr(expected, name).dtype


def test_recommend_answers_like_the_loaded_export(client, export):
    features = export.queries(7)
    features["user_id"][2] = export.stranger
    same(client.recommend(features, k=5), export.served.recommend(features, 5))
    taken = export.taken(7)
    taken[3] = []
    asked = {"k": 30, "exclude": taken}
    same(
        client.recommend(features, **asked), export.served.recommend(features, **asked)
    )
    some = [export.items[3:6]] * 6 + [[]]
    asked = {"k": 4, "candidates": some}
    same(
        client.recommend(features, **asked), export.served.recommend(features, **asked)
    )
    arrays = {name: np.array(values) for name, values in features.items()}
    same(client.recommend(arrays, 3), export.served.recommend(features, 3))


def test_every_signature_is_that_of_the_export(client, export):
    found = client.metadata()
    assert found.keys() == export.served.signatures.keys()
    for name, function in export.served.signatures.items():
        _, wanted = function.structured_input_signature
        assert found[name].name == name
        for infos, specs in (
            (found[name].inputs, wanted),
            (found[name].outputs, function.structured_outputs),
        ):
            assert infos.keys() == specs.keys()
            for key, info in infos.items():
                assert info.dtype == specs[key].dtype.name, (name, key)
                assert info.shape == tuple(specs[key].shape), (name, key)
        spec = export.served.spec
        for key in found[name].inputs.keys() & {c.name for c in spec.columns}:
            (tensor,) = spec.tensor_specs([key]).values()
            assert found[name].inputs[key].dtype == tensor.dtype.name
            assert found[name].inputs[key].shape == tuple(tensor.shape)


def test_every_signature_answers_like_the_loaded_export(client, export):
    spec = export.served.spec
    rows = {name: value.numpy() for name, value in export.model.example(4).items()}
    asked = {
        "query_embedding": (client.query_embedding, "embedding"),
        "item_embedding": (client.item_embedding, "embedding"),
        "score": (client.score, "score"),
    }
    there = asked.keys() & export.served.signatures.keys()
    assert "score" in there and ("item_embedding" in there) == ("title" in spec)
    for name in there:
        method, output = asked[name]
        function = export.served.signatures[name]
        inputs = {key: rows[key] for key in function.structured_input_signature[1]}
        expected = function(**{k: tf.constant(v) for k, v in inputs.items()})[output]
        found = method(inputs)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)
    for name in asked.keys() - there:
        with pytest.raises(ValueError, match=f"has no signature '{name}'"):
            asked[name][0](export.queries(1))
    with pytest.raises(ValueError, match="has no signature 'audience'"):
        client.audience({"movie_id": export.items[:1]})


@pytest.mark.slow
def test_an_export_with_its_users_names_an_audience(url, folders):
    from tfrec import serving as library

    expected = library.load(folders / "mf").audience({"movie_id": ["m3", "m4"]}, 5)
    with Client(url, "mf") as client:
        found = client.audience({"movie_id": ["m3", "m4"]}, 5)
    np.testing.assert_array_equal(found.user_id, expected.user_id)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"history": None}, r"reads 'history', which .*features\['history'\]"),
        ({"devise": ["phone"] * 2}, "reads no 'devise'; did you mean 'device'"),
        ({"device": ["phone"]}, "'device' has 1 rows and 'user_id' 2: give one"),
        ({"user_id": [1, 2]}, r"'user_id' cannot be read as string\[any\]"),
        ({"user_id": "u1"}, r"'user_id' has the shape \[\], not \[any\]"),
        ({"history": ["m1", "m2"]}, "'history' cannot be read.*'m1' is no list"),
        ({"age": ["young", "old"]}, "'age' cannot be read as int64"),
        ({"age": [1.5, 2.0]}, "'age' cannot be read as int64"),
        ({"age": [[1], [2]]}, r"'age' has the shape \[2, 1\], not \[any\]"),
    ],
)
def test_features_that_do_not_fit(url, two_tower, change, words):
    features = {**two_tower.queries(2), **change}
    features = {k: v for k, v in features.items() if v is not None}
    with (
        Client(url, "two_tower") as client,
        pytest.raises(ValueError, match=f"model 'two_tower': .*(?:{words})"),
    ):
        client.recommend(features)


def test_requests_that_only_the_server_can_refuse(client, export):
    for k in (0, 31):
        with pytest.raises(ValueError, match=r"refuses: k is not between 1 and the 30"):
            client.recommend(export.queries(1), k=k)
    with pytest.raises(ValueError, match="has no rows: ask at least one"):
        client.recommend({name: [] for name in export.queries(1)})
    with pytest.raises(ValueError, match="'exclude' has 1 rows and 'user_id' 2"):
        client.recommend(export.queries(2), exclude=[export.items[:1]])
    assert len(client.recommend(export.queries(1), 3).item_id) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"k": "ten"},
        {"k": [10]},
        {"k": 31},
        {"user_id": ["u1"]},
        {"user_id": [[1007]]},
        {"user_id": [1.5]},
        {"exclude": [5000]},
        {"exclude": [[5000], [5007]]},
        {"candidates": [["m1"]]},
        {"surprise": [1]},
    ],
)
def test_the_server_refuses_over_rest_and_lives_on(urls, neumf, change):
    right = {"user_id": [1007], "k": 3, "exclude": [[-1]], "candidates": [[-1]]}
    ask = f"{urls['rest']}/v1/models/neumf:predict"
    specs = neumf.served.signatures["serving_default"].structured_input_signature[1]
    assert right.keys() == specs.keys()
    assert requests.post(ask, json={"inputs": right}, timeout=20).status_code == 200
    wrong = requests.post(ask, json={"inputs": {**right, **change}}, timeout=20)
    assert wrong.status_code == 400 and wrong.json()["error"]
    for name in right:
        less = {key: value for key, value in right.items() if key != name}
        answer = requests.post(ask, json={"inputs": less}, timeout=20)
        assert answer.status_code == 400
    assert requests.post(ask, data="{", timeout=20).status_code == 400
    assert requests.post(ask, json={"inputs": right}, timeout=20).status_code == 200


def test_the_server_refuses_over_grpc_and_lives_on(urls):
    def request(**changes):
        values = {
            "user_id": np.array([1007]),
            "k": np.int32(3),
            "exclude": np.array([[-1]]),
            "candidates": np.array([[-1]]),
            **changes,
        }
        asked = predict_pb2.PredictRequest(model_spec={"name": "neumf"})
        for name, value in values.items():
            if value is not None:
                asked.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        return asked

    with grpc.insecure_channel(urls["grpc"].removeprefix("grpc://")) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for wrong in (
            {"k": np.int64(3)},
            {"k": np.int32([3])},
            {"k": np.int32(31)},
            {"k": None},
            {"user_id": np.array(["u1"])},
            {"user_id": np.array([1007.0])},
            {"user_id": np.array([[1007]])},
            {"exclude": np.array([[1], [2]])},
            {"surprise": np.array([1])},
        ):
            with pytest.raises(grpc.RpcError) as told:
                stub.Predict(request(**wrong), timeout=20)
            assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT, wrong
            answer = stub.Predict(request(), timeout=20).outputs["item_id"]
            assert tf.make_ndarray(answer).shape == (1, 3)


def test_versions_and_labels(url, neumf):
    features = neumf.queries(1)
    for chosen in ({}, {"version": 1}, {"version": 2}, {"label": "stable"}):
        with Client(url, "neumf", **chosen) as client:
            assert client.versions() == [1, 2]
            assert client.recommend(features, k=2).item_id.shape == (1, 2)
    with (
        Client(url, "neumf", version=7) as client,
        pytest.raises(ValueError, match=r"no model 'neumf', version 7 .*versions 1, 2"),
    ):
        client.recommend(features)
    with (
        Client(url, "neumf", label="canary") as client,
        pytest.raises(ValueError, match=r"label 'canary' .*Unrecognized"),
    ):
        client.recommend(features)
    with (
        Client(url, "neumff") as client,
        pytest.raises(ValueError, match=r"there is no model 'neumff' at"),
    ):
        client.recommend(features)


def test_a_model_that_tfrec_did_not_export(url):
    with Client(url, "sum") as client:
        assert list(client.metadata()) == ["serving_default"]
        with pytest.raises(ValueError, match=r"gives y, not item_id, score, cold"):
            client.recommend({"x": [[1.0, 2.0, 3.0]]})


@pytest.mark.slow
def test_a_new_version_is_answered_by_while_requests_run(
    neumf, two_tower, numbered, tmp_path
):
    """No request is lost; those after it are answered by the new one."""
    from tfrec.models.ranking.gmf import GMF

    folder = tmp_path / "model"
    shutil.copytree(neumf.version, folder / "1")
    features = neumf.queries(3)
    old = neumf.served.recommend(features, 5)
    other = GMF(numbered.spec)
    other.compile()
    other.fit(numbered.batches(other, 64), epochs=1, verbose=0)
    with (
        serving(f"model={folder}") as urls,
        Client(urls["rest"], "model") as over_rest,
        Client(urls["grpc"], "model") as over_grpc,
    ):
        clients = (over_rest, over_grpc)
        answers = {client: [] for client in clients}
        over = threading.Event()

        def ask(client):
            while not over.is_set():
                answers[client].append(client.recommend(features, 5))

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask, client) for client in clients * 2]
            try:
                version = other.export(folder)
                until = time.monotonic() + 600
                while over_rest.versions() != [2]:
                    assert time.monotonic() < until
                    time.sleep(0.05)
                seen = {client: len(found) for client, found in answers.items()}
                while any(len(answers[client]) < n + 4 for client, n in seen.items()):
                    assert time.monotonic() < until
                    time.sleep(0.05)
            finally:
                over.set()
            for one in asking:
                one.result()
        from tfrec import serving as library

        new = library.load(version).recommend(features, 5)
        assert not np.allclose(old.score, new.score)
        ids = [old.item_id.tolist(), new.item_id.tolist()]
        for found in answers.values():
            by = [ids.index(answer.item_id.tolist()) for answer in found]
            assert {0, 1} == set(by) and by[0] == 0 and by[-1] == 1
        # One that reads other columns takes its place, and the client asks anew.
        shutil.copytree(two_tower.version, folder / "3")
        while over_rest.versions() != [3]:
            assert time.monotonic() < until
            time.sleep(0.05)
        asked = two_tower.queries(2)
        for client in clients:
            same(client.recommend(asked, 4), two_tower.served.recommend(asked, 4))


@pytest.mark.slow
def test_many_requests_at_once(urls, neumf):
    features = neumf.queries(20)
    expected = neumf.served.recommend(features, 5)

    def ask(n):
        row = n % 20
        one = {name: [values[row]] for name, values in features.items()}
        return client.recommend(one, 5).item_id[0].tolist()

    for protocol in PROTOCOLS:
        with (
            Client(urls[protocol], "neumf", timeout=60) as client,
            ThreadPoolExecutor(64) as pool,
        ):
            found = list(pool.map(ask, range(200)))
        assert found == [expected.item_id[n % 20].tolist() for n in range(200)]


def test_a_slow_server(neumf, tmp_path, monkeypatch):
    """What is slow is not sent again."""
    waits = []
    monkeypatch.setattr(failures.time, "sleep", waits.append)
    shutil.copytree(neumf.version, tmp_path / "neumf" / "1")
    with serving(f"neumf={tmp_path / 'neumf'}", "--delay", 30) as urls:
        for protocol in PROTOCOLS:
            client = Client(urls[protocol], "neumf", timeout=0.5)
            assert client.metadata()
            with pytest.raises(TimeoutError, match=r"no answer within 0.5 seconds"):
                client.recommend(neumf.queries(1))
            assert not waits
            client.close()
