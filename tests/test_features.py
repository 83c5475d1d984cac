"""Columns declared once: indices, round trips, and what TensorFlow is told of them."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.statistics import Statistics
from tfrec.errors import ConfigError
from tfrec.features import (
    Audio,
    Categorical,
    FeatureSpec,
    Image,
    Numeric,
    Sequence,
    Text,
)


def every_kind() -> FeatureSpec:
    return FeatureSpec(
        (
            Categorical("user_id", "user", "int64", vocabulary=(42, 7, 99)),
            Categorical("item_id", "item", vocabulary=("é", "b", "c"), oov=3),
            Categorical("tags", "item", hash_bins=20, max_len=4, dim=5),
            Numeric("price", "item", (), "log", 1.5, 0.5, clip=(0.0, 99.5)),
            Numeric("place", "context", (2,), "quantile", boundaries=(0.0, 1.0, 4.0)),
            Sequence("history", of="item_id", max_len=3),
            Text("title", tokens="trigram", vocabulary=("#ab", "ab#"), max_len=6),
            Image("poster", height=2, width=3),
            Audio("preview", sample_rate=100, seconds=0.1),
        ),
        label="rating",
        timestamp="time",
    )


# Indices


def test_indices_are_padding_then_unknown_then_the_vocabulary():
    column = Categorical("item_id", vocabulary=("a", "b"), oov=3)
    assert (column.first, column.size) == (4, 6)
    assert column.raw.tolist() == ["", "", "", "", "a", "b"]
    numbers = Categorical("item_id", dtype="int64", vocabulary=(10, 20))
    assert (numbers.first, numbers.size) == (2, 4)
    assert numbers.raw.tolist() == [-1, -1, 10, 20]


def test_a_long_vocabulary_is_not_printed_whole():
    column = Categorical("user_id", "user", "int64", tuple(range(100_000)))
    assert repr(column).endswith("max_len=None, and 99,995 more ids)")
    assert "vocabulary=(0, 1, 2, 3, 4)" in repr(column)
    assert repr(Text("title", vocabulary=("heat",))) == (
        "Text(name='title', side='item', tokens='word', vocabulary=('heat',), "
        "hash_bins=None, oov=1, dim=None, max_len=16)"
    )


def test_hash_buckets_follow_padding():
    column = Categorical("item_id", hash_bins=10)
    assert column.size == 11
    assert Text("title", hash_bins=7).size == 8


def test_encode_and_decode_are_inverse_where_ids_are_known():
    spec = every_kind()
    indices = spec.encode("user_id", [99, 42, -1, 1234])
    assert indices.tolist() == [4, 2, 0, 1]
    assert indices.dtype == np.int32
    assert spec.decode("user_id", indices).tolist() == [99, 42, -1, -1]
    found = spec.encode("item_id", ["c", "é", "", "?"])
    assert found[:3].tolist() == [6, 4, 0]
    assert 1 <= found[3] <= 3
    assert spec.decode("item_id", found).tolist() == ["c", "é", "", ""]
    assert spec.decode("history", np.array([[4, 0], [5, 6]])).tolist() == [
        ["é", ""],
        ["b", "c"],
    ]


def test_a_sequence_keeps_the_latest_and_a_bag_the_first():
    spec = every_kind()
    five = [["é", "b", "c", "c", "b"], ["b", "", "", "", ""]]
    assert spec.encode("history", five).tolist() == [[6, 6, 5], [5, 0, 0]]
    tags = [["a", "b", "c", "d", "e"]]
    assert spec.encode("tags", tags).tolist() == [
        spec.encode("tags", [["a", "b", "c", "d"]])[0].tolist()
    ]


def test_text_has_no_ids_to_decode():
    with pytest.raises(KeyError, match="its tokens are not ids"):
        every_kind().decode("title", np.array([1]))


# What a spec knows


def test_roles_and_sides():
    spec = every_kind()
    assert spec.user_column is spec["user_id"]
    assert spec.item_column is spec["item_id"]
    assert spec.history is spec["history"]
    assert [c.name for c in spec.on("context")] == ["place"]
    assert [c.name for c in spec.on("user")] == ["user_id", "history"]
    assert spec.table("history") is spec["item_id"]
    assert "poster" in spec
    assert "poser" not in spec
    assert FeatureSpec(spec.columns[:2]).history is None


def test_a_sequence_of_something_else_is_no_history():
    columns = (*every_kind().columns[:3], Sequence("tagged", of="tags"))
    assert FeatureSpec(columns).history is None


def test_select_keeps_ids_and_order_and_replace_the_place():
    spec = every_kind().select("title", "history")
    assert [c.name for c in spec.columns] == ["user_id", "item_id", "history", "title"]
    assert spec.label == "rating"
    longer = Sequence("history", of="item_id", max_len=9)
    assert [c.name for c in spec.replace(longer).columns] == [
        c.name for c in spec.columns
    ]
    assert spec.replace(longer)["history"] is longer
    assert spec.replace(Numeric("new")).columns[-1] == Numeric("new")


# Refusals


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Categorical("x", dtype="int32"), "'x': dtype 'int32' is not string"),
        (lambda: Categorical("x", hash_bins=0), "'x': hash_bins=0 must be positive"),
        (
            lambda: Categorical("x", vocabulary=("a",), hash_bins=5),
            "'x': hash_bins=5 .* without a vocabulary",
        ),
        (lambda: Categorical("x", oov=0), "'x': oov=0 must be at least 1"),
        (
            lambda: Categorical("x", vocabulary=("a", "a")),
            "'x': the vocabulary repeats",
        ),
        (
            lambda: Categorical("x", vocabulary=("a", "")),
            "'x': the vocabulary holds ''",
        ),
        (
            lambda: Categorical("x", dtype="int64", vocabulary=(3, -1)),
            "'x': the vocabulary holds -1",
        ),
        (lambda: Text("x", vocabulary=("a", "")), "'x': the vocabulary holds ''"),
        (lambda: Categorical("x", max_len=0), "'x': max_len=0 must be at least 1"),
        (lambda: Sequence("x", of="y", max_len=0), "'x': max_len=0"),
        (lambda: Text("x", tokens="letters"), "'x': tokens 'letters' is not word or"),
        (lambda: Numeric("x", normalisation="z"), "'x': normalisation 'z' is not zsc"),
        (
            lambda: Numeric("x", clip=(2.0, 1.0)),
            r"'x': clip=\(2.0, 1.0\) must be a low",
        ),
        (lambda: Numeric("x", clip=(0.0, np.inf)), "must be a lowest and a highest"),
        (lambda: Numeric("x", clip=(np.nan, 1.0)), "both finite and the lowest first"),
        (
            lambda: Numeric("x", normalisation="zscore").fit(np.array([np.nan])),
            "'x': every value is missing",
        ),
    ],
)
def test_a_column_that_cannot_be_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("columns", "roles", "words"),
    [
        ((Numeric("item_id"),), {}, "item column 'item_id' must be declared as Categ"),
        ((), {"item": "item_idd"}, "'item_idd' .*; did you mean 'item_id'"),
        ((), {"user": "userid"}, "'userid' .*; did you mean 'user_id'"),
        ((Numeric("a"), Numeric("a")), {}, "declared twice: a, a"),
        ((Sequence("h", of="item_ids"),), {}, "'item_ids', .* did you mean 'item_id'"),
        ((Numeric("n"), Sequence("h", of="n")), {}, "is of 'n', which is no Categ"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(columns, roles, words):
    ids = {c.name: c for c in every_kind().columns[:2]}
    columns = (*(ids[n] for n in ids if n not in {c.name for c in columns}), *columns)
    with pytest.raises(ValueError, match=words):
        FeatureSpec(columns, **roles)


def test_an_unknown_column_names_the_near_one():
    spec = every_kind()
    for ask in (spec.__getitem__, spec.table, spec.select, spec.raw_dtype):
        with pytest.raises(KeyError, match="'titel' in the spec; did you mean 'title'"):
            ask("titel")
    with pytest.raises(KeyError, match="'price' is numeric and has no table"):
        spec.table("price")


# JSON


def test_json_round_trip_is_the_same_spec():
    spec = every_kind()
    text = spec.to_json()
    assert FeatureSpec.from_json(text) == spec
    assert FeatureSpec.from_json(text).to_json() == text
    assert "é" in text
    assert hash(FeatureSpec.from_json(text)) == hash(spec)


def test_json_of_another_kind_or_attribute_is_refused():
    config = json.loads(every_kind().to_json())
    config["columns"][0]["kind"] = "categoric"
    with pytest.raises(ValueError, match="'categoric' is unknown; did you mean 'categ"):
        FeatureSpec.from_dict(config)
    config = json.loads(every_kind().to_json())
    config["columns"][1]["vocab"] = []
    with pytest.raises(ValueError, match="'item_id' has no attribute 'vocab'; did you"):
        FeatureSpec.from_dict(config)


# Statistics of numbers


def test_fit_learns_mean_and_deviation_without_what_is_missing():
    values = np.array([1.0, 5.0, np.nan, 9.0, np.inf])
    column = Numeric("x", normalisation="zscore").fit(values)
    assert column.mean == pytest.approx(5.0)
    assert column.std == pytest.approx(np.std([1, 5, 9]))
    logs = Numeric("x", normalisation="log").fit(np.array([-3.0, 0.0, np.e - 1]))
    assert logs.mean == pytest.approx(1 / 3)
    assert logs.std == pytest.approx(np.std([0, 0, 1]))


def test_fit_learns_from_clipped_values():
    values = np.array([-np.inf, 1.0, 5.0, np.nan, 1e9, np.inf])
    clipped = [0, 1, 5, 9, 9]
    column = Numeric("x", normalisation="zscore", clip=(0.0, 9.0)).fit(values)
    assert (column.mean, column.std) == pytest.approx((4.8, np.std(clipped)))
    column = Numeric("x", normalisation="quantile", clip=(0.0, 9.0)).fit(values, 3)
    assert column.boundaries == (0.0, 5.0, 9.0)
    streamed = Statistics(Numeric("x", normalisation="log", clip=(0.0, 9.0)))
    streamed.add(values[:3])
    streamed.add(values[3:])
    assert streamed.fitted().mean == pytest.approx(np.log1p(clipped).mean())
    assert streamed.fitted().std == pytest.approx(np.log1p(clipped).std())


def test_a_constant_column_has_deviation_one():
    assert Numeric("x", normalisation="zscore").fit(np.full(5, 3.0)).std == 1.0


def test_fit_learns_quantiles():
    values = np.random.default_rng(0).gamma(2.0, size=1000)
    column = Numeric("x", normalisation="quantile").fit(values, quantiles=11)
    expected = np.quantile(values, np.linspace(0, 1, 11))
    np.testing.assert_allclose(column.boundaries, expected)
    assert (
        FeatureSpec.from_json(
            dataclasses.replace(every_kind(), label=None).replace(column).to_json()
        )["x"]
        == column
    )


# What TensorFlow is told


def test_serving_inputs_are_raw():
    specs = every_kind().tensor_specs(
        ("user_id", "item_id", "tags", "price", "place", "history", "title", "poster")
    )
    assert {n: (s.shape.as_list(), s.dtype.name) for n, s in specs.items()} == {
        "user_id": ([None], "int64"),
        "item_id": ([None], "string"),
        "tags": ([None, None], "string"),
        "price": ([None], "float32"),
        "place": ([None, 2], "float32"),
        "history": ([None, None], "string"),
        "title": ([None], "string"),
        "poster": ([None], "string"),
    }
    assert all(spec.name == name for name, spec in specs.items())


def feature(values) -> tf.train.Feature:
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def test_a_serialised_example_parses_to_raw_values():
    spec = every_kind().select(
        "user_id", "item_id", "tags", "price", "place", "history", "title"
    )
    written = {
        "user_id": [42],
        "item_id": ["é".encode()],
        "tags": [b"x", b"y"],
        "price": [2.5],
        "place": [0.5, 1.5],
        "history": [b"b", b"c", b"b"],
        "title": [b"Toy Story"],
        "rating": [4.0],
        "time": [1_000_000_000],
    }
    message = tf.train.Example(
        features=tf.train.Features(feature={k: feature(v) for k, v in written.items()})
    ).SerializeToString()
    parsed = tf.io.parse_example([message, message], spec.parse_spec())
    for name, values in written.items():
        found = parsed[name]
        found = found.to_tensor() if spec_length(spec, name) else found
        assert np.ravel(found[1]).tolist() == values, name
    assert isinstance(parsed["history"], tf.RaggedTensor)
    assert parsed["place"].shape == (2, 2)
    assert parsed["rating"].dtype == tf.float32
    assert parsed["time"].dtype == tf.int64
    history = parsed["history"].to_tensor("")
    assert spec.encode("history", history).tolist() == [[5, 6, 5]] * 2


def spec_length(spec: FeatureSpec, name: str) -> int | None:
    return spec.length(name) if name in spec else None


def test_some_columns_parse_alone():
    assert set(every_kind().parse_spec(("tags", "price"))) == {"tags", "price"}


# Synthetic rows


def test_synthetic_rows_are_raw_values_of_the_declared_kinds():
    spec = every_kind()
    rows = spec.synthetic(8, seed=1)
    assert set(rows) == {*(c.name for c in spec.columns), "rating", "time"}
    assert set(rows["user_id"]) <= {42, 7, 99}
    assert rows["user_id"].dtype == np.int64
    assert set(rows["item_id"]) <= {"é", "b", "c"}
    assert rows["tags"].shape == (8, 4)
    assert rows["history"].shape == (8, 3)
    assert set(rows["history"].ravel()) <= {"", "é", "b", "c"}
    assert np.all(rows["history"][:, 0] != "")
    assert rows["place"].shape == (8, 2)
    assert rows["price"].dtype == np.float32
    assert tf.io.decode_png(rows["poster"][0]).shape == (2, 3, 3)
    wave, rate = tf.audio.decode_wav(rows["preview"][0])
    assert (wave.shape, int(rate)) == ((10, 1), 100)
    assert set(rows["rating"]) <= {0.0, 1.0}
    assert np.all(np.diff(rows["time"]) >= 0)
    for name in ("tags", "history"):  # padding stands at the right
        blank = rows[name] == ""
        assert np.all(blank[:, 1:] >= blank[:, :-1])


def test_synthetic_rows_depend_on_the_seed_alone():
    spec = every_kind()
    once, again, other = (spec.synthetic(8, seed) for seed in (1, 1, 2))
    for name in once:
        np.testing.assert_array_equal(once[name], again[name])
    assert np.any(once["history"] != other["history"])


def _document(**changes):
    """A small spec as JSON, attributes of its first column changed."""
    ids = [{"kind": "categorical", "name": name} for name in ("user_id", "item_id")]
    return json.dumps({"columns": [{**ids[0], **changes}, ids[1]]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a spec is a JSON document"),
        ("[" * 100_000, "a spec is a JSON document"),
        ("[]", "a spec is an object, not list"),
        ('{"columns": 3}', "columns of a spec are a list, not 3"),
        ('{"columns": [3]}', "column kind 'None' is unknown"),
        ('{"columns": [], "crosses": [{}]}', "a cross has no 'of'"),
        (_document(colour=1), "'user_id' has no attribute 'colour'"),
        (_document(name=7), "name=7 is no str"),
        (_document(max_len="9"), "max_len='9' is no int"),
        (_document(oov=True), "oov=True is no int"),
        (_document(hash_bins=10**400), "hash_bins=1000.* is beyond"),
        (_document(side="event"), "side='event' is no Side"),
        (
            _document(vocabulary=["a", []]),
            r"vocabulary holds \[\], which is no string",
        ),
        (_document(vocabulary=[7]), "the vocabulary holds 7, which is no string"),
        (_document(dtype="int64", vocabulary=[2**63]), "9223372036854775808, .* int64"),
        (_document(kind="numeric", mean=float("nan")), "mean=nan is no float"),
        (_document(kind="numeric", shape=[2.5]), r"shape=\[2.5\] is no tuple"),
    ],
)
def test_a_document_that_is_no_spec_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        FeatureSpec.from_json(text)


def test_attributes_that_a_document_leaves_out_take_their_defaults():
    spec = FeatureSpec.from_json(_document(vocabulary=["a"], dim=4))
    first = Categorical("user_id", vocabulary=("a",), dim=4)
    assert spec == FeatureSpec((first, Categorical("item_id")))
