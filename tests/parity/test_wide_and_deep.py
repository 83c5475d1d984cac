"""Wide & Deep: equation 3, and two optimizers in one step."""

import dataclasses

import clicks
import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras, models, optimizers
from tfrec.features import Cross
from tfrec.layers.crosses import crossed
from tfrec.models import WideAndDeep


@pytest.fixture
def spec(data):
    crosses = (Cross(("user_id", "genres"), 50), Cross(("age", "device"), 20))
    return dataclasses.replace(data.spec, crosses=crosses)


@pytest.fixture
def model(spec):
    model = WideAndDeep(spec, dim=5, layers=(8, 6))
    model.ensure_built()
    rng = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


def numpy_wide(model, inputs) -> np.ndarray:
    """Weights of ids, of numbers and of crosses, added up one by one."""
    (table,) = (t.numpy()[:, 0] for t in model.linear.tables.values())
    total = np.zeros(len(inputs["user_id"]))
    for name, offset in model.linear.offsets.items():
        for row, ids in enumerate(inputs[name]):
            if np.ndim(ids) == 0:
                total[row] += table[offset + ids]
            elif ids.any():
                total[row] += np.mean([table[offset + i] for i in ids if i])
    total += inputs["year"] * model.linear.scale.numpy()[0, 0]
    tensors = {k: tf.constant(v) for k, v in inputs.items()}
    pairs = zip(model.crosses, crossed(model.spec, tensors), strict=True)
    for weights, ids in pairs:
        for row, found in enumerate(ids.numpy()):
            if found.any():
                total[row] += np.mean([weights.numpy()[i, 0] for i in found if i])
    return total


def numpy_deep(model, inputs) -> np.ndarray:
    rows = []
    for row in range(len(inputs["user_id"])):
        parts = []
        for name in model.fields.fields:
            if name == "year":
                parts.append(inputs[name][row] * model.fields.scale.numpy()[0])
                continue
            table = model.fields.tables[str(model.fields.widths[name])].numpy()
            ids, offset = np.atleast_1d(inputs[name][row]), model.fields.offsets[name]
            if inputs[name].ndim == 2:
                ids = ids[ids > 0]
            width = table.shape[1]
            found = [table[offset + i] for i in ids] or [np.zeros(width)]
            parts.append(np.mean(found, axis=0))
        rows.append(np.concatenate(parts))
    hidden = np.array(rows)
    *inner, last = [layer.get_weights() for layer in model.mlp.layers]
    for kernel, bias in inner:
        hidden = np.maximum(hidden @ kernel + bias, 0)
    return (hidden @ last[0] + last[1])[:, 0]


def test_equation_3(model):
    inputs = {k: v.numpy() for k, v in model.lookup(model.example(9)).items()}
    expected = numpy_wide(model, inputs) + numpy_deep(model, inputs)
    np.testing.assert_allclose(model(model.example(9)), expected, rtol=1e-4, atol=1e-4)


def test_columns_keep_their_width(model):
    assert model.fields.widths["age"] == 4
    assert model.fields.widths["user_id"] == 5


def test_without_a_wide_part_it_is_the_network_alone(spec):
    model = WideAndDeep(spec, dim=5, layers=(8, 6), wide=False)
    inputs = {k: v.numpy() for k, v in model.lookup(model.example(9)).items()}
    logits = model(model.example(9))
    np.testing.assert_allclose(logits, numpy_deep(model, inputs), rtol=1e-4, atol=1e-5)
    assert model.wide_variables == []
    model.compile()
    assert model.wide_optimizer is None


def test_a_step_is_ftrl_on_the_wide_and_the_other_on_the_deep_part(spec, data):
    """Both from the same gradient of the same loss."""
    batch = next(iter(data.batches(WideAndDeep(spec).view(), 256)))
    model = WideAndDeep(spec, dim=5, layers=(8,), l1=0.01, wide_learning_rate=0.3)
    model.adapt(data)
    model.compile(optimizers.Adagrad(0.2))
    twin = WideAndDeep(spec, dim=5, layers=(8,))
    twin.ensure_built()
    twin.set_weights(model.get_weights())
    with tf.GradientTape(persistent=True) as tape:
        loss = model.default_loss()(batch[1][:, None], twin(batch[0])[:, None])
    wide = optimizers.Ftrl(0.3, l1_regularization_strength=0.01)
    wide.minimize(loss, twin.wide_variables, tape=tape)
    optimizers.Adagrad(0.2).minimize(loss, twin.deep_variables, tape=tape)
    start = [variable.numpy() for variable in model.trainable_variables]
    model.train_on_batch(*batch)
    pairs = zip(start, model.trainable_variables, twin.trainable_variables, strict=True)
    for before, ours, expected in pairs:
        np.testing.assert_allclose(ours, expected, atol=1e-6, err_msg=ours.name)
        assert np.any(before != ours.numpy()), ours.name


def bag_of_weights(table: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Mean weight of the ids of a row that are not 0; 0 where there is none."""
    real = ids > 0
    return (table[ids, 0] * real).sum(axis=1) / np.maximum(real.sum(axis=1), 1)


@pytest.mark.parametrize("wide", [True, False])
def test_loss_and_gradient(spec, data, randomise, check_step, monkeypatch, wide):
    """Log loss, and L2 on the distinct embeddings of a batch, not on wide weights."""
    crosses = (Cross(("user_id", "genres"), 9), Cross(("age", "device"), 7))
    spec = dataclasses.replace(spec, crosses=crosses)
    # FTRL is compared above; here it is gradient descent at the rate of check_step.
    monkeypatch.setattr(optimizers, "Ftrl", lambda *_, **__: keras.optimizers.SGD(10.0))
    model = WideAndDeep(spec, dim=2, layers=(4, 3), wide=wide, l2=clicks.L2)
    model.ensure_built()
    randomise(model)
    batch = clicks.repeated_batch(data)
    features = clicks.tensors(batch)
    weights = {**clicks.field_weights(model.fields), **clicks.mlp_weights(model.mlp)}
    hashed = []
    if wide:
        linear = clicks.field_weights(model.linear)
        weights |= {f"wide {name}": table for name, table in linear.items()}
        weights |= {f"cross {n}": table for n, table in enumerate(model.crosses)}
        hashed = [ids.numpy() for ids in crossed(spec, model.lookup(features[0]))]

    def loss(w: clicks.Weights) -> float:
        deep = clicks.vectors(w, model.fields, batch)
        logit = clicks.network(w, np.concatenate(deep, axis=1))
        if wide:
            own = {n.removeprefix("wide "): v for n, v in w.items() if "wide" in n}
            logit += sum(clicks.vectors(own, model.linear, batch))[:, 0]
            for number, ids in enumerate(hashed):
                logit += bag_of_weights(w[f"cross {number}"], ids)
        return clicks.log_loss(logit) + clicks.penalty(w, model.fields, batch)

    check_step(model, features, weights, loss)


def test_l1_makes_wide_weights_exactly_zero(spec, data):
    def zeros(l1: float) -> float:
        model = WideAndDeep(spec, layers=(8,), l1=l1)
        model.compile()
        model.fit(data.batches(model, 256), epochs=2, verbose=0)
        touched = model.wide_optimizer.variables
        assert any(np.any(v.numpy()) for v in touched[1:])
        (table,) = model.linear.tables.values()
        return float(np.mean(table.numpy() == 0))

    assert zeros(1e-7) < 0.2
    assert zeros(5.0) > 0.9


def test_both_optimizers_go_on_where_they_stopped(spec, data, tmp_path):
    model = WideAndDeep(spec, layers=(8,))
    model.compile()
    batches = data.batches(model, 256)
    model.fit(batches, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    for mine, theirs in (
        (model.optimizer, loaded.optimizer),
        (model.wide_optimizer, loaded.wide_optimizer),
    ):
        assert len(mine.variables) == len(theirs.variables) > 1
        for one, other in zip(mine.variables, theirs.variables, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.usefixtures("graphs")
def test_a_cross_learns_what_no_sum_can():
    """A click when exactly one of two ids is 1: without the cross there is no way."""
    from tfrec.data.interactions import Interactions
    from tfrec.features import Categorical, FeatureSpec

    columns = tuple(
        Categorical(name, side, vocabulary=("a", "b"))
        for name, side in (("user_id", "user"), ("item_id", "item"))
    )
    left, right = np.tile([2, 2, 3, 3], 64), np.tile([2, 3, 2, 3], 64)
    clicks = (left != right).astype(np.float32)

    def loss(*crosses: Cross) -> float:
        spec = FeatureSpec(columns, label="click", crosses=crosses)
        data = Interactions(
            spec,
            {
                "user_id": left.astype(np.int32),
                "item_id": right.astype(np.int32),
                "click": clicks,
            },
        )
        model = WideAndDeep(
            spec, dim=1, layers=(), negatives=0, wide_learning_rate=0.5, l1=0.0
        )
        model.compile()
        batches = data.batches(model, 64)
        return model.fit(batches, epochs=20, verbose=0).history["loss"][-1]

    assert loss() > 0.68
    assert loss(Cross(("user_id", "item_id"), 1000)) < 0.2
