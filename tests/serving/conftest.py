"""A two-tower with every kind of column and a NeuMF with int64 ids, exported."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfrec import serving
from tfrec.data.interactions import Interactions
from tfrec.features import PADDING, Categorical, FeatureSpec
from tfrec.models.base import Recommender
from tfrec.models.ranking.neumf import NeuMF
from tfrec.models.retrieval.two_tower import TwoTower
from tfrec.serving import Served


@dataclass
class Exported:
    """A model, where it was exported to, and that export loaded."""

    model: Recommender
    path: Path
    version: Path
    served: Served
    data: Interactions

    def queries(self, n: int) -> dict[str, list]:
        """Raw query features of the first n users, as the training data has them."""
        spec, features = self.data.spec, {}
        users = spec.user_column.first + np.arange(n)
        encoded = self.data.queries(users, self.model.query_columns)
        for name in self.model.query_columns:
            indices = encoded[f"{name}/index"]
            raw = spec.decode(name, indices)
            if name == "age":  # decoding gives padding for what is unknown
                raw[indices == 1] = 99
            features[name] = raw.tolist()
        return features

    def taken(self, n: int) -> list[list]:
        """Raw ids of the items that each of the first n users has taken."""
        first, raw = self.data.spec.user_column.first, self.data.raw("movie_id")
        return [raw[self.data.user == first + row].tolist() for row in range(n)]

    def ask(self, k, exclude=None, signature="serving_default", **features):
        """Tensors of ``serving_default`` or ``examples``; no list is no restriction."""
        n = len(next(iter(features.values())))
        specs = self.served.signatures[signature].structured_input_signature[1]
        values = {**self.lists(n), **features, "k": k}
        values = {name: values[name] for name in specs}
        if exclude is not None:
            values["exclude"] = exclude
        tensors = {name: tf.constant(values[name], specs[name].dtype) for name in specs}
        return self.served.signatures[signature](**tensors)

    def lists(self, n):
        """Lists of items and categories for n queries that name nothing."""
        nothing = [[self.padding]] * n
        return {"exclude": nothing, "candidates": nothing, "within": [[""]] * n}

    @property
    def items(self) -> list:
        """Raw ids of the catalogue."""
        return list(self.data.spec.item_column.vocabulary)

    @property
    def padding(self) -> str | int:
        return PADDING[self.data.spec.item_column.dtype]

    @property
    def stranger(self) -> str | int:
        """A user id that nobody has."""
        return {"string": "nobody", "int64": 7}[self.data.spec.user_column.dtype]


def exported(model: Recommender, data: Interactions, path: Path) -> Exported:
    model.compile()
    model.fit(data.batches(model, 64), epochs=2, verbose=0)
    version = model.export(path, metrics={"ndcg@10": 0.25})
    return Exported(model, path, version, serving.load(path), data)


@pytest.fixture(scope="session")
def two_tower(data: Interactions, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("served") / "two_tower"
    return exported(TwoTower(data.spec, dim=8), data, path)


@pytest.fixture(scope="session")
def numbered(data: Interactions) -> Interactions:
    """The same events with int64 user and item ids."""
    spec = FeatureSpec(
        columns=(
            _numbers("user_id", "user", data.spec.user_column, 1000),
            _numbers("movie_id", "item", data.spec.item_column, 5000),
        ),
        item="movie_id",
        label="rating",
        timestamp="timestamp",
    )
    return dataclasses.replace(
        data.with_spec(data.spec.select("user_id")), spec=spec, users={}, items={}
    )


def _numbers(name: str, side: str, column: Categorical, start: int) -> Categorical:
    count = len(column.vocabulary)
    ids = tuple(range(start, start + 7 * count, 7))
    return Categorical(name, side, dtype="int64", vocabulary=ids)


@pytest.fixture(scope="session")
def neumf(numbered: Interactions, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("served") / "neumf"
    return exported(NeuMF(numbered.spec), numbered, path)


@pytest.fixture(scope="module", params=["two_tower", "neumf"])
def export(request: pytest.FixtureRequest) -> Exported:
    """Each of the two in turn."""
    return request.getfixturevalue(request.param)
