"""Models on disk: whole or not at all, and found again by their class."""

import json
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras, models
from tfrec.models.ranking.gmf import GMF
from tfrec.models.retrieval.two_tower import TwoTower


@pytest.fixture(scope="module")
def model(data):
    model = GMF(data.spec, dim=4, seed=5)
    model.compile(run_eagerly=True)
    model.fit(data.batches(model, 1024), verbose=0)
    return model


def test_directories_are_made_and_nothing_is_left_beside(model, tmp_path):
    path = tmp_path / "deep" / "er" / "model.keras"
    model.save(path)
    assert [p.name for p in path.parent.iterdir()] == ["model.keras"]
    model.save(str(path))  # over the old one
    assert type(models.load(str(path))) is GMF


def test_another_ending_is_refused_and_writes_nothing(model, tmp_path):
    for name in ("model.h5", "model"):
        with pytest.raises(
            ValueError, match=r"one .keras file, not as .*: end the path"
        ):
            model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    model.save(path)
    before = path.read_bytes()

    def full(self, store):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(model.catalogue), "save_own_variables", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]


def test_what_is_no_model_is_refused(tmp_path):
    empty = tmp_path / "empty.keras"
    empty.touch()
    for path in (tmp_path / "missing.keras", tmp_path, empty):
        with pytest.raises(ValueError, match=f"'{path}' is no saved model: give a"):
            models.load(path)


def test_half_a_file_is_refused(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="is no saved model"):
        models.load(path)


def test_keras_s_own_models_are_not_ours(tmp_path):
    path = tmp_path / "keras.keras"
    keras.Sequential([keras.layers.Dense(1, input_shape=(1,))]).save(path)
    with pytest.raises(ValueError, match="is no model of tfrec"):
        models.load(path)


def test_the_file_holds_config_catalogue_and_no_code(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
        names = file.namelist()
    assert config["class_name"] == "GMF"
    assert config["registered_name"] == "tfrec>GMF"
    assert config["config"]["dim"] == 4
    assert not [n for n in names if n.endswith((".pkl", ".py", ".pickle"))]


def test_item_tables_and_histories_come_back(data, tmp_path):
    model = TwoTower(data.spec, dim=4)
    model.adapt(data)
    model.ensure_built()
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    assert loaded.adapted
    assert set(loaded.catalogue.arrays) == set(model.catalogue.arrays)
    for name, values in model.catalogue.arrays.items():
        np.testing.assert_array_equal(loaded.catalogue.arrays[name], values)
        assert loaded.catalogue.arrays[name].dtype == values.dtype
    user = {"user_id": ["u3"], "device": ["phone"]}
    np.testing.assert_array_equal(
        loaded.recommend(user, k=5).item_id, model.recommend(user, k=5).item_id
    )


def test_a_model_that_was_never_trained_nor_compiled_is_saved(data, tmp_path):
    model = GMF(data.spec, dim=4)
    model.ensure_built()
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    assert not loaded.adapted
    for left, right in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_compiled_optimizer_and_metrics_come_back(data, tmp_path):
    model = GMF(data.spec, dim=4)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model.compile(
        keras.optimizers.Nadam(schedule, clipnorm=1.0),
        loss="mse",
        metrics=[keras.metrics.AUC(from_logits=True)],
        steps_per_execution=4,
    )
    model.fit(data.batches(model, 1024), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, keras.optimizers.Nadam)
    assert loaded.optimizer.clipnorm == 1.0
    assert int(loaded.optimizer.iterations) == 3
    assert loaded.loss == "mse"
    batches = data.batches(model, 64, shuffle=False).take(2).cache()
    expected = model.evaluate(batches, verbose=0, return_dict=True)
    found = loaded.evaluate(batches, verbose=0, return_dict=True)
    assert set(found) == {"loss", "auc"}
    for key in found:
        assert found[key] == pytest.approx(expected[key], rel=1e-5)


def test_weights_alone_are_saved_and_loaded(model, data, tmp_path):
    model.save_weights(tmp_path / "only.weights.h5")
    other = GMF(data.spec, dim=4, seed=9)
    other.ensure_built()
    other.load_weights(tmp_path / "only.weights.h5")
    pairs = {k: tf.constant(v) for k, v in data.spec.synthetic(5).items()}
    np.testing.assert_allclose(other(pairs), model(pairs))
