"""Row-sparse Adam and Adagrad against plain NumPy and against Keras's own."""

import doctest
import json

import numpy as np
import pytest
import tensorflow as tf

import tfrec
from tfrec import keras
from tfrec.optimizers import Adagrad, Adam

ROWS, WIDTH = 7, 3
# Row 6 is never looked up; 1 and 4 occur twice in one batch; 2 skips a step.
LOOKUPS = ([1, 4, 1, 0], [4, 4, 2, 3], [5, 1, 0, 1], [2, 3, 5, 0])


def table(seed: int = 0) -> tf.Variable:
    values = np.random.default_rng(seed).normal(size=(ROWS, WIDTH))
    return tf.Variable(values, dtype=tf.float32)


def rows_of_gradient(lookups, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(len(ids), WIDTH)).astype(np.float32) for ids in lookups]


def run(optimizer, variable, lookups=LOOKUPS) -> np.ndarray:
    for ids, values in zip(lookups, rows_of_gradient(lookups), strict=True):
        slices = tf.IndexedSlices(values, tf.constant(ids, tf.int32), variable.shape)
        optimizer.apply_gradients([(slices, variable)])
    return variable.numpy()


def summed(ids, values) -> dict[int, np.ndarray]:
    return {row: values[np.asarray(ids) == row].sum(0) for row in set(map(int, ids))}


def numpy_adam(start, lookups, rate, beta_1, beta_2, epsilon, adaptive) -> np.ndarray:
    value = start.astype(np.float64)
    first, second = np.zeros_like(value), np.zeros_like(value)
    for step, (ids, values) in enumerate(
        zip(lookups, rows_of_gradient(lookups), strict=True), start=1
    ):
        for row, gradient in summed(ids, values).items():
            first[row] = beta_1 * first[row] + (1 - beta_1) * gradient
            second[row] = beta_2 * second[row] + (1 - beta_2) * gradient**2
            correction = np.sqrt(1 - beta_2**step)
            hat = epsilon * correction if adaptive else epsilon
            value[row] -= (
                rate(step - 1)
                * (correction / (1 - beta_1**step))
                * (first[row] / (np.sqrt(second[row]) + hat))
            )
    return value


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize(
    ("beta_1", "beta_2", "epsilon"), [(0.9, 0.999, 1e-7), (0.5, 0.9, 0.1)]
)
def test_adam_is_the_paper_s_update_on_the_rows_of_the_batch(
    beta_1, beta_2, epsilon, adaptive
):
    variable = table()
    start = variable.numpy()
    optimizer = Adam(0.05, beta_1, beta_2, epsilon, adaptive_epsilon=adaptive)
    expected = numpy_adam(
        start, LOOKUPS, lambda step: 0.05, beta_1, beta_2, epsilon, adaptive
    )
    np.testing.assert_allclose(run(optimizer, variable), expected, atol=2e-6)


@pytest.mark.parametrize("adaptive", [False, True])
def test_adam_is_the_paper_s_update_of_a_dense_gradient(adaptive):
    variable, optimizer = table(), Adam(0.05, adaptive_epsilon=adaptive)
    lookups = (range(ROWS),) * 5
    start = variable.numpy()
    for values in rows_of_gradient(lookups):
        optimizer.apply_gradients([(tf.constant(values), variable)])
    settings = (lambda step: 0.05, 0.9, 0.999, 1e-7, adaptive)
    expected = numpy_adam(start, lookups, *settings)
    np.testing.assert_allclose(variable, expected, atol=2e-6)


def test_adagrad_is_the_paper_s_update_on_the_rows_of_the_batch():
    variable = table()
    expected = variable.numpy().astype(np.float64)
    total = np.full_like(expected, 0.3)
    for ids, values in zip(LOOKUPS, rows_of_gradient(LOOKUPS), strict=True):
        for row, gradient in summed(ids, values).items():
            total[row] += gradient**2
            expected[row] -= 0.2 * gradient / np.sqrt(total[row] + 0.01)
    optimizer = Adagrad(0.2, initial_accumulator_value=0.3, epsilon=0.01)
    np.testing.assert_allclose(run(optimizer, variable), expected, atol=1e-6)


@pytest.mark.parametrize("kind", [Adam, Adagrad])
def test_a_schedule_sets_the_rate_of_every_step(kind):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    variable = table()
    start = variable.numpy()
    moved = run(kind(schedule), variable)
    if kind is Adam:
        expected = numpy_adam(
            start, LOOKUPS, lambda step: 0.1 * 0.5**step, 0.9, 0.999, 1e-7, False
        )
        np.testing.assert_allclose(moved, expected, atol=2e-6)
    constant = run(kind(0.1), table())
    assert np.abs(moved - constant)[[2, 3, 5]].max() > 0.01


@pytest.mark.parametrize("kind", [Adam, Adagrad])
def test_rows_outside_the_batch_keep_their_value_and_their_slots(kind):
    variable, optimizer = table(), kind(0.1)
    start = variable.numpy()
    run(optimizer, variable, LOOKUPS[:1])
    slots = [slot.numpy() for slot in optimizer.variables[1:] if slot.shape.rank == 2]
    moved = run(optimizer, variable, LOOKUPS[1:2])
    later = [slot.numpy() for slot in optimizer.variables[1:] if slot.shape.rank == 2]
    assert slots
    for before, after in zip(slots, later, strict=True):
        np.testing.assert_array_equal(before[[0, 1, 5, 6]], after[[0, 1, 5, 6]])
        assert (before[[2, 3, 4]] != after[[2, 3, 4]]).all()
    np.testing.assert_array_equal(moved[6], start[6])
    # The deviation that the docstring states: Keras's Adam moves row 1 on.
    eager = table()
    run(keras.optimizers.Adam(0.1), eager, LOOKUPS[:1])
    once = eager.numpy()
    both = table()
    run(keras.optimizers.Adam(0.1), both, LOOKUPS[:2])
    assert (once[1] != both.numpy()[1]).all()


KERAS = {Adam: keras.optimizers.Adam, Adagrad: keras.optimizers.Adagrad}
SETTINGS = [
    {},
    {"weight_decay": 0.1},
    {"clipvalue": 0.2},
    {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2},
]


@pytest.mark.parametrize("kind", [Adam, Adagrad])
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda setting: "-".join(setting))
def test_equal_to_keras_when_every_row_is_in_every_batch(kind, settings):
    lookups = tuple(np.random.default_rng(3).permutation(ROWS) for _ in range(6))
    ours = run(kind(0.05, **settings), table(), lookups)
    theirs = run(KERAS[kind](0.05, **settings), table(), lookups)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert np.abs(ours - table().numpy()).max() > 0.05


@pytest.mark.parametrize("kind", [Adam, Adagrad])
@pytest.mark.parametrize("settings", [*SETTINGS, {"clipnorm": 0.5}])
def test_a_dense_gradient_gets_keras_s_update(kind, settings):
    ends = []
    for optimizer in (kind(0.05, **settings), KERAS[kind](0.05, **settings)):
        variable = table()
        for values in rows_of_gradient([range(ROWS)] * 5):
            optimizer.apply_gradients([(tf.constant(values), variable)])
        ends.append(variable.numpy())
    np.testing.assert_allclose(*ends, atol=2e-6)


@pytest.mark.parametrize("argument", ["clipnorm", "global_clipnorm"])
def test_norms_are_those_of_the_summed_rows(argument):
    variable = tf.Variable(tf.zeros((3, 1)))
    optimizer = Adagrad(
        1.0, initial_accumulator_value=0.0, epsilon=1.0, **{argument: 2.0}
    )
    # Row 0 sums to 3 and row 2 to 4, norm 5; unsummed it would be sqrt(1+4+16).
    slices = tf.IndexedSlices([[1.0], [2.0], [4.0]], [0, 0, 2], (3, 1))
    optimizer.apply_gradients([(slices, variable)])
    clipped = np.array([3.0, 0.0, 4.0]) * 2 / 5
    expected = -clipped / np.sqrt(clipped**2 + 1.0)
    np.testing.assert_allclose(variable.numpy()[:, 0], expected, rtol=1e-6)


def test_a_table_that_is_read_twice_in_one_loss_has_one_gradient():
    variable = tf.Variable(tf.zeros((3, 1)))
    optimizer = Adagrad(1.0, initial_accumulator_value=0.0, epsilon=0.0)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            history = tf.reduce_sum(tf.gather(variable, [0, 1, 1]))
            loss = history + tf.reduce_sum(tf.gather(variable, [1]))
        optimizer.minimize(loss, [variable], tape)

    optimizer.build([variable])
    step()
    assert variable.numpy()[:, 0].tolist() == [-1.0, -1.0, 0.0]
    total = optimizer.variables[1].numpy()[:, 0]
    assert total.tolist() == [1.0, 9.0, 0.0]


def test_a_variable_that_build_has_not_seen_is_refused():
    optimizer = Adam()
    optimizer.build([table()])
    with pytest.raises(KeyError, match="cannot recognize variable"):
        run(optimizer, table())


@pytest.mark.parametrize("kind", [Adam, Adagrad])
@pytest.mark.parametrize("scheduled", [False, True])
def test_the_configuration_makes_the_same_optimizer_again(kind, scheduled):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    optimizer = kind(schedule if scheduled else 0.025, epsilon=1e-3, clipnorm=1.5)
    text = json.dumps(keras.optimizers.serialize(optimizer))
    again = keras.optimizers.deserialize(json.loads(text))
    assert type(again) is kind
    assert json.dumps(keras.optimizers.serialize(again)) == text
    if not scheduled:
        assert again.get_config()["learning_rate"] == 0.025


def test_adaptive_epsilon_survives_the_configuration():
    again = Adam.from_config(Adam(adaptive_epsilon=True).get_config())
    assert again.adaptive_epsilon is True


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(amsgrad=True), "amsgrad=True is not supported"),
        (lambda: Adam(mesh=object()), "DTensor mesh"),
        (lambda: Adagrad(mesh=object()), "DTensor mesh"),
        (lambda: Adagrad(initial_accumulator_value=-0.1), "-0.1 of Adagrad"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["Adam", "Adagrad"])
def test_the_example_of_the_docstring(name):
    names = {"tf": tf, "tfrec": tfrec}
    documented = getattr(tfrec.optimizers, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(
        documented, name, globs=names
    )
    result = doctest.DocTestRunner().run(example)
    assert (result.failed, result.attempted > 2) == (0, True)


def test_loss_scaling_changes_nothing_and_skips_what_overflows():
    plain, scaled = table(), table()
    wrapped = keras.mixed_precision.LossScaleOptimizer(Adam(0.05), initial_scale=1024.0)
    for optimizer, variable in ((Adam(0.05), plain), (wrapped, scaled)):
        for ids in LOOKUPS:
            optimizer.minimize(
                lambda v=variable, i=ids: tf.reduce_sum(tf.gather(v, i) ** 2),
                [variable],
            )
    np.testing.assert_allclose(plain.numpy(), scaled.numpy(), atol=1e-6)
    before = scaled.numpy()
    wrapped.minimize(lambda: tf.reduce_sum(tf.gather(scaled, [1]) * np.inf), [scaled])
    np.testing.assert_array_equal(before, scaled.numpy())
