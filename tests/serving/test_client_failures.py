"""What the client says, and how often it asks, when a server fails."""

import gzip
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import ports
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfrec.serving import Client
from tfrec.serving.client import failures


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """The waits between two requests, shortened."""
    found, sleep = [], time.sleep

    def short(seconds):
        found.append(seconds)
        sleep(seconds / 100)

    monkeypatch.setattr(failures.time, "sleep", short)
    return found


def metadata():
    """Those of a model whose item_embedding takes an id."""
    found = get_model_metadata_pb2.SignatureDefMap()
    signature = found.signature_def["item_embedding"]
    for part, name, dtype, sizes in (
        (signature.inputs, "movie_id", tf.string, (-1,)),
        (signature.outputs, "embedding", tf.float32, (-1, 2)),
    ):
        part[name].dtype = dtype.as_datatype_enum
        for size in sizes:
            part[name].tensor_shape.dim.add(size=size)
    return found


RIGHT = (200, {"outputs": [[1.0, 2.0]]})
METADATA = {
    "metadata": {
        "signature_def": json_format.MessageToDict(
            metadata(), preserving_proto_field_name=True
        )
    }
}


@contextmanager
def rest(*answers, known=METADATA):
    """A server of these answers to predictions, the last one for ever; and requests."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send(200, known)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            answer = answers[min(len(asked), len(answers)) - 1]
            if answer is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send(*answer)

        def send(self, status, body, headers=None, pieces=1, pause=0.0):
            """In pieces, with a pause before each."""
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (headers or {"Content-Length": len(body)}).items():
                self.send_header(name, str(value))
            self.end_headers()
            size = -(-len(body) // pieces)
            for start in range(0, len(body), max(size, 1)):
                threading.Event().wait(pause)
                self.wfile.write(body[start : start + size])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def remote(*answers):
    """The same over gRPC; a status code or an array each."""
    asked = []

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def GetModelMetadata(self, request, context):
            answer = get_model_metadata_pb2.GetModelMetadataResponse()
            answer.metadata["signature_def"].Pack(metadata())
            return answer

        def Predict(self, request, context):
            asked.append(request)
            answer = answers[min(len(asked), len(answers)) - 1]
            if isinstance(answer, grpc.StatusCode):
                context.abort(answer, "the reason")
            response = predict_pb2.PredictResponse()
            for name, value in answer.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Service(), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}", asked
    finally:
        server.stop(None)


def ask(url, **options):
    with Client(url, "films", **options) as client:
        return client.item_embedding({"movie_id": ["m1"]}).tolist()


BUSY = (503, {"error": "loading"})


@pytest.mark.parametrize("broken", [BUSY, (429, b"slow down"), (503, b"<p>"), None])
def test_a_busy_server_is_asked_again(broken, waits):
    with rest(broken, broken, RIGHT) as (url, asked):
        assert ask(url) == [[1.0, 2.0]]
    assert len(asked) == 3 and len(waits) == 2
    assert 0.05 <= waits[0] <= 0.1 <= waits[1] <= 0.2


def test_waits_grow_with_jitter_up_to_a_bound(waits):
    with rest(BUSY) as (url, asked), pytest.raises(ConnectionError, match="too busy"):
        ask(url, retries=8)
    assert len(asked) == 9
    for attempt, wait in enumerate(waits):
        longest = min(5.0, 0.1 * 2**attempt)
        assert longest / 2 <= wait <= longest
    assert len({wait / 2**n for n, wait in enumerate(waits[:5])}) == 5


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            (400, {"error": "k is odd."}),
            ValueError,
            "'films' at .* refuses: k is odd.$",
        ),
        ((404, {"error": "gone"}), ValueError, r"no model 'films' at .* \(gone"),
        ((404, b"<html>"), RuntimeError, "does not answer as .* 404 and no JSON"),
        ((500, {"error": "oh"}), RuntimeError, r"does not answer as .*\(oh\)"),
        ((302, b""), RuntimeError, "status 302"),
        ((200, b"<html>"), RuntimeError, "status 200 and no JSON"),
        ((200, b'{"outputs": [[1.0'), RuntimeError, "no JSON"),
        ((200, [1]), RuntimeError, "does not answer"),
        ((200, {"predictions": []}), RuntimeError, "'outputs'"),
        ((200, {"outputs": [1.0, 2.0]}), RuntimeError, r"embedding is float32\[2\]"),
        ((200, {"outputs": [[1.0]]}), RuntimeError, r"not float32\[any, 2\]"),
        ((200, {"outputs": [["a", "b"]]}), RuntimeError, "does not answer"),
        ((200, {"outputs": {"y": [1], "z": [2]}}), RuntimeError, "does not answer"),
        ((504, b""), TimeoutError, "no answer within 10 seconds"),
    ],
)
def test_what_is_refused_or_garbage_is_not_asked_again(answer, error, words, waits):
    with rest(answer) as (url, asked), pytest.raises(error, match=words):
        ask(url)
    assert len(asked) == 1 and not waits


def test_an_answer_that_drips_is_given_up(waits):
    """Each part comes in time, and the whole would take 80 times as long."""
    answer = (200, b" " * 400 + json.dumps(RIGHT[1]).encode(), None, 400, 0.04)
    with (
        rest(answer) as (url, asked),
        pytest.raises(TimeoutError, match=r"no answer within 0\.2 seconds"),
    ):
        ask(url, timeout=0.2)
    assert len(asked) == 1 and not waits


def test_an_answer_may_come_in_chunks_or_compressed():
    body = json.dumps(RIGHT[1]).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    small = gzip.compress(body)
    packed = {"Content-Encoding": "gzip", "Content-Length": len(small)}
    for answer in (
        (200, chunks, {"Transfer-Encoding": "chunked"}, 3),
        (200, small, packed, 3),
    ):
        with rest(answer) as (url, _):
            assert ask(url) == [[1.0, 2.0]]


def test_half_an_answer_is_asked_for_again(waits):
    body = json.dumps(RIGHT[1]).encode()
    half = (200, body, {"Content-Length": len(body) + 9, "Connection": "close"})
    with rest(half, RIGHT) as (url, asked):
        assert ask(url) == [[1.0, 2.0]]
    assert len(asked) == 2 and len(waits) == 1


@pytest.mark.parametrize("serve", ["rest", "remote"])
def test_requests_and_answers_are_no_larger_than_the_limit(serve, waits):
    server, many = {
        "rest": (rest, (200, {"outputs": [[1.0, 2.0]] * 400})),
        "remote": (remote, {"embedding": [[1.0, 2.0]] * 400}),
    }[serve]
    with server(many) as (url, asked):
        told = f"'films' at {url}: the answer has more than 2,000 bytes: ask for fewer"
        with pytest.raises(ValueError, match=told):
            ask(url, limit=2000)
        assert len(asked) == 1 and not waits
        with (
            Client(url, "films", limit=2000) as client,
            pytest.raises(ValueError, match="the request has more than 2,000 bytes"),
        ):
            client.item_embedding({"movie_id": ["m1"] * 2000})
        assert len(asked) == 1 and not waits


@pytest.mark.parametrize(
    "known", [b"<html>", {}, [1], {"metadata": {"signature_def": 1}}]
)
def test_metadata_that_are_none(known):
    with (
        rest(RIGHT, known=known) as (url, asked),
        pytest.raises(RuntimeError, match=f"{url} does not answer as a model server"),
    ):
        ask(url)
    assert not asked


def test_a_busy_grpc_server_is_asked_again(waits):
    busy = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
    with remote(*busy, {"embedding": [[1.0, 2.0]]}) as (url, asked):
        assert ask(url) == [[1.0, 2.0]]
    assert len(asked) == 3 and len(waits) == 2


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, ValueError, "refuses: the reason.$"),
        (grpc.StatusCode.NOT_FOUND, ValueError, r"no model 'films' at .*\(the reason"),
        (grpc.StatusCode.INTERNAL, RuntimeError, "does not answer as a model server"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, TimeoutError, "no answer within 10 sec"),
        ({"embedding": [1.0]}, RuntimeError, r"float32\[1\], not float32\[any, 2\]"),
        ({"embedding": [[b"\xff", b""]]}, RuntimeError, "does not answer"),
        ({"item_id": [["m1"]]}, RuntimeError, "gives item_id for embedding"),
    ],
)
def test_what_a_grpc_server_refuses_is_not_asked_again(answer, error, words, waits):
    with remote(answer) as (url, asked), pytest.raises(error, match=words):
        ask(url)
    assert len(asked) == 1 and not waits


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_there(scheme, waits):
    with ports.reserved() as port:
        url = f"{scheme}://127.0.0.1:{port}"
        with pytest.raises(
            ConnectionError, match=f"no model server .* at {url} .*"
        ) as told:
            ask(url, retries=2, timeout=60)
    assert len(waits) == 2
    assert "refused" in str(told.value) and "object" not in str(told.value)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_talks_nonsense(scheme):
    over = threading.Event()

    def talk(listener):
        listener.settimeout(0.05)
        while not over.is_set():
            try:
                line, _ = listener.accept()
            except TimeoutError:
                continue
            with line:
                line.recv(100)
                line.sendall(b"220 mail server ready\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk, args=(listener,))
        thread.start()
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        try:
            with pytest.raises((ConnectionError, RuntimeError), match=url):
                ask(url, timeout=5, retries=1)
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_says_nothing(scheme):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises((TimeoutError, ConnectionError), match=url):
            ask(url, timeout=0.3, retries=0)


@pytest.mark.parametrize(
    "url",
    ["localhost:8501", "ftp://h", "http://", "grpc://h", "grpc://h:1/a", "http://h:x"],
)
def test_urls_that_are_none(url):
    with pytest.raises(ValueError, match=f"'{url}' is no address of a model server"):
        Client(url, "films")


def test_options_that_do_not_fit():
    with pytest.raises(
        ValueError, match="version 1 and label 'a' name a version twice"
    ):
        Client("http://h:1", "films", version=1, label="a")
    for wrong in ({"timeout": 0}, {"retries": -1}, {"limit": 0}):
        with pytest.raises(ValueError, match="must be above 0"):
            Client("http://h:1", "films", **wrong)
