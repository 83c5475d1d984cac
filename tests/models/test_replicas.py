"""Two replicas with TensorFlow's collectives, in graphs, as users have them."""

import json
import math

import pytest

NAMES = ("neumf", "two_tower")  # a loss of examples, and one of the whole batch

MIRRORED = """
    import json, runpy, sys
    import numpy as np, tensorflow as tf
    from tfrec.models import registry

    data = runpy.run_path("tests/conftest.py")["small_data"]()  # and two devices
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    def steps(name):
        with strategy.scope():
            model = registry.get(name)(data.spec)
            model.adapt(data)
            model.compile(steps_per_execution=1)
        start = model.get_weights()
        batches = data.batches(model, 64)
        loss = model.fit(batches, epochs=1, steps_per_epoch=3, verbose=0)
        for variable in model.trainable_variables:
            left, right = (replica.numpy() for replica in variable.values)
            np.testing.assert_array_equal(left, right, err_msg=variable.name)
        pairs = zip(start, model.get_weights())
        moved = sum(bool(np.any(old != new)) for old, new in pairs)
        return loss.history["loss"], int(model.optimizer.iterations.numpy()), moved

    print("\\n" + json.dumps({name: steps(name) for name in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def mirrored(run_python):
    """One process: TensorFlow numbers its collectives by process."""
    return json.loads(run_python(MIRRORED, *NAMES).splitlines()[-1])


@pytest.mark.parametrize("name", NAMES)
def test_replicas_stay_equal(name, mirrored):
    (loss,), steps, moved = mirrored[name]
    assert math.isfinite(loss) and loss > 0
    assert steps == 3
    assert moved > 0
