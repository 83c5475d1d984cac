"""A resumed run ends with the same bits as one that was never interrupted."""

import shutil

import pytest
import tensorflow as tf

from tfrec.cli import training
from tfrec.cli.epochs import Epochs
from tfrec.cli.run import EPOCHS
from tfrec.models import registry

DONE, ALL = 2, 3
SETTINGS = {"epochs": ALL, "batch_size": 128, "seed": 5, "validate_every": ALL + 1}

# What is drawn in them besides initial weights and the order of events.
MODELS = {
    "matrix_factorization": {"dim": 4},  # drawn negatives
    "neumf": {"dim": 4, "layers": (4,)},  # drawn negatives for the log loss
    "deepfm": {"dim": 2, "layers": (4, 4), "dropout": 0.3},
    "gru4rec": {"layers": (4,), "embedding_dropout": 0.3, "hidden_dropout": 0.3},
    "din": {"dim": 2, "layers": (4,)},
    "skip_gram": {"dim": 4},  # windows, subsampling, negatives of each step
    "restricted_boltzmann_machine": {"hidden": 4},  # Gibbs chains
    "stacked_denoising_autoencoder": {"layers": (4,), "pretrain_epochs": 1},  # noise
    "ngcf": {"dim": 4, "layers": (4,), "message_dropout": 0.3},
    "tree_deep_match": {"dim": 4, "layers": (4,), "learn_tree": 1},  # k-means
}


def tensors(epochs):
    """Everything that the last checkpoint holds, as bytes by name."""
    reader = tf.train.load_checkpoint(str(epochs.state(epochs.last)))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: reader.get_tensor(name).tobytes() for name in names}


@pytest.fixture(scope="module")
def parts(data):
    return data.with_spec(
        data.spec.select("user_id", "movie_id", "history", "genres")
    ).split("temporal")


@pytest.mark.parametrize("name", MODELS)
def test_a_resumed_run_has_the_same_bits(name, parts, tmp_path, monkeypatch):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    keep = Epochs.keep

    def keep_and_copy(epochs, rows, write):
        keep(epochs, rows, write)
        if len(rows) == DONE and epochs.folder.parent == whole:
            shutil.copytree(whole, resumed)  # what a kill would leave

    monkeypatch.setattr(Epochs, "keep", keep_and_copy)
    monkeypatch.setattr(training, "_plot", lambda *_: None)
    for folder in (whole, resumed):
        model = registry.get(name)(parts[0].spec, **MODELS[name])
        assert training.fit(model, parts, SETTINGS, folder) == (ALL, ALL)
    one, other = Epochs(whole / EPOCHS), Epochs(resumed / EPOCHS)
    assert one.rows() == other.rows()
    expected, found = tensors(one), tensors(other)
    assert any("optimizer/_variables" in key for key in expected)
    assert sorted(key for key in expected if found[key] != expected[key]) == []
    assert expected.keys() == found.keys()
