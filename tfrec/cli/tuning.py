"""What ``tfrec tune`` does once TensorFlow is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfrec.cli import output, progress, training
from tfrec.cli.run import MODEL, TITLES, Run, write_titles
from tfrec.cli.source import Source
from tfrec.data.fingerprint import fingerprint
from tfrec.evaluation import plots
from tfrec.tuning import Tuner

BEST, PLOT = "best", "trials.png"


def tune(
    name: str, settings: dict[str, Any], changes: dict[str, Any], folder: Path
) -> dict[str, Any] | None:
    """Searches, and writes the winner as a run.

    Args:
        name: Registry name.
        settings: All flags by name.
        changes: Of the search ranges.
        folder: Where the search stands.

    Returns:
        ``objective``, ``trials`` (best first) and the winner's ``metrics``; None in a
        worker of a search whose chief is another process.

    Raises:
        ValueError: Whatever data, ranges or folder refuse.
    """
    source = Source.take(settings)
    parts = source.parts()
    tuner = Tuner(
        name,
        parts[0],
        parts[1],
        folder,
        algorithm=settings["algorithm"],
        trials=settings["trials"],
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        patience=settings["patience"],
        objective=settings["objective"],
        space=changes,
        seed=settings["seed"],
    )
    if tuner.resumed:
        output.note(
            f"going on with the search in {folder} after {len(tuner.finished())} "
            f"trials of {settings['trials']}."
        )
    try:
        with _Shown(tuner) as shown:
            trials = tuner.search(shown.update)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "the same command goes on after the trials that have ended."
        ) from None
    if tuner.is_worker:
        return None
    plots.trials(trials, tuner.objective, folder / PLOT)
    metrics = _write_best(tuner, name, settings, source, parts)
    return {"objective": tuner.objective, "trials": trials, "metrics": metrics}


def _write_best(
    tuner: Tuner,
    name: str,
    settings: dict[str, Any],
    source: Source,
    parts: tuple[Any, ...],
) -> dict[str, Any]:
    clock = progress.Stopwatch()
    model = tuner.best_model(settings["further_epochs"])
    best = tuner.finished()[0]
    epochs = (best["epoch"], settings["epochs"] + settings["further_epochs"])
    seconds = (best["seconds"] or 0) + clock()
    metrics = training.results(name, model, parts, tuner.protocol, epochs, seconds)
    data = str(Path(source.data).resolve()) if source.is_file else source.data
    own = ("algorithm", "trials", "objective", "further_epochs")
    train = {k: v for k, v in settings.items() if k not in own and v not in (None, ())}
    run = Run(tuner.folder / BEST)
    run.begin(
        {"model": name, **train, "data": data, **model.config.to_dict()},
        fingerprint(*parts),
        overwrite=True,
    )
    model.save(run.unfinished / MODEL)
    write_titles(run.unfinished / TITLES, parts[1])
    run.finish(metrics)
    return metrics


class _Shown:
    """A bar over the trials with the best score, or a line for each."""

    def __init__(self, tuner: Tuner) -> None:
        self.tuner = tuner
        self.bar = progress.bar()
        self.told = len(tuner.finished())

    def __enter__(self) -> _Shown:
        self.bar.start()
        self.task = self.bar.add_task("first trial", total=self.tuner.trials)
        self.bar.update(self.task, completed=self.told)
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.stop()

    def update(self, trials: list[dict[str, Any]]) -> None:
        """After every trial."""
        if len(trials) == self.told:
            return
        self.told = len(trials)
        (latest,) = (t for t in trials if t["trial"] == max(r["trial"] for r in trials))
        best = f"best {self.tuner.objective} {_number(trials[0]['score'])}"
        self.bar.update(self.task, completed=self.told, description=best)
        self.bar.console.print(
            f"trial {latest['trial']}/{self.tuner.trials}  "
            f"{self.tuner.objective} {_number(latest['score'])}  "
            f"{_words(latest['values'])}  {latest['seconds']:.1f} s; {best}"
        )


def _number(score: float | None) -> str:
    return "failed" if score is None else f"{score:.4f}"


def _words(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def show(found: dict[str, Any], folder: Path) -> None:
    """Prints the trials, best first, and the winner's numbers."""
    columns = ("trial", found["objective"], "epoch", "s", "hyper-parameters")
    rows = [
        [
            trial["trial"],
            _number(trial["score"]),
            trial["epoch"] or "-",
            "-" if trial["seconds"] is None else f"{trial['seconds']:.1f}",
            _words(trial["values"]),
        ]
        for trial in found["trials"]
    ]
    output.console().print(output.table(None, columns, rows, columns[:4]))
    training.show(found["metrics"], folder / BEST)
