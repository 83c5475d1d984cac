"""The canon as the source files tell it."""

import importlib
import inspect
import json
from pathlib import Path

import pytest

import tfrec.models
from tfrec.models import registry
from tfrec.models.base import Recommender
from tfrec.models.config import Config

NAMES = tuple(registry.entries())
every_model = pytest.mark.parametrize("name", NAMES)


@every_model
def test_an_entry_is_what_its_class_says(name):
    entry, cls = registry.entries()[name], registry.get(name)
    assert issubclass(cls, Recommender)
    assert cls.__name__ == entry.class_name
    assert (cls.paper, cls.objective) == (entry.paper, entry.objective)
    assert entry.paper
    assert entry.objective
    assert registry.name_of(cls) == name
    assert getattr(tfrec.models, entry.class_name) is cls
    assert json.loads(json.dumps(entry.to_dict())) == {
        "name": name,
        "class": entry.class_name,
        "family": entry.family,
        "paper": entry.paper,
        "objective": entry.objective,
    }


@every_model
def test_a_file_tells_the_whole_model(name):
    """One public class with citation, arguments, call shapes, example and Config."""
    cls = registry.get(name)
    module = importlib.import_module(cls.__module__)
    public = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    ]
    assert public == [cls]
    assert len(Path(module.__file__).read_text("utf-8").splitlines()) <= 300
    words = inspect.getdoc(cls)
    for part in ("Differs from the paper:", "Args:", "Call:", "Example:"):
        assert part in words, f"{cls.__name__}'s docstring lacks '{part}'"
    assert issubclass(cls.Config, Config)
    described = "\n".join(base.__doc__ or "" for base in cls.Config.__mro__)
    for field in cls.Config.hints():
        assert field == "seed" or f"{field}:" in described, field


def test_entries_are_sorted_by_family_and_name():
    keys = [(e.family, e.name) for e in registry.entries().values()]
    assert keys == sorted(keys)
    assert {"gmf", "two_tower", "matrix_factorization"} <= set(NAMES)


def test_an_unknown_name_names_the_near_one():
    with pytest.raises(
        ValueError, match="unknown model 'neumff'; did you mean 'neumf'"
    ):
        registry.get("neumff")
    with pytest.raises(AttributeError, match="no attribute 'NeuMFF'"):
        tfrec.models.NeuMFF  # noqa: B018


def test_every_class_is_listed_beside_load():
    listed = dir(tfrec.models)
    assert {"Recommender", "load", "registry"} <= set(listed)
    assert {e.class_name for e in registry.entries().values()} <= set(listed)
