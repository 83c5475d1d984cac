"""A training run on disk: settings, results, and what an interruption leaves."""

from __future__ import annotations

import csv
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec import atomic
from tfrec.cli import config_file
from tfrec.cli.epochs import HISTORY, Epochs
from tfrec.data.fingerprint import difference
from tfrec.errors import ConfigError, ModelFileError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

CONFIG, METRICS, EPOCHS, EVENTS = "config.yaml", "metrics.json", "epochs", "events.txt"
MODEL, CURVE, TITLES = "model.keras", "learning_curve.png", "titles.csv"


@dataclass(frozen=True)
class Run:
    """The folder of one training run.

    Results appear in the folder when they are whole, ``metrics.json`` last: a folder
    that holds it is a finished run. Until then everything is in ``unfinished/``, which
    appears with the settings in it and goes as a whole: a kill at any moment leaves a
    run that the same command ends.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.folder / METRICS).is_file()

    @property
    def folder_of_run(self) -> bool:
        """Whether the folder holds a run, finished or not."""
        return self.finished or self.unfinished.is_dir()

    @property
    def unfinished(self) -> Path:
        """Where the state of a run that goes on is kept."""
        return self.folder / "unfinished"

    @property
    def epochs(self) -> Epochs:
        """The epochs of a run that goes on."""
        return Epochs(self.unfinished / EPOCHS)

    @property
    def _begun(self) -> Path:
        return self.folder / ".begun"

    @property
    def _ended(self) -> Path:
        return self.folder / ".ended"

    def begin(self, settings: dict[str, Any], events: str, overwrite: bool) -> bool:
        """Makes ready to train with these settings.

        Args:
            settings: All settings of the run, resolved.
            events: The fingerprint of the data.
            overwrite: Whether what is there may go.

        Returns:
            Whether an interrupted run of the same settings and events is there to be
            resumed.

        Raises:
            ConfigError: The folder holds a finished run, an interrupted one with other
                settings or events, or anything else.
        """
        self._clear()
        if self.finished and not overwrite:
            raise ConfigError(
                f"{self.folder} holds a finished run: choose another --out, or pass "
                "--overwrite."
            )
        state = self.unfinished / CONFIG
        if state.is_file() and self.epochs.last:
            changed = self._changed(config_file.read(state), settings, events)
            if changed is None:
                return True
            if not overwrite:
                raise ConfigError(
                    f"{self.folder} holds an interrupted run with {changed}: the same "
                    "settings and data resume it, --overwrite starts anew."
                )
        ours = self.finished or state.is_file()
        if not ours and self.folder.is_dir() and any(self.folder.iterdir()):
            raise ConfigError(
                f"{self.folder} is not empty and holds no run: choose another --out."
            )
        atomic.write_text(self._begun / EVENTS, events + "\n")
        atomic.write_text(self._begun / CONFIG, config_file.dump(settings))
        self._drop()
        os.replace(self._begun, self.unfinished)
        return False

    def _clear(self) -> None:
        """Ends what a kill has left of beginning, ending or dropping a run."""
        if (self._ended / METRICS).is_file():
            os.replace(self._ended / METRICS, self.folder / METRICS)
        if (self._begun / CONFIG).is_file() and not self.unfinished.is_dir():
            os.replace(self._begun, self.unfinished)
        for folder in (self._ended, self._begun):
            if folder.is_dir():
                shutil.rmtree(folder)

    def _drop(self) -> None:
        """Removes the state of a run, if any, which is seen whole or not at all."""
        if not self.unfinished.is_dir():
            return
        (self.unfinished / METRICS).unlink(missing_ok=True)
        os.replace(self.unfinished, self._ended)
        shutil.rmtree(self._ended)

    def discard(self) -> None:
        """Forgets a run that failed before its first epoch ended."""
        if self.epochs.last:
            return
        self._drop()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _changed(
        self, there: dict[str, Any], settings: dict[str, Any], events: str
    ) -> str | None:
        """What first differs from the interrupted run, in words."""
        here = config_file.loads(config_file.dump(settings))
        for name in {**there, **here}:
            if there.get(name) != here.get(name):
                return f"{name} {there.get(name)}, not {here.get(name)}"
        file = self.unfinished / EVENTS
        before = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
        return difference(before, events, str(here.get("data")))

    def finish(self, metrics: dict[str, Any]) -> None:
        """Moves the results in place, ``metrics.json`` last, and clears the state."""
        atomic.write_text(
            self.unfinished / METRICS,
            json.dumps(metrics, indent=2, ensure_ascii=False) + "\n",
        )
        (self.folder / METRICS).unlink(missing_ok=True)
        for name in (MODEL, HISTORY, CURVE, TITLES):
            if (self.unfinished / name).exists():
                os.replace(self.unfinished / name, self.folder / name)
        copy = self.unfinished / f"copy of {CONFIG}"  # a run to resume needs its own
        shutil.copyfile(self.unfinished / CONFIG, copy)
        os.replace(copy, self.folder / CONFIG)
        os.replace(self.unfinished, self._ended)
        os.replace(self._ended / METRICS, self.folder / METRICS)
        shutil.rmtree(self._ended)

    def settings(self) -> dict[str, Any]:
        """The settings of a finished run."""
        return config_file.read(self.folder / CONFIG)


def find(path: Path) -> Run | None:
    """The run that a path names: its folder, or the model file in it.

    Returns:
        None when the path is a model file of its own.

    Raises:
        ModelFileError: Neither.
    """
    if path.suffix == ".keras" and path.is_file():
        run = Run(path.parent)
        return run if run.finished and path.name == MODEL else None
    run = Run(path)
    if run.finished:
        return run
    if run.unfinished.is_dir():
        raise ModelFileError(
            f"{path} holds an interrupted run: give the same `tfrec train` command "
            "again to end it."
        )
    what = "is no run of `tfrec train`" if path.exists() else "does not exist"
    raise ModelFileError(f"{path} {what}: name a run's folder or a .keras file.")


def load_model(path: Path) -> Recommender:
    """The model of a run, or of a ``.keras`` file.

    Raises:
        ValueError: Neither is there.
    """
    run = find(path)
    from tfrec import models

    return models.load(run.folder / MODEL if run else path)


def write_titles(path: Path, data: Interactions) -> None:
    """Writes the titles of a data set's items, if it has any."""
    if data.item_names is None:
        return
    column = data.spec.item_column
    if column.hash_bins is not None:
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([column.name, "title"])
        titles = data.item_names[column.first :]
        rows.writerows(zip(column.vocabulary, titles, strict=True))


def read_titles(path: Path) -> dict[str, str]:
    """Titles by item id as text; empty when the run knows none."""
    file = (path.parent if path.suffix == ".keras" else path) / TITLES
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        return dict(rows)
