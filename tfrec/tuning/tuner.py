"""The search itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec import keras
from tfrec.data.fingerprint import fingerprint
from tfrec.errors import ConfigError, ModelFileError, did_you_mean
from tfrec.evaluation import Evaluator, protocols
from tfrec.evaluation.callback import RankingCallback, monitored
from tfrec.evaluation.table import LOWER_IS_BETTER
from tfrec.models import registry
from tfrec.tuning import state
from tfrec.tuning.engine import ALGORITHMS, Algorithm, ended, made, run
from tfrec.tuning.space import Space

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.data.records import Records
    from tfrec.evaluation.protocols import Protocol
    from tfrec.models.base import Recommender

Trials = list[dict[str, Any]]


class Tuner:
    """Searches the hyper-parameters of a model with keras-tuner.

    Every trial trains a model on ``train`` and is scored by the best epoch on
    ``valid``. The folder holds the search: made again with the same arguments and
    events after an interruption, it goes on after the last finished trial, and a larger
    ``trials`` adds to a search that had ended.

    With keras-tuner's variables ``KERASTUNER_TUNER_ID`` (``chief`` or another name),
    ``KERASTUNER_ORACLE_IP`` and ``KERASTUNER_ORACLE_PORT`` set, the chief hands trials
    to the workers, which share the folder.

    Args:
        model: Registry name.
        train: Events to learn from.
        valid: Events to be scored by.
        folder: Where the search is kept.
        algorithm: ``bayesian`` (a Gaussian process), ``random`` or ``hyperband``, which
            gives the best trials more epochs; a model that learns in one pass has none
            to give, and it is a random search.
        trials: Trials at most; Hyperband may need fewer.
        epochs: Epochs of a trial at most.
        batch_size: Examples in a batch.
        patience: Epochs without a better score after which a trial ends; None for all
            epochs.
        objective: Score by name, as ``val_recall@10``; what fits the protocol when
            None.
        protocol: What is measured; what fits the model when None.
        space: Changes of the ranges in the model's ``Config``; see :meth:`Space.of`.
        seed: Seed of draws and of every trial's weights.

    Attributes:
        objective: Name of the score.
        mode: Whether it shall be ``max`` or ``min``.
        space: What is searched.
        resumed: Whether an earlier search of the same settings and events goes on.

    Raises:
        ValueError: Whatever space, folder, or evaluation refuse; an objective that
            nothing reports.

    Example:
        >>> tuner = Tuner("neumf", train, valid, "searches/neumf", trials=10)
        >>> tuner.search()
        >>> model = tuner.best_model()
    """

    def __init__(
        self,
        model: str,
        train: Interactions | Records,
        valid: Interactions,
        folder: str | Path,
        *,
        algorithm: Algorithm = "bayesian",
        trials: int = 20,
        epochs: int = 10,
        batch_size: int = 4096,
        patience: int | None = None,
        objective: str | None = None,
        protocol: Protocol | None = None,
        space: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        for name, count in (("trials", trials), ("epochs", epochs)):
            if count < 1:
                raise ConfigError(f"{name}={count} must be 1 or more.")
        if algorithm not in ALGORITHMS:
            raise ConfigError(
                f"algorithm '{algorithm}' is none of {', '.join(ALGORITHMS)}; "
                f"{did_you_mean(algorithm, ALGORITHMS)}"
            )
        self.kind = registry.get(model)
        self.train, self.valid, self.folder = train, valid, Path(folder)
        self.trials, self.epochs, self.batch_size = trials, epochs, batch_size
        self.patience, self.seed = patience, seed
        self.space = Space.of(self.kind.Config, {"seed": seed, **(space or {})})
        self.protocol = protocol or protocols.natural(self.kind(train.spec), valid)
        self.objective, self.mode = self._objective(objective)
        self.resumed = state.claim(
            self.folder,
            {
                "model": model,
                "data": train.name,
                "algorithm": algorithm,
                "objective": self.objective,
                "protocol": self.protocol.describe(),
                "epochs": epochs,
                "batch_size": batch_size,
                "patience": patience,
                "space": self.space.to_dict(),
            },
            fingerprint(train, valid),
        )
        self._tuner = made(self, algorithm)

    @property
    def is_worker(self) -> bool:
        """Whether this process runs trials for a chief elsewhere."""
        distributed = "KERASTUNER_ORACLE_IP" in os.environ
        return distributed and "chief" not in os.environ["KERASTUNER_TUNER_ID"]

    def search(self, watch: Callable[[Trials], None] = lambda trials: None) -> Trials:
        """Runs the trials that are left.

        Args:
            watch: Called with the finished trials after each.

        Returns:
            The finished trials, best first: :meth:`finished`.

        Raises:
            OSError: The disk is full; the finished trials stay.
            ValueError: Three trials in a row failed.
        """
        self.watch = watch
        run(self._tuner, self.callbacks())
        self.note()
        return self.finished()

    def finished(self) -> Trials:
        """Finished trials, best first.

        Each with ``trial``, ``status``, ``score`` (None if it failed), ``epoch`` (the
        best, from 1), ``seconds``, ``values`` by hyper-parameter, and ``error``, the
        last line of what a failed one said.
        """
        file = self.folder / state.TRIALS
        return state.read(file) if file.is_file() else []

    def best_config(self) -> Any:
        """The configuration of the best trial.

        Raises:
            ValueError: No trial has ended well.
        """
        return self.space.draw(self._best().hyperparameters)

    def best_model(self, further_epochs: int = 0) -> Recommender:
        """The best trial's model with the weights of its best epoch, compiled.

        Args:
            further_epochs: Epochs to train on; kept are the best weights of all, those
                of the trial included.

        Raises:
            ValueError: No trial has ended well.
        """
        trial = self._best()
        model: Recommender = self._tuner.load_model(trial)
        if further_epochs:
            kept = Kept(self.objective, self.mode, trial.score)
            self.fit(model, [*self.callbacks(), kept], epochs=further_epochs)
            kept.restore()
        return model

    def build(self, config: Any) -> Recommender:
        """A model of a configuration that has met the training events, compiled."""
        model = self.kind(self.train.spec, config)
        model.adapt(self.train)  # type: ignore[arg-type]
        model.compile()
        return model

    def fit(
        self, model: Recommender, callbacks: list[Any], epochs: int, **kwargs: Any
    ) -> keras.callbacks.History:
        """Trains a model as every trial is."""
        batches = self.train.batches(model, self.batch_size, seed=self.seed)
        passes = 1 if getattr(model, "one_pass", False) else epochs
        return model.fit(
            batches, epochs=passes, callbacks=callbacks, verbose=0, **kwargs
        )

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """What scores every epoch, and ends training by ``patience``."""
        metric = self.objective.removeprefix("val_").partition("@")[0]
        chain = [RankingCallback(self.valid, self.protocol, metrics=(metric,))]
        if self.patience is not None:
            chain.append(
                keras.callbacks.EarlyStopping(
                    self.objective, mode=self.mode, patience=self.patience
                )
            )
        return chain

    def note(self) -> None:
        """Writes what has ended, and tells who watches."""
        if not self.is_worker:
            state.write(self.folder / state.TRIALS, ended(self._tuner, self.mode))
            self.watch(self.finished())

    def _best(self) -> Any:
        for trial in self._tuner.oracle.get_best_trials(1):
            if trial.status == "COMPLETED":
                return trial
        raise ModelFileError(
            f"{self.folder} holds no trial that ended well: search first."
        )

    def _objective(self, name: str | None) -> tuple[str, str]:
        """Name and mode of the score; raises ValueError if nothing reports it."""
        if name is None:
            return monitored(self.protocol)
        model = self.build(self.kind.Config.make(self.space.fixed))
        reported = Evaluator(self.valid, self.protocol).evaluate(model).metrics
        metric = name.removeprefix("val_")
        if metric not in reported:
            raise ConfigError(
                f"objective '{name}' is reported by nothing here; "
                f"{did_you_mean(name, [f'val_{known}' for known in reported])}"
            )
        lower = metric.partition("@")[0] in LOWER_IS_BETTER
        return f"val_{metric}", "min" if lower else "max"


class Kept(keras.callbacks.Callback):
    """Remembers the weights of the best epoch, or those before if none is better.

    Args:
        monitor: Name of the score.
        mode: Whether it shall be ``max`` or ``min``.
        score: What the weights at the beginning have.
    """

    def __init__(self, monitor: str, mode: str, score: float) -> None:
        super().__init__()
        self.monitor, self.best = monitor, score
        self.sign = 1 if mode == "max" else -1

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """The weights that training begins with."""
        self._keep()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Better weights take the place."""
        score = (logs or {})[self.monitor]
        if self.sign * score > self.sign * self.best:
            self.best = score
            self._keep()

    def restore(self) -> None:
        """Gives the model what is remembered."""
        for variable, value in self.weights:
            variable.assign(value)

    def _keep(self) -> None:
        # By variable: training adds those of its metrics to the model's weights.
        self.weights = [(v, v.numpy()) for v in self.model.weights]
