"""A step of training against plain NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras

Weights = dict[str, np.ndarray]
RATE, NUDGE = 10.0, 1e-5


def slope(loss: Callable[[Weights], float], weights: Weights, name: str) -> np.ndarray:
    """Central differences of ``loss`` in every entry of one weight."""
    values = weights[name]
    result = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        kept = values[place]
        ends = []
        for moved in (kept + NUDGE, kept - NUDGE):
            values[place] = moved
            ends.append(loss(weights))
        values[place] = kept
        result[place] = (ends[0] - ends[1]) / (2 * NUDGE)
    return result


@pytest.fixture(scope="module", autouse=True)
def without_graphs(eagerly: None) -> None:
    """Equations are checked step by step; the contract has every model's graph."""


@pytest.fixture(scope="session")
def randomise() -> Callable[[keras.Model], None]:
    """Gives every weight a value at which no part of the score is nearly nothing."""

    def set_all(model: keras.Model, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        for variable in model.trainable_variables:
            variable.assign(generator.normal(0, 0.5, variable.shape))

    return set_all


@pytest.fixture(scope="session")
def check_step() -> Callable[..., None]:
    """Asserts loss and update of one step of gradient descent.

    ``weights`` names every trainable variable; ``loss`` is the model's in NumPy, from
    their values to a number, whose slopes are taken by central differences. Those
    named ``still`` have none and do not move.
    """

    def check(
        model: keras.Model,
        batch: tuple[Any, ...],
        weights: dict[str, tf.Variable],
        loss: Callable[[Weights], float],
        still: tuple[str, ...] = (),
    ) -> None:
        known = {id(variable) for variable in weights.values()}
        assert known == {id(variable) for variable in model.trainable_variables}
        start = {n: np.array(v.numpy(), np.float64) for n, v in weights.items()}
        model.compile(keras.optimizers.SGD(RATE), run_eagerly=True)
        reported = model.train_on_batch(*batch, return_dict=True)["loss"]
        assert reported == pytest.approx(loss(start), rel=1e-4)
        for name, variable in weights.items():
            moved = (start[name] - variable.numpy()) / RATE
            if name in still:
                np.testing.assert_array_equal(moved, 0, err_msg=name)
                continue
            expected = slope(loss, start, name)
            assert np.abs(expected).max() > 1e-4, f"{name} has no slope"
            np.testing.assert_allclose(
                moved, expected, rtol=2e-3, atol=2e-5, err_msg=name
            )

    return check
