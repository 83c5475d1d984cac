"""The warm-up file holds a request for each signature, and each really runs."""

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tfrec.serving.export import EXTRA


def test_every_request_runs(export):
    path = export.version / EXTRA / "tf_serving_warmup_requests"
    asked = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        asked.append(request.model_spec.signature_name)
        assert request.model_spec.name == export.path.name
        function = export.served.signatures[asked[-1]]
        specs = function.structured_input_signature[1]
        assert request.inputs.keys() == specs.keys()
        tensors = {}
        for name, proto in request.inputs.items():
            assert tf.as_dtype(proto.dtype) == specs[name].dtype
            tensors[name] = tf.constant(tf.make_ndarray(proto), specs[name].dtype)
            assert specs[name].shape.is_compatible_with(tensors[name].shape)
        outputs = function(**tensors)
        assert all(len(value) == 2 for value in outputs.values())
        if "k" in tensors:
            assert outputs["item_id"].shape == (2, 10)
    assert sorted(asked) == sorted(export.served.signatures)
