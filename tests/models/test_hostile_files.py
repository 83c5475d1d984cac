"""A model file from a stranger runs no code, and takes no more memory than its size."""

import copy
import json
import pickle
import re
import sys
import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras, models
from tfrec.models import registry
from tfrec.models.ranking.gmf import GMF

PAYLOAD = "stranger_payload"
CANARY = "from pathlib import Path\nPath({!r}).touch()\n\n\nclass Adam: pass\n"


@pytest.fixture(scope="module")
def saved(data, tmp_path_factory):
    """The members of a good file."""
    model = GMF(data.spec, dim=2)
    model.adapt(data)
    model.compile()
    path = tmp_path_factory.mktemp("good") / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A file that appears when anything imports the payload."""
    file = tmp_path / "canary"
    (tmp_path / f"{PAYLOAD}.py").write_text(CANARY.format(str(file)), "utf8")
    monkeypatch.syspath_prepend(tmp_path)
    yield file
    sys.modules.pop(PAYLOAD, None)


def write(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    """The one sentence with which a file is refused."""
    with pytest.raises(ValueError, match="cannot be loaded") as caught:
        models.load(path)
    text = str(caught.value)
    assert text.startswith(f"'{path}' cannot be loaded: ")
    assert "\n" not in text
    assert text.endswith(".")
    return text


def named(module, name, config=None, registered=None):
    return {
        "module": module,
        "class_name": name,
        "config": {} if config is None else config,
        "registered_name": registered,
    }


def function(module, name):
    return named(module, "function", name, name)


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}}
SCHEDULE = named(PAYLOAD, "Adam", {"initial_learning_rate": 0.1})
HOSTILE = {
    "loss": ("compile_config/loss", function(PAYLOAD, "Adam"), PAYLOAD),
    "optimizer": ("compile_config/optimizer", named(PAYLOAD, "Adam"), PAYLOAD),
    "schedule": ("compile_config/optimizer/config/learning_rate", SCHEDULE, PAYLOAD),
    "schedule of keras's": (
        "compile_config/optimizer",
        named("keras.optimizers", "SGD", {"learning_rate": SCHEDULE}),
        PAYLOAD,
    ),
    "function in a metric": (
        "compile_config/metrics",
        [
            named(
                "keras.metrics",
                "MeanMetricWrapper",
                {"fn": function(PAYLOAD, "Adam")},
            )
        ],
        PAYLOAD,
    ),
    "deep": (
        "compile_config/weighted_metrics",
        {"a": [[{"b": named(PAYLOAD, "Adam")}]]},
        PAYLOAD,
    ),
    "unused part": (
        "compile_config/metrics",
        [{**named("keras.metrics", "AUC"), "build_config": named(PAYLOAD, "Adam")}],
        PAYLOAD,
    ),
    "unknown part": (
        "compile_config/metrics",
        [{**named("keras.metrics", "AUC"), "compile_config": {}}],
        "AUC",
    ),
    "hyper-parameter": ("config/dim", named(PAYLOAD, "Adam"), PAYLOAD),
    "spec": ("config/spec/columns", [named(PAYLOAD, "Adam")], PAYLOAD),
    "build": ("build_config/from_spec", named(PAYLOAD, "Adam"), PAYLOAD),
    "lying optimizer": (
        "compile_config/optimizer",
        named(PAYLOAD, "Adam", {}, "tfrec>Adam"),
        PAYLOAD,
    ),
    "lying class": (
        "compile_config/optimizer",
        named("tfrec.optimizers.adam", "system", {}, "tfrec>Adam"),
        "system",
    ),
    "lying model": ("module", PAYLOAD, PAYLOAD),
    "lying registration": ("registered_name", "tfrec>TwoTower", "TwoTower"),
    "model of another class": ("class_name", "system", "system"),
    "lying function": (
        "compile_config/loss",
        function(PAYLOAD, "mean_squared_error"),
        PAYLOAD,
    ),
    "os": ("compile_config/loss", function("os", "system"), "system"),
    "subprocess": (
        "compile_config/optimizer",
        named("subprocess", "Popen", {"args": ["touch", "x"]}, "Popen"),
        "subprocess",
    ),
    "builtins": ("compile_config/loss", function("builtins", "eval"), "eval"),
    "keras's reader": ("compile_config/loss", function("builtins", "deserialize"), ""),
    "keras's file": (
        "compile_config/loss",
        function("keras.saving", "load_model"),
        "load_model",
    ),
    "lambda": ("compile_config/loss", LAMBDA, "__lambda__"),
    "type": (
        "compile_config/loss",
        {
            "class_name": "__typespec__",
            "spec_name": "Adam",
            "module": PAYLOAD,
            "config": [],
            "registered_name": None,
        },
        "__typespec__",
    ),
    "lambda layer": (
        "compile_config/metrics",
        [named("keras.layers", "Lambda", {"function": LAMBDA})],
        "Lambda",
    ),
    "old lambda layer": (
        "compile_config/metrics",
        [{"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None]}}],
        "Lambda",
    ),
    "layer": (
        "compile_config/loss",
        named("keras.layers", "Dense", {"units": 1}),
        "Dense",
    ),
    "model as a loss": (
        "compile_config/loss",
        named("tfrec.models.ranking.gmf", "GMF", {}, "tfrec>GMF"),
        "GMF",
    ),
    "name that is no text": ("compile_config/loss", named("os", ["system"]), "system"),
    "module that is no text": ("compile_config/loss", named(["os"], "system"), "os"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_configuration_may_not_name_is_refused_by_name(
    kind, saved, tmp_path, canary
):
    place, value, word = HOSTILE[kind]
    config = json.loads(saved["config.json"])
    *above, last = place.split("/")
    part = config
    for name in above:
        part = part[name]
    part[last] = copy.deepcopy(value)
    path = write(tmp_path, {**saved, "config.json": json.dumps(config).encode()})
    assert word in refusal(path).removeprefix(str(path))
    assert not canary.exists()


@pytest.mark.parametrize(
    "config",
    [
        named("keras", "Sequential", {"layers": [named("keras.layers", "Lambda")]}),
        named("keras.src.engine.functional", "Functional", {}, "Functional"),
        named("tfrec.models.base", "Recommender", {}, "tfrec>Recommender"),
        named("tfrec.indexes.indexed", "Indexed", {}, "tfrec>Indexed"),
        named("tfrec.serving.two_stage", "TwoStage", {}, "tfrec>TwoStage"),
        named(PAYLOAD, "Adam", {}, f"{PAYLOAD}>Adam"),
        named("tfrec.optimizers.adam", "Adam", {}, "tfrec>Adam"),
    ],
)
def test_what_is_no_model_of_ours_is_refused_by_name(config, saved, tmp_path, canary):
    import tfrec.indexes
    import tfrec.serving

    assert tfrec.indexes.Indexed and tfrec.serving.TwoStage  # registered with Keras
    path = write(tmp_path, {**saved, "config.json": json.dumps(config).encode()})
    text = refusal(path)
    assert f"'{config['class_name']}' of module '{config['module']}'" in text
    assert "is no model of tfrec" in text
    assert not canary.exists()


class Reduced:
    """What a pickle turns into an import of the payload."""

    def __reduce__(self):
        return __import__, (PAYLOAD,)


def pickled_arrays() -> bytes:
    file = BytesIO()
    np.savez(file, __root__=np.array([Reduced()], dtype=object))
    return file.getvalue()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"../../evil.py": b"import os"}, "'../../evil.py'"),
        ({"/tmp/evil.py": b"import os"}, "'/tmp/evil.py'"),
        ({"assets/layers/vocabulary.txt": b"a"}, "'assets/layers/vocabulary.txt'"),
        ({"model.weights.npz": pickled_arrays()}, "'model.weights.npz'"),
        ({"config.json": b"[" * 100_000}, "is no JSON"),
        ({"config.json": b"[]"}, "describes no model"),
        ({"config.json": b"{"}, "is no JSON: Expecting"),
        ({"config.json": b"{}"}, "class_name"),
        ({"model.weights.h5": b"no weights"}, "file signature not found"),
    ],
)
def test_what_an_archive_may_not_hold_is_refused(
    changes, word, saved, tmp_path, canary
):
    path = write(tmp_path, {**saved, **changes})
    before = {file.name for file in tmp_path.parent.iterdir()}
    assert word in refusal(path)
    assert {file.name for file in tmp_path.parent.iterdir()} == before
    assert not canary.exists()


def test_a_member_twice_or_not_at_all_is_refused(saved, tmp_path):
    path = write(tmp_path, saved)
    with (
        zipfile.ZipFile(path, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr("config.json", "{}")
    assert "each once" in refusal(path)
    path = write(tmp_path, {"readme.txt": b"no model"})
    assert "it holds 'readme.txt'" in refusal(path)


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_bomb_is_refused_before_it_is_unpacked(member, saved, tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in saved.items():
            if name == member:
                archive.writestr(name, bytes(2**26), zipfile.ZIP_DEFLATED)
            else:
                archive.writestr(name, content)
    assert path.stat().st_size < 2**18
    tracemalloc.start()
    text = refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"its {member} is compressed" in text
    assert "67,108,864 bytes" in text
    assert peak < 2**22


def test_a_member_that_lies_about_its_size_is_refused(saved, tmp_path):
    path = write(tmp_path, saved)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")  # the weights, in the directory
    content[place + 20 : place + 28] = (2**31).to_bytes(4, "little") * 2
    path.write_bytes(content)
    refusal(path)


def weights(saved, edit) -> bytes:
    file = BytesIO(saved["model.weights.h5"])
    with h5py.File(file, "r+") as arrays:
        del arrays["user_table/vars/0"]
        edit(arrays["user_table/vars"])
    return file.getvalue()


def pickled(group):
    group["0"] = np.void(pickle.dumps(Reduced()))


def text(group):
    group.create_dataset("0", data=["import os"], dtype=h5py.string_dtype())


def external_link(group):
    group["0"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_link(group):
    group["0"] = h5py.SoftLink("/output_layer/vars/0")


def external_file(group):
    group.create_dataset("0", (42, 2), "f4", external=[("/etc/passwd", 0, 336)])


def virtual(group):
    layout = h5py.VirtualLayout((42, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (42, 2))
    group.create_virtual_dataset("0", layout)


def sparse(group):
    group.create_dataset("0", (2**40, 2), "f4", chunks=(1024, 2))


def compressed(group):
    group.create_dataset("0", data=np.zeros((42, 2), "f4"), compression="gzip")


def unwritten(group):
    group.create_dataset("0", (2**40, 2), "f4")


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (pickled, "are no numbers, but |V"),
        (text, "are no numbers, but object"),
        (external_link, "lie elsewhere, in /etc/passwd:/x"),
        (soft_link, "lie elsewhere, in '/output_layer/vars/0'"),
        (external_file, "lie in other files"),
        (virtual, "lie in other files"),
        (sparse, "are in pieces"),
        (compressed, "are in pieces"),
        (unwritten, "say to be 8,796,093,022,208 bytes"),
    ],
)
def test_weights_are_numbers_of_this_file(edit, word, saved, tmp_path, canary):
    path = write(tmp_path, {**saved, "model.weights.h5": weights(saved, edit)})
    found = refusal(path)
    assert "'user_table/vars/0'" in found
    assert word in found
    assert not canary.exists()


@pytest.mark.parametrize(
    ("place", "value", "word"),
    [
        ("dim", 10**12, "of tables or more"),
        ("spec/columns/0/hash_bins", 2**31 - 1, "of tables or more"),
        ("spec/columns/0/hash_bins", 10**14, "is beyond 2,147,483,647"),
        ("spec/columns/3/max_len", 2**31 - 1, "column 'history' has 2,147,483,647"),
        ("spec/columns/3/max_len", 10**10, "max_len=10000000000 is beyond"),
        ("spec/columns/6/shape", [10**5, 10**5], "column 'year' has 10,000,000,000"),
    ],
)
def test_tables_larger_than_the_weights_are_refused(
    place, value, word, saved, tmp_path
):
    config = json.loads(saved["config.json"])
    *above, last = place.split("/")
    part = config["config"]
    for name in above:
        part = part[int(name) if name.isdigit() else name]
    part[last] = value
    if last == "hash_bins":
        part["vocabulary"] = []
    path = write(tmp_path, {**saved, "config.json": json.dumps(config).encode()})
    assert word in refusal(path)


@pytest.mark.parametrize(
    ("metric", "word"),
    [
        (named("keras.metrics", "AUC", {"num_thresholds": 10**9}), "num_thresholds"),
        (named("keras.metrics", "MeanIoU", {"num_classes": 300_000}), "of tables or"),
    ],
)
def test_a_metric_larger_than_the_file_is_refused(metric, word, saved, tmp_path):
    config = json.loads(saved["config.json"])
    config["compile_config"]["metrics"] = [metric]
    path = write(tmp_path, {**saved, "config.json": json.dumps(config).encode()})
    assert word in refusal(path)


# What is the user's own


@keras.saving.register_keras_serializable("mine")
class Halved(keras.losses.Loss):
    """Half of the squared error."""

    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1) / 2


@keras.saving.register_keras_serializable("mine")
class Largest(keras.metrics.Mean):
    """Mean of the larger of target and score."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(tf.maximum(y_true, y_pred), sample_weight)


@keras.saving.register_keras_serializable("mine")
def absolute(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)


class Doubled(GMF):
    """A model of the user's."""

    def call(self, features, training=None):
        return 2 * super().call(features, training)


def pairs(spec):
    return {name: tf.constant(v) for name, v in spec.synthetic(8, seed=4).items()}


def test_registered_losses_metrics_and_models_come_back_and_train_on(data, tmp_path):
    model = Doubled(data.spec, dim=2)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9),
        loss=Halved(),
        metrics=[Largest(name="largest"), absolute, keras.metrics.mean_squared_error],
        run_eagerly=True,
    )
    batches = data.take(np.arange(16)).batches(model, 16, shuffle=False).cache()
    model.fit(batches, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    assert type(loaded) is Doubled
    assert type(loaded.loss) is Halved
    np.testing.assert_array_equal(loaded(pairs(data.spec)), model(pairs(data.spec)))
    kept = batches.cache()
    once, again = [m.fit(kept, verbose=0, epochs=2).history for m in (model, loaded)]
    assert once == again
    assert set(once) == {"loss", "largest", "absolute", "mean_squared_error"}
    for left, right in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_what_is_not_registered_is_told_how_to_be(data, tmp_path):
    def squares(y_true, y_pred):
        return tf.square(y_true - y_pred)

    model = GMF(data.spec, dim=2)
    model.compile(loss=squares)
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"'squares'.*register_keras_serializable"):
        models.load(tmp_path / "model.keras")
    with keras.saving.custom_object_scope({"squares": squares}):
        assert models.load(tmp_path / "model.keras").loss is squares


def test_a_class_of_the_user_s_never_replaces_one_of_ours(saved, data, tmp_path):
    theirs = type("GMF", (GMF,), {"__module__": __name__})
    try:
        path = write(tmp_path, saved)
        assert type(models.load(path)) is GMF
        model = theirs(data.spec, dim=2)
        model.ensure_built()
        model.save(tmp_path / "theirs.keras")
        assert type(models.load(tmp_path / "theirs.keras")) is theirs
    finally:
        keras.saving.register_keras_serializable("tfrec")(GMF)
    where = re.escape(f"'GMF' of module '{__name__}', registered as 'tfrec>GMF'")
    with pytest.raises(ValueError, match=where):
        models.load(tmp_path / "theirs.keras")


def test_a_file_is_only_read(saved, tmp_path):
    path = write(tmp_path, saved)
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert type(models.load(path)) is registry.get("gmf")
    finally:
        tmp_path.chmod(0o755)
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]
