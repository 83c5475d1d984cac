"""Prepared data, configurations, exports and model files, spoiled and read again."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path

import click
import numpy as np
from hypothesis import strategies as st
from mutations import edited, edited_json

from tfrec import models
from tfrec.cli.train import command
from tfrec.data import tfrecord
from tfrec.data.interactions import Interactions
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.datasets import from_file
from tfrec.errors import ConfigError, DataError, ModelFileError
from tfrec.models.baselines.popularity import Popularity
from tfrec.models.ranking.gmf import GMF
from tfrec.serving import Served, load

HEADER = "user,item,label,time,age,genres"
LINES = [f"u{n % 5},{n * 7 % 11},{n % 5},{10**9 + n},{n % 5},x|y" for n in range(40)]
COLUMNS = {"age": "user:int64", "genres": "item:bag"}
ROLES = ("user", "item", "label", "time")


def small_file(folder: Path) -> Path:
    """Forty events of five users on eleven items."""
    path = folder / "events.csv"
    path.write_text("\n".join([HEADER, *LINES]), "utf8")
    return path


class Folder:
    """A folder of which one file at a time is spoiled.

    Args:
        path: The folder.
        files: Patterns of the files that may be spoiled.
    """

    refusals: tuple[type[Exception], ...] = ()

    def __init__(self, path: Path, *files: str) -> None:
        self.path = path
        found = (file for pattern in files for file in sorted(path.glob(pattern)))
        self.good = {file: file.read_bytes() for file in found}

    def contents(self) -> st.SearchStrategy[tuple[Path, bytes]]:
        """One of the files, spoiled: documents in their parts, all in their bytes."""
        return st.sampled_from(list(self.good)).flatmap(
            lambda file: st.tuples(st.just(file), self._edited(file))
        )

    def _edited(self, file: Path) -> st.SearchStrategy[bytes]:
        content = self.good[file]
        if file.suffix != ".json":
            return edited(content)
        return edited_json(json.loads(content)) | edited(content)

    def put(self, content: tuple[Path, bytes]) -> None:
        """Writes a spoiled file among the good ones."""
        for file, good in self.good.items():
            file.write_bytes(good)
        content[0].write_bytes(content[1])


class Prepared(Folder):
    """A prepared folder."""

    refusals = (DataError,)

    def __init__(self, folder: Path) -> None:
        mapping = Mapping(*ROLES, columns=COLUMNS)
        prepare(small_file(folder), folder / "prepared", mapping, shard_rows=20)
        files = ("*.json", "*.parquet", "train-*", "test-*")
        super().__init__(folder / "prepared", *files)

    def read(self) -> Interactions:
        """The test part, with training and validation as its past."""
        tfrecord.verify(self.path)
        return tfrecord.load(self.path, "test")

    def check(self, data: Interactions) -> None:
        """Events are as many as written, and the spec is what its file says."""
        assert data.past is not None
        assert len(data) + len(data.past) == len(LINES)
        written = json.loads((self.path / "spec.json").read_text("utf8"))
        found = json.loads(data.spec.to_json())
        pairs = zip(found["columns"], written.pop("columns"), strict=True)
        assert all({**column, **said} == column for column, said in pairs)
        assert {**found, **written} == found


class Configuration:
    """A YAML file of the settings of a training run."""

    refusals = (ConfigError,)

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"
        self.command = command("gmf", GMF)

    def contents(self) -> st.SearchStrategy[bytes]:
        """A good file, spoiled."""
        good = b"model: gmf\ndata: movielens\nepochs: 3\ndim: 8\nlearning_rate: 0.01\n"
        words = (
            *(b"2001-99-99", b"&a [*a]", b"!!binary x", b"!!python/name:os.system"),
            *(b"[1, 2]", b"{a: 1}", b"null", b"~", b"1: 2\n", b"? [a]\n", b"12:30:99"),
            *(b"[" * 3000, b"1e400", b".nan", b"9" * 30, b"dim", b"yes", b"%"),
        )
        return edited(good, words)

    def put(self, content: bytes) -> None:
        """Writes the file."""
        self.path.write_bytes(content)

    def read(self) -> click.Context:
        """The flags of the command, as far as the file gives them."""
        return self.command.make_context("gmf", ["--config", str(self.path)])

    def check(self, context: click.Context) -> None:
        """Numbers are in their range; what the file leaves out is as it is anyway."""
        assert type(context.params["dim"]) is int
        assert context.params["epochs"] >= 1
        assert isinstance(context.params["learning_rate"], float)


class Export(Folder):
    """The documents of an exported model."""

    refusals = (ModelFileError,)
    files = ("assets.extra/*.json",)

    def __init__(self, folder: Path) -> None:
        data = from_file(small_file(folder), *ROLES, COLUMNS, history=None)
        model = Popularity(data.spec)
        model.adapt(data)
        model.export(folder / "export")
        super().__init__(folder / "export" / "1", *self.files)

    def read(self) -> Served:
        """The loaded model."""
        return load(self.path)

    def check(self, served: Served) -> None:
        """What stands in the documents is what was loaded."""
        extra = self.path / "assets.extra"
        config = json.loads((extra / "config.json").read_text("utf8"))
        assert json.dumps(served.config) == json.dumps(config)
        names = {*(column.name for column in served.spec.columns)}
        assert names.issuperset(served.config["query_columns"])


class ExportGraph(Export):
    """The graph and the variables of an exported model."""

    files = ("saved_model.pb", "fingerprint.pb", "variables/*")

    def check(self, served: Served) -> None:
        """It has the signature that every export has."""
        assert "serving_default" in served.signatures


class ModelFile:
    """A saved model."""

    refusals = (ModelFileError,)

    def __init__(self, folder: Path) -> None:
        data = from_file(small_file(folder), *ROLES, COLUMNS, history=None)
        model = GMF(data.spec.select("age"), dim=2)
        model.adapt(data)
        model.compile()
        self.path = folder / "model.keras"
        model.save(self.path)
        self.good = self.path.read_bytes()
        with zipfile.ZipFile(self.path) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}

    def contents(self) -> st.SearchStrategy[dict[str, bytes] | bytes]:
        """The file, or one of its members, spoiled."""
        name = "config.json"
        config = edited_json(json.loads(self.members[name])).map(lambda c: {name: c})
        weights = edited(self.members["model.weights.h5"])
        return (
            config | weights.map(lambda w: {"model.weights.h5": w}) | edited(self.good)
        )

    def put(self, content: dict[str, bytes] | bytes) -> None:
        """Writes the file; checksums fit the spoiled members."""
        if isinstance(content, bytes):
            self.path.write_bytes(content)
            return
        with zipfile.ZipFile(self.path, "w") as archive:
            for name, member in {**self.members, **content}.items():
                archive.writestr(name, member)

    def read(self) -> GMF:
        """The loaded model."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return models.load(self.path)

    def check(self, model: GMF) -> None:
        """Its tables are of the shapes of its spec and its configuration."""
        shapes = [w.shape for w in model.trainable_weights if w.shape.rank == 2]
        assert (model.spec.user_column.size, model.config.dim) in map(tuple, shapes)
        assert np.isfinite(model.config.dim)
