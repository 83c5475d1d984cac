import numpy as np
import pyarrow as pa
import tensorflow as tf

from tfrec.data.examples import serialise


def example(**columns):
    features = {}
    for name, values in columns.items():
        values = values if isinstance(values, list) else [values]
        if all(isinstance(v, str | bytes) for v in values) and values:
            raw = [v.encode() if isinstance(v, str) else v for v in values]
            features[name] = tf.train.Feature(bytes_list={"value": raw})
        elif any(isinstance(v, float) for v in values):
            features[name] = tf.train.Feature(float_list={"value": values})
        else:
            features[name] = tf.train.Feature(int64_list={"value": values})
    return tf.train.Example(features={"feature": features})


def test_serialised_blocks_parse_like_examples_written_one_by_one():
    columns = {
        "user": pa.array(["u1", "ü2", "u1", ""]),
        "item": pa.array([7, -1, 2**40, 7]),
        "rating": pa.array([0.5, -1.25, 3.0, 0.0], pa.float64()),
        "genres": pa.array([["a", "b"], ["ç"], ["a"], ["b", "b", "c"]]),
        "history": pa.array([[1, 2, 3], [4], [5], [6]]),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8.0)), 2),
        "image": pa.array([b"\x00\xff", b"", b"abc", b"\n"]),
        "code": pa.array(["x", "y", "x", "x"]).dictionary_encode(),
    }
    plain = {name: values.to_pylist() for name, values in columns.items()}
    blocks = serialise(columns)
    assert blocks.shape == (4,)
    for row, serialised in enumerate(blocks):
        expected = example(**{name: plain[name][row] for name in plain})
        assert tf.train.Example.FromString(serialised) == expected
        # The bytes are as long, so nothing stands twice.
        assert len(serialised) == len(expected.SerializeToString())


def test_empty_lists_are_features_without_values():
    blocks = serialise(
        {"g": pa.array([[], ["a"]], pa.list_(pa.string())), "n": pa.array([1, 2])}
    )
    parsed = tf.io.parse_example(blocks, {"g": tf.io.RaggedFeature(tf.string)})
    assert parsed["g"].to_list() == [[], [b"a"]]
