"""A model server on plain TensorFlow that speaks both protocols of TensorFlow Serving.

Run as a script, in a process of its own, without tfrec:

    python model_server.py NAME=FOLDER ... [--all] [--label NAME=VERSION] [--delay S]

It prints one line of JSON with its two ports when every model has a version. Versions
that appear are found by polling and answer when they are loaded; requests that run
finish on theirs.
"""

import argparse
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

POLL = 0.05
THREADS = 64
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    500: grpc.StatusCode.INTERNAL,
}


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Version:
    """One loaded SavedModel."""

    def __init__(self, path):
        self.number = int(path.name)
        self._loaded = tf.saved_model.load(str(path))
        graph = saved_model_pb2.SavedModel()
        graph.ParseFromString((path / "saved_model.pb").read_bytes())
        self.signatures = dict(graph.meta_graphs[0].signature_def)

    def predict(self, name, values):
        """Outputs of a signature for arrays by input name."""
        name = name or "serving_default"
        if name not in self._loaded.signatures:
            raise Refusal(400, f'Serving signature name: "{name}" not found')
        inputs = self.signatures[name].inputs
        if values.keys() != inputs.keys():
            raise Refusal(
                400,
                f"input size does not match signature: {len(values)}!={len(inputs)}; "
                f"sent {sorted(values)}, wanted {sorted(inputs)}",
            )
        tensors = {}
        for key, value in values.items():
            wanted = tf.TensorShape(inputs[key].tensor_shape)
            dtype = tf.as_dtype(inputs[key].dtype)
            if value.dtype != dtype or not wanted.is_compatible_with(value.shape):
                raise Refusal(
                    400,
                    f"input {key} is {value.dtype.name} {value.shape}, expected "
                    f"{dtype.name} {wanted}",
                )
            tensors[key] = value
        try:
            return self._loaded.signatures[name](**tensors)
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as why:
            raise Refusal(400, str(getattr(why, "message", why))) from why

    def inputs(self, name):
        """Messages of the inputs of a signature."""
        return self.signatures[name or "serving_default"].inputs


class Model:
    """The versions of one folder."""

    def __init__(self, name, folder, every, labels):
        self.name, self.folder = name, folder
        self.every, self.labels = every, labels
        self.loaded = {}
        self.poll()

    def poll(self):
        there = sorted(int(p.name) for p in self.folder.iterdir() if p.name.isdecimal())
        wanted = there if self.every else there[-1:]
        fresh = {n: self.loaded.get(n) or Version(self.folder / str(n)) for n in wanted}
        self.loaded = fresh

    def version(self, number=None, label=None):
        loaded = self.loaded
        if label is not None:
            if label not in self.labels:
                raise Refusal(400, f"Unrecognized servable version label: {label}")
            number = self.labels[label]
        if number is None:
            return loaded[max(loaded)]
        if number not in loaded:
            what = f"Specific({self.name}, {number})"
            raise Refusal(404, f"Servable not found for request: {what}")
        return loaded[number]


class Server:
    """What both protocols share."""

    def __init__(self, models, delay):
        self.models, self.delay = models, delay

    def find(self, name, number=None, label=None):
        if name not in self.models:
            raise Refusal(404, f"Servable not found for request: Latest({name})")
        return self.models[name].version(number, label)

    def status(self, name):
        if name not in self.models:
            raise Refusal(404, f"Could not find any versions of model {name}")
        answer = get_model_status_pb2.GetModelStatusResponse()
        for number in self.models[name].loaded:
            entry = answer.model_version_status.add(version=number)
            entry.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        return answer

    def metadata(self, name, version):
        found = get_model_metadata_pb2.SignatureDefMap()
        for key, signature in version.signatures.items():
            found.signature_def[key].CopyFrom(signature)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = name
        answer.model_spec.version.value = version.number
        return answer, found

    def predict(self, version, signature, values):
        time.sleep(self.delay)
        return version.predict(signature, values)


def tensor(value, info):
    """JSON as a tensor of the type that the signature has, where it is of that type."""
    dtype = tf.as_dtype(info.dtype)
    try:
        array = np.array(value)
        kinds = {"string": "U", "float32": "fi", "bool": "b"}.get(dtype.name, "i")
        if array.size and array.dtype.kind not in kinds:
            raise ValueError(f"{value!r:.80} is not of type {dtype.name}")
        return tf.constant(value, dtype)
    except (TypeError, ValueError) as why:
        raise Refusal(400, f"JSON value cannot be parsed: {why}") from why


class Rest(BaseHTTPRequestHandler):
    """``/v1/models/NAME[/versions/N|/labels/L][:predict|/metadata]``."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(self.get)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.answer(lambda: self.post(body))

    def answer(self, call):
        try:
            status, document = 200, call()
        except Refusal as why:
            status, document = why.status, {"error": str(why)}
        except Exception as why:
            status, document = 500, {"error": repr(why)}
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def target(self, path):
        """Name and version of ``/v1/models/...``."""
        parts = path.strip("/").split("/")
        if parts[:2] != ["v1", "models"] or len(parts) not in (3, 5):
            raise Refusal(404, f"Malformed request: {self.command} {self.path}")
        number = label = None
        if len(parts) == 5 and parts[3] == "versions":
            number = int(parts[4])
        elif len(parts) == 5:
            label = parts[4]
        return parts[2], self.server.shared.find(parts[2], number, label)

    def get(self):
        shared = self.server.shared
        if not self.path.endswith("/metadata"):
            status = shared.status(self.path.split("/")[3])
            return json_format.MessageToDict(status, preserving_proto_field_name=True)
        name, version = self.target(self.path.removesuffix("/metadata"))
        _, found = shared.metadata(name, version)
        document = json_format.MessageToDict(
            found,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        spec = {"name": name, "signature_name": "", "version": str(version.number)}
        return {"model_spec": spec, "metadata": {"signature_def": document}}

    def post(self, body):
        path, _, verb = self.path.rpartition(":")
        if verb != "predict":
            raise Refusal(404, f"Malformed request: POST {self.path}")
        _, version = self.target(path)
        try:
            request = json.loads(body)
            signature, values = request.get("signature_name"), request["inputs"]
            infos = version.inputs(signature)
        except (ValueError, KeyError, AttributeError) as why:
            raise Refusal(400, f"JSON Parse error: {why}") from why
        if not isinstance(values, dict):
            values = dict.fromkeys(list(infos)[:1], values)
        tensors = {
            key: tensor(value, infos[key]) if key in infos else tf.constant(0)
            for key, value in values.items()
        }
        outputs = self.server.shared.predict(version, signature, tensors)
        plain = {key: self.plain(value.numpy()) for key, value in outputs.items()}
        return {"outputs": plain if len(plain) > 1 else next(iter(plain.values()))}

    @staticmethod
    def plain(array):
        if array.dtype == object:
            flat = np.empty(array.size, object)
            flat[:] = [value.decode() for value in array.ravel()]
            array = flat.reshape(array.shape)
        return array.tolist()


class RestServer(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, shared):
        self.shared = shared

    def Predict(self, request, context):
        return answered(context, lambda: self.predict(request))

    def GetModelMetadata(self, request, context):
        return answered(context, lambda: self.metadata(request))

    def predict(self, request):
        version = target(self.shared, request.model_spec)
        values = {
            key: tf.constant(tf.make_ndarray(value), tf.as_dtype(value.dtype))
            for key, value in request.inputs.items()
        }
        name = request.model_spec.signature_name
        outputs = self.shared.predict(version, name, values)
        answer = predict_pb2.PredictResponse()
        answer.model_spec.name = request.model_spec.name
        answer.model_spec.version.value = version.number
        for key, value in outputs.items():
            answer.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return answer

    def metadata(self, request):
        version = target(self.shared, request.model_spec)
        answer, found = self.shared.metadata(request.model_spec.name, version)
        answer.metadata["signature_def"].Pack(found)
        return answer


class Statuses(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, shared):
        self.shared = shared

    def GetModelStatus(self, request, context):
        return answered(context, lambda: self.shared.status(request.model_spec.name))


def target(shared, spec):
    number = spec.version.value if spec.HasField("version") else None
    return shared.find(spec.name, number, spec.version_label or None)


def answered(context, call):
    try:
        return call()
    except Refusal as why:
        context.abort(CODES[why.status], str(why))


def poll(models):
    while True:
        for model in models.values():
            model.poll()
        time.sleep(POLL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--delay", type=float, default=0.0)
    arguments = parser.parse_args()
    labels = dict(word.split("=") for word in arguments.label)
    labels = {name: int(number) for name, number in labels.items()}
    models = {}
    for word in arguments.models:
        name, folder = word.split("=", 1)
        models[name] = Model(name, Path(folder), arguments.all, labels)
    shared = Server(models, arguments.delay)
    rest = RestServer(("127.0.0.1", 0), Rest)
    rest.shared = shared
    remote = grpc.server(ThreadPoolExecutor(THREADS))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Predictions(shared), remote
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Statuses(shared), remote)
    port = remote.add_insecure_port("127.0.0.1:0")
    remote.start()
    assert not [name for name in sys.modules if name.partition(".")[0] == "tfrec"]
    threading.Thread(target=poll, args=(models,), daemon=True).start()
    print(json.dumps({"rest": rest.server_address[1], "grpc": port}), flush=True)
    rest.serve_forever()


if __name__ == "__main__":
    main()
