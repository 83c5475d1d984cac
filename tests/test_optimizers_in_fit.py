"""Row-sparse Adam and Adagrad inside Keras: fit, save, mixed precision, strategies."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.optimizers import Adagrad, Adam, Ftrl, MomentumAdagrad


def embedding_model(optimizer, **kwargs) -> keras.Model:
    start = keras.initializers.RandomNormal(stddev=0.1, seed=0)
    model = keras.Sequential(
        [
            keras.layers.Embedding(50, 4, start, input_length=3),
            keras.layers.Flatten(),
            keras.layers.Dense(1, dtype="float32", kernel_initializer=start),
        ]
    )
    model.compile(optimizer, "mse", **kwargs)
    return model


def examples(n: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.integers(0, 30, (n, 3)), rng.normal(size=(n, 1)).astype(np.float32)


@pytest.mark.parametrize("kind", [Adam, Adagrad])
def test_a_loaded_model_trains_on_as_if_it_had_never_been_saved(kind, tmp_path):
    ids, labels = examples()
    model = embedding_model(kind(0.05), steps_per_execution=4)
    model.fit(ids, labels, 8, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is kind
    assert int(loaded.optimizer.iterations) == 16
    for each in (model, loaded):
        each.fit(ids, labels, 8, epochs=2, shuffle=False, verbose=0)
    for left, right in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    untouched = embedding_model(kind(0.05)).get_weights()[0][30:]
    np.testing.assert_array_equal(loaded.get_weights()[0][30:], untouched)


@pytest.mark.parametrize(
    "optimizer", [Ftrl(0.05), MomentumAdagrad(0.05, momentum=0.9)], ids=lambda o: o.name
)
def test_what_other_optimizers_remember_is_saved_too(optimizer, tmp_path):
    ids, labels = examples()
    model = embedding_model(optimizer)
    model.fit(ids, labels, 8, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(ids, labels, 8, shuffle=False, verbose=0)
    for left, right in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_step_of_several_batches_is_several_steps():
    ids, labels = examples()
    ends = []
    for steps in (1, 4):
        model = embedding_model(Adam(0.05), steps_per_execution=steps)
        model.fit(ids, labels, 8, epochs=2, shuffle=False, verbose=0)
        ends.append(model.get_weights()[0])
    np.testing.assert_allclose(*ends, atol=1e-6)


def test_mixed_precision_keeps_moments_in_float32_and_rows_untouched():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = embedding_model(Adam(0.05))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    ids, labels = examples()
    before = model.get_weights()[0]
    model.fit(ids, labels, 8, epochs=2, verbose=0)
    after = model.get_weights()[0]
    assert isinstance(model.optimizer.inner_optimizer, Adam)
    assert {slot.dtype for slot in model.optimizer.variables[1:]} == {tf.float32}
    changed = np.flatnonzero((before != after).any(1))
    assert changed.tolist() == np.unique(ids).tolist()


MIRRORED = """
    import runpy, sys
    import numpy as np, tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from tfrec.optimizers import Adagrad, Adam
    helpers = runpy.run_path(sys.argv[1])
    embedding_model, examples = helpers["embedding_model"], helpers["examples"]
    ids, labels = examples()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for kind in (Adam, Adagrad):
        alone = embedding_model(kind(0.05))
        with strategy.scope():
            mirrored = embedding_model(kind(0.05))
        for model in (alone, mirrored):
            model.fit(ids, labels, 8, epochs=3, shuffle=False, verbose=0)
        table = mirrored.layers[0].embeddings
        left, right = (replica.numpy() for replica in table.values)
        np.testing.assert_array_equal(left, right)
        np.testing.assert_allclose(alone.get_weights()[0], left, atol=1e-5)
        assert int(mirrored.optimizer.iterations.numpy()) == 24
    print("replicas:", strategy.num_replicas_in_sync)
"""


def test_two_mirrored_replicas_make_the_step_of_one(run_python):
    """In a process of its own: TensorFlow numbers collectives by process."""
    assert "replicas: 2" in run_python(MIRRORED, __file__)
