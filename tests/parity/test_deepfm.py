"""DeepFM: Guo et al. 2017, equations 1, 2 and 4."""

import clicks
import numpy as np
import pytest

from tfrec.models.ranking.deepfm import DeepFM


@pytest.fixture
def model(data, randomise):
    model = DeepFM(data.spec, dim=3, layers=(6, 5))
    model.ensure_built()
    randomise(model)
    return model


def parts(model: DeepFM, batch: dict) -> tuple[np.ndarray, np.ndarray]:
    """``y_FM`` without b, which is the bias of the MLP's last layer, and ``y_DNN``."""
    found = clicks.fields(model.fields, batch)
    w, v = found[:, :, 0], found[:, :, 1:]
    deep = clicks.relu_mlp(model.mlp, v.reshape(len(v), -1))
    return w.sum(axis=1) + clicks.pair_sum(v), deep


def test_equation_1(data, model):
    batch = clicks.batch_of(data)
    machine, deep = parts(model, batch)
    assert np.std(machine) > 0.1 and np.std(deep) > 0.1
    clicks.agree(model, batch, machine + deep)


def test_loss_and_step(data, randomise, check_step):
    """Log loss, and L2 on the distinct rows of a batch, w and v alike."""
    model = DeepFM(data.spec, dim=2, layers=(4, 3), l2=clicks.L2)
    model.ensure_built()
    randomise(model)
    batch = clicks.repeated_batch(data)
    weights = {**clicks.field_weights(model.fields), **clicks.mlp_weights(model.mlp)}

    def loss(w: clicks.Weights) -> float:
        found = np.stack(clicks.vectors(w, model.fields, batch), axis=1)
        linear, v = found[:, :, 0].sum(axis=1), found[:, :, 1:]
        deep = clicks.network(w, v.reshape(len(v), -1))
        logit = linear + clicks.pair_sum(v) + deep
        return clicks.log_loss(logit) + clicks.penalty(w, model.fields, batch)

    check_step(model, clicks.tensors(batch), weights, loss)


def test_moving_averages_of_batch_normalisation(data, randomise):
    """Of what a batch leaves in them 9 tenths are left after the next."""
    model = DeepFM(data.spec, dim=2, layers=(4,), batch_norm=True)
    model.ensure_built()
    randomise(model)
    dense, normalised, *_ = model.mlp.layers
    batch = clicks.batch_of(data)
    v = clicks.fields(model.fields, batch)[:, :, 1:].reshape(clicks.ROWS, -1)
    s = v @ dense.kernel.numpy()
    mean, variance = np.zeros(4), np.ones(4)
    for rows in (range(6), range(6, 12), range(3, 9)):
        part = list(rows)
        model({name: values[part] for name, values in batch.items()}, training=True)
        mean = 0.9 * mean + 0.1 * s[part].mean(axis=0)
        variance = 0.9 * variance + 0.1 * s[part].var(axis=0)
    np.testing.assert_allclose(normalised.moving_mean, mean, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(normalised.moving_variance, variance, rtol=1e-3)


def test_both_parts_share_the_embedding(data, model):
    batch = clicks.batch_of(data)
    before = parts(model, batch)
    table = model.fields.tables["4"]
    rows = table.numpy()
    row = batch["movie_id/index"][0] + model.fields.offsets["movie_id"]
    rows[row, 1:] += 1.0
    table.assign(rows)
    for old, new in zip(before, parts(model, batch), strict=True):
        assert abs(old[0] - new[0]) > 1e-3
    clicks.agree(model, batch, sum(parts(model, batch)))
    # Nothing is learned beside the fields and the MLP.
    known = [*model.fields.trainable_variables, *model.mlp.trainable_variables]
    assert len(model.trainable_variables) == len(known)
