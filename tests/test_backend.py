"""The one choice of Keras, made in fresh processes."""

import pytest

import tfrec
from tfrec import backend


def test_keras_is_keras_2():
    assert tfrec.keras.Model.__module__.startswith("tf_keras.")
    assert tfrec.keras is backend.legacy_keras()


def test_importing_tfrec_loads_no_tensorflow(run_python):
    said = run_python(
        """
        import sys, tfrec, tfrec.features, tfrec.errors, tfrec.models
        from tfrec.models import registry
        assert "gmf" in registry.entries()
        print("tensorflow" in sys.modules, "keras" in sys.modules)
        """
    )
    assert said.split() == ["False", "False"]


def test_tensorflow_may_come_first(run_python):
    said = run_python(
        "import tensorflow, tfrec; print(tfrec.keras.Model.__module__.split('.')[0])"
    )
    assert said.split() == ["tf_keras"]


@pytest.mark.parametrize("first", ["tfrec.data.views", "tfrec.layers", "tfrec.losses"])
def test_any_module_may_be_imported_first(run_python, first):
    said = run_python(f"import {first}; from tfrec.models import TwoTower; print('in')")
    assert said.split() == ["in"]


def test_keras_3_already_chosen_is_said_with_its_cure(run_python):
    said = run_python(
        "import tensorflow as tf; tf.keras.Model; import tfrec; tfrec.keras", fails=True
    )
    last = said.strip().splitlines()[-1]
    assert last.startswith("ImportError: tf.keras is already Keras 3")
    assert "TF_USE_LEGACY_KERAS=1" in last


def test_keras_tuner_searches_a_model_of_ours(run_python):
    """And the name ``keras`` stands for what it stood for before."""
    said = run_python(
        """
        import runpy, sys, tempfile
        import keras  # Keras 3, as another package may have imported it
        import tfrec
        from tfrec.models.ranking.gmf import GMF
        keras_tuner = tfrec.backend.keras_tuner()
        assert sys.modules["keras"] is keras and keras.__version__.startswith("3")
        assert tfrec.backend.keras_tuner() is keras_tuner
        data = runpy.run_path("tests/conftest.py")["small_data"]()
        few = data.take(range(64))

        def build(hp):
            model = GMF(data.spec, dim=hp.Int("dim", 2, 4))
            model.compile(run_eagerly=True)
            return model

        with tempfile.TemporaryDirectory() as folder:
            tuner = keras_tuner.RandomSearch(
                build, "loss", max_trials=2, directory=folder, seed=0)
            batches = few.batches(GMF(data.spec, dim=2), 512)
            tuner.search(batches, epochs=1, verbose=0)
            print("best:", tuner.get_best_hyperparameters()[0].get("dim"))
        """
    )
    assert "best: " in said


def test_keras_tuner_imported_before_is_said(run_python):
    said = run_python(
        "import keras_tuner, tfrec; tfrec.backend.keras_tuner()", fails=True
    )
    last = said.strip().splitlines()[-1]
    assert last.startswith("ImportError: keras_tuner was imported before tfrec")
    assert "tfrec.backend.keras_tuner()" in last


def test_keras_tuner_still_needs_the_shim(run_python):
    """Fails on the day keras-tuner accepts Keras 2 models on its own (its issue 1039).

    Then tfrec.backend.keras_tuner is to become a plain import.
    """
    said = run_python(
        """
        import tempfile
        from tfrec import keras
        import keras_tuner

        def build(hp):
            model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
            model.compile("sgd", "mse")
            return model

        with tempfile.TemporaryDirectory() as folder:
            tuner = keras_tuner.RandomSearch(
                build, "loss", max_trials=1, directory=folder)
            try:
                tuner.search([[1.0]], [[1.0]], verbose=0)
            except keras_tuner.errors.FatalTypeError:
                print("refused")
            else:
                print("accepted")
        """
    )
    if "accepted" in said:
        pytest.fail("keras-tuner takes Keras 2 models now: drop the shim")
    assert "refused" in said
