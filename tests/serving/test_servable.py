"""Graphs of models that are unlike those of the registry."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import serving
from tfrec.features import Categorical, FeatureSpec, Numeric, Sequence
from tfrec.models.base import Recommender
from tfrec.models.retrieval.two_tower import TwoTower
from tfrec.serving.checks import once_checked
from tfrec.serving.examples import parser
from tfrec.serving.servable import servable


class Neighbours(Recommender):
    """State of several kinds, a weight read in a loop alone, Python's ``if``."""

    def ensure_built(self):
        if not self.built:
            self.weighted = self.add_weight("weighted", (30,), initializer="ones")
            self.shift = self.add_weight("shift", (30,), initializer="zeros")
            self.built = True

    def catalogue_state(self):
        return {
            "weights": self.weighted,
            "matrix": tf.sparse.from_dense(np.eye(30, dtype=np.float32)[::-1]),
            "pair": (tf.range(30), {"none": tf.zeros((0, 3))}),
        }

    def catalogue_scores(self, features, state):
        users = self.lookup(features)["user_id"]
        wanted = tf.one_hot(users % 30, 30) * state["weights"]
        scores = tf.sparse.sparse_dense_matmul(state["matrix"], wanted, adjoint_b=True)
        scores = tf.transpose(scores) + tf.cast(state["pair"][0], tf.float32) / 100
        if tf.reduce_max(scores) > 1e6:
            scores = scores / 2
        return tf.map_fn(lambda row: row + self.shift, scores)


def test_any_state_and_python_conditions_are_served(data, tmp_path):
    model = Neighbours(data.spec)
    model.adapt(data)
    model.export(tmp_path)
    users = {"user_id": ["u1", "u7"]}
    served = serving.load(tmp_path)
    assert set(served.signatures) == {"serving_default", "examples"}
    result, expected = served.recommend(users), model.recommend(users, drop_seen=False)
    np.testing.assert_array_equal(result.item_id, expected.item_id)
    # Users 1 and 7 have index 3 and 9; the matrix turns the order of items around.
    assert result.item_id[:, 0].tolist() == ["m26", "m20"]


def test_nothing_is_computed_before_it_is_checked():
    with tf.Graph().as_default():
        known = tf.compat.v1.placeholder(tf.int32, (None,))
        check = tf.debugging.assert_positive(known)
        first, second = once_checked([check, None], (known, known + 1))
    for value in (first, second):
        assert check.name in [operation.name for operation in value.op.control_inputs]


def test_the_export_does_not_follow_the_model(data, tmp_path):
    """A catalogue that is frozen: training on changes nothing that was exported."""
    model = TwoTower(data.spec, dim=4)
    model.compile()
    model.fit(data.batches(model, 64), verbose=0)
    model.export(tmp_path)
    rows = data.spec.synthetic(3, seed=2)
    features = {name: rows[name].tolist() for name in model.query_columns}
    before = serving.load(tmp_path).recommend(features)
    model.fit(data.batches(model, 64), verbose=0)
    after = serving.load(tmp_path).recommend(features)
    np.testing.assert_array_equal(before.score, after.score)
    changed = model.recommend(features, drop_seen=False)
    assert np.any(changed.score != after.score)


def test_no_large_constant_stands_in_a_graph(two_tower):
    """Tables are variables: nothing of the size of the catalogue is in the graphs."""
    functions = servable(two_tower.model).signatures.values()
    sizes = [
        np.prod([d.size for d in node.attr["value"].tensor.tensor_shape.dim])
        for function in functions
        for graph in [function.graph.as_graph_def()]
        for nodes in [graph.node, *(f.node_def for f in graph.library.function)]
        for node in nodes
        if node.op == "Const"
    ]
    assert sizes
    assert max(sizes) < len(two_tower.items)


def test_a_graph_takes_nothing_large_from_outside_but_variables_and_tables(two_tower):
    """A tensor that is taken from outside is written as a constant of the graph."""
    taken = [
        outside
        for function in servable(two_tower.model).signatures.values()
        for outside, _ in function.graph.captures
    ]
    assert tf.resource in {tensor.dtype for tensor in taken}
    sizes = [np.prod(t.shape) for t in taken if t.dtype != tf.resource]
    assert max(sizes, default=0) < len(two_tower.items)


def test_the_parser_fills_in_what_is_missing():
    spec = FeatureSpec(
        columns=(
            Categorical("user_id", "user", vocabulary=("a",)),
            Categorical("item_id", "item", dtype="int64", vocabulary=(1, 2)),
            Categorical("tags", "context", vocabulary=("x",), max_len=2),
            Sequence("history", "item_id", 4),
            Numeric("age", "user"),
            Numeric("place", "context", shape=(2,)),
        )
    )
    names = ("user_id", "tags", "history", "age", "place")
    full = tf.train.Example()
    feature = full.features.feature
    feature["user_id"].bytes_list.value.append(b"a")
    feature["history"].int64_list.value.extend([1, 2])
    feature["age"].float_list.value.append(30)
    feature["place"].float_list.value.extend([1, 2])
    empty = tf.train.Example()
    parsed = parser(spec, names)([full.SerializeToString(), empty.SerializeToString()])
    expected = {
        "user_id": [b"a", b""],
        "tags": np.zeros((2, 0), object),
        "history": [[1, 2], [-1, -1]],
        "age": [30, np.nan],
        "place": [[1, 2], [np.nan, np.nan]],
    }
    assert parsed.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(parsed[name], values, err_msg=name)
        assert parsed[name].dtype == spec.raw_dtype(name)


def test_an_example_with_the_wrong_type_is_refused(data):
    wrong = tf.train.Example()
    wrong.features.feature["user_id"].int64_list.value.append(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="user_id"):
        parser(data.spec, ("user_id",))([wrong.SerializeToString()])
