"""keras-tuner behind the search: its tuners, watched and saved whole."""

from __future__ import annotations

import contextlib
import io
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from tfrec.backend import keras_tuner
from tfrec.errors import ConfigError, ModelFileError
from tfrec.tuning import state

if TYPE_CHECKING:
    from tfrec.models.base import Recommender
    from tfrec.tuning.tuner import Tuner

Algorithm = Literal["bayesian", "random", "hyperband"]
ALGORITHMS = get_args(Algorithm)
SECONDS = "seconds.json"


def made(owner: Tuner, algorithm: Algorithm) -> Any:
    """The keras-tuner that runs a search, its earlier state read.

    The state is read by keras-tuner, which knows its own classes and imports none.

    Args:
        owner: The search.
        algorithm: How hyper-parameters are chosen.

    Raises:
        ModelFileError: The state of an earlier search is damaged, or names other
            classes.
    """
    library = keras_tuner()
    if algorithm == "hyperband" and getattr(owner.kind, "one_pass", False):
        algorithm = "random"  # Hyperband's first round, which no other follows
    kind, limit = {
        "random": (library.RandomSearch, {"max_trials": owner.trials}),
        "bayesian": (library.BayesianOptimization, {"max_trials": owner.trials}),
        "hyperband": (library.Hyperband, {"max_epochs": owner.epochs}),
    }[algorithm]

    class Watched(kind):  # type: ignore[misc, valid-type]
        """Trials are timed, and noted when they end."""

        def on_trial_begin(self, trial: Any) -> None:
            super().on_trial_begin(trial)
            self.begin = time.perf_counter()

        def on_trial_end(self, trial: Any) -> None:
            seconds = round(time.perf_counter() - self.begin, 3)
            state.write(Path(self.get_trial_dir(trial.trial_id)) / SECONDS, seconds)
            super().on_trial_end(trial)
            owner.note()

    class Drawn(library.HyperModel):  # type: ignore[name-defined]
        """A model of drawn hyper-parameters, and its training."""

        def values(self, drawn: Any) -> dict[str, Any]:
            config = owner.space.draw(drawn.copy()).to_dict()
            return {name: config[name] for name in owner.space.ranges}

        def build(self, drawn: Any) -> Recommender:
            return owner.build(owner.space.draw(drawn))

        def fit(self, drawn: Any, model: Recommender, **kwargs: Any) -> Any:
            del kwargs["verbose"]
            weights = sum(variable.numpy().nbytes for variable in model.variables)
            try:
                # The best weights, those before them, and their temporary files.
                state.check_space(owner.folder, 4 * weights)
                return owner.fit(model, **{"epochs": owner.epochs, **kwargs})
            except OSError as error:
                raise library.errors.FatalRuntimeError(str(error)) from error

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it says what it reloads
            tuner = Watched(
                Drawn(),
                objective=library.Objective(owner.objective, owner.mode),
                seed=owner.seed + 1,  # it takes 0 for none
                directory=str(owner.folder),
                project_name="state",
                **limit,
            )
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as why:
        if not owner.resumed:
            raise
        raise ModelFileError(
            f"{owner.folder} is damaged ({_last_line(str(why))}): remove it and search "
            "anew."
        ) from why
    if not owner.is_worker:
        oracle = tuner.oracle
        oracle.max_trials = owner.trials
        oracle.save = partial(_save, oracle)
        oracle._save_trial = partial(_save_trial, oracle)
    return tuner


def run(tuner: Any, callbacks: list[Any]) -> None:
    """Runs the trials that are left.

    Raises:
        OSError: The disk is full.
        ConfigError: Three trials in a row failed.
    """
    errors = keras_tuner().errors
    try:
        tuner.search(callbacks=callbacks, verbose=0)
    except errors.FatalError as error:
        raise error.__cause__ or error from None
    except RuntimeError as error:
        raise ConfigError(
            f"three trials in a row failed, the last with: {_last_line(str(error))}"
        ) from error


def ended(tuner: Any, mode: str) -> list[dict[str, Any]]:
    """Trials that have ended, as :meth:`Tuner.finished` says, best first."""
    rows = []
    for trial_id in tuner.oracle.end_order:
        trial = tuner.oracle.trials[trial_id]
        well = trial.status == "COMPLETED"
        seconds = Path(tuner.get_trial_dir(trial_id)) / SECONDS
        rows.append(
            {
                "trial": int(trial_id) + 1,
                "status": trial.status.lower(),
                "score": trial.score if well else None,
                "epoch": trial.best_step + 1 if well else None,
                "seconds": state.read(seconds) if seconds.is_file() else None,
                "values": tuner.hypermodel.values(trial.hyperparameters),
                "error": None if well else _last_line(trial.message or ""),
            }
        )
    sign = -1 if mode == "max" else 1
    return sorted(
        rows, key=lambda row: (row["score"] is None, sign * (row["score"] or 0))
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


# keras-tuner writes its state in place: a disk that is full, or a kill, would leave
# half of it, and no trial could be found again.


def _save(oracle: Any) -> None:
    state.write(Path(oracle._get_oracle_fname()), oracle.get_state())


def _save_trial(oracle: Any, trial: Any) -> None:
    folder = Path(oracle._get_trial_dir(trial.trial_id))
    state.write(folder / "trial.json", trial.get_state())
