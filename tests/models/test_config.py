"""Hyper-parameters from code, JSON, YAML and search spaces, and what is refused."""

import json
from dataclasses import FrozenInstanceError, dataclass
from typing import Annotated, Literal

import pytest
import yaml

from tfrec.models.config import Config, Tune


@dataclass(frozen=True)
class Example(Config):
    dim: Annotated[int, Tune(8, 64, log=True)] = 16
    rate: Annotated[float, Tune(1e-4, 1e-1, log=True)] = 1e-3
    layers: tuple[int, ...] = (32, 16)
    shares: tuple[float, ...] = (0.5,)
    kind: Annotated[Literal["dot", "cosine"], Tune(choices=("dot", "cosine"))] = "dot"
    limit: int | None = None
    widths: tuple[int, ...] | None = None
    biased: bool = True
    label: str = "x"


def test_defaults_and_the_seed_that_every_config_has():
    config = Example.make({})
    assert config == Example()
    assert config.seed == 0
    with pytest.raises(FrozenInstanceError):
        config.dim = 3  # type: ignore[misc]


def test_values_of_json_and_yaml_become_those_of_the_type():
    values = {
        "dim": 32,
        "rate": 1,
        "layers": [4, 2],
        "shares": [1, 0.5],
        "kind": "cosine",
        "limit": 5,
        "widths": [3],
        "biased": False,
    }
    for text in (json.dumps(values), yaml.safe_dump(values)):
        config = Example.make(yaml.safe_load(text))
        assert config == Example(
            dim=32,
            rate=1.0,
            layers=(4, 2),
            shares=(1.0, 0.5),
            kind="cosine",
            limit=5,
            widths=(3,),
            biased=False,
        )
        assert isinstance(config.rate, float)
        assert isinstance(config.shares[0], float)


def test_yaml_s_text_1e_3_is_a_number():
    assert yaml.safe_load("1e-3") == "1e-3"
    assert Example.make({"rate": "1e-3"}).rate == 1e-3


def test_round_trip_through_json():
    config = Example.make({"widths": [1, 2], "limit": None, "layers": []})
    text = json.dumps(config.to_dict())
    assert Example.make(json.loads(text)) == config
    assert json.dumps(Example.make(json.loads(text)).to_dict()) == text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"dmi": 3}, "Example has no hyper-parameter 'dmi'; did you mean 'dim'"),
        ({"zzzz": 3}, "'zzzz'; known: biased, dim, "),
        ({"dim": 3.5}, "Example.dim=3.5 must be of type int"),
        ({"dim": "3"}, "Example.dim='3' must be of type int"),
        ({"dim": True}, "Example.dim=True must be of type int"),
        ({"dim": None}, "Example.dim=None must be of type int"),
        ({"rate": "fast"}, "Example.rate='fast' must be a number"),
        ({"rate": True}, "Example.rate=True must be of type float"),
        ({"layers": 32}, "Example.layers=32 must be a list of int"),
        ({"layers": "32"}, "Example.layers='32' must be a list of int"),
        ({"layers": [32, "16"]}, "Example.layers='16' must be of type int"),
        ({"kind": "dott"}, "Example.kind='dott' is none of dot, cosine; did you mean"),
        ({"limit": "many"}, "Example.limit='many' must be of type int"),
        ({"biased": 1}, "Example.biased=1 must be of type bool"),
        ({"label": 1}, "Example.label=1 must be of type str"),
        ({"seed": "a"}, "Example.seed='a' must be of type int"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(values, words):
    with pytest.raises(ValueError) as refusal:
        Example.make(values)
    assert words in str(refusal.value)


def test_the_space_is_what_the_annotations_say():
    assert Example.space() == {
        "dim": Tune(8, 64, log=True),
        "rate": Tune(1e-4, 1e-1, log=True),
        "kind": Tune(choices=("dot", "cosine")),
    }
    assert Example.hints()["dim"] is int
    assert Example.hints()["kind"] == Literal["dot", "cosine"]
