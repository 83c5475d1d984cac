"""Search ranges: of the Config, narrowed, widened, fixed."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from tfrec.backend import keras_tuner
from tfrec.models.config import Config, Tune
from tfrec.tuning.space import Space


@dataclass(frozen=True)
class Small(Config):
    """A configuration of every kind of range."""

    dim: Annotated[int, Tune(8, 128, log=True)] = 64
    rate: Annotated[float, Tune(1e-4, 1e-1, log=True)] = 1e-3
    layers: Annotated[tuple[int, ...], Tune(choices=((64, 32), (32,)))] = (32,)
    bias: bool = True
    kind: Literal["a", "b"] = "a"


def test_ranges_are_those_of_the_config():
    space = Space.of(Small)
    assert set(space.ranges) == {"dim", "rate", "layers"}
    drawn = keras_tuner().HyperParameters()
    assert space.draw(drawn) == Small()
    kinds = {p.name: type(p).__name__ for p in drawn.space}
    assert kinds == {"dim": "Int", "rate": "Float", "layers": "Choice"}
    drawn.values.update(dim=16, layers=json.dumps([64, 32]))
    assert space.draw(drawn) == Small(dim=16, layers=(64, 32))


def test_ranges_are_narrowed_widened_and_fixed():
    changes = {
        "dim": {"high": 32},
        "rate": 0.01,
        "layers": {"choices": [[16], []]},
        "kind": {"choices": ["a", "b"]},
        "seed": {"low": 1, "high": 3},
    }
    space = Space.of(Small, changes)
    assert space.ranges["dim"] == Tune(8, 32, log=True)
    assert space.fixed == {"rate": 0.01}
    drawn = keras_tuner().HyperParameters()
    # A default out of the range gives way to its lowest, or first, value.
    assert space.draw(drawn) == Small(seed=1, dim=8, rate=0.01, layers=(16,))
    assert Space.of(Small, space.to_dict()) == space


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"dims": 3}, "no hyper-parameter 'dims'; did you mean 'dim'"),
        ({"dim": {"lowest": 3}}, "range of 'dim' has no 'lowest'; did you mean 'low'"),
        ({"dim": "many"}, "must be of type int"),
        ({"dim": {"low": 200}}, "from 200 to 128: give it a low and a higher high"),
        ({"dim": {"low": 8.5}}, "takes whole numbers, not 8.5 to 128"),
        ({"rate": {"low": 0}}, "logarithmic and begins at 0"),
        ({"rate": {"low": "tiny"}}, "from tiny to 0.1"),
        ({"bias": {"low": 0, "high": 1}}, "'bias' is no number: give it choices"),
        ({"layers": {"choices": ["wide"]}}, "layers='wide' must be a list"),
        ({"layers": {"choices": 3}}, "choices of 'layers' must be a list"),
        ({"kind": {"choices": ["a", "c"]}}, "'c' is none of a, b"),
        ({"dim": 8, "rate": 0.1, "layers": [8]}, "has nothing to search"),
    ],
)
def test_what_is_no_range_is_said(changes, message):
    with pytest.raises(ValueError, match=message):
        Space.of(Small, changes)
