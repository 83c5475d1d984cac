"""What ``tfrec train`` does once TensorFlow is there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec.cli import callbacks, output, progress
from tfrec.cli.epochs import HISTORY, Epochs, write_rows
from tfrec.cli.run import CURVE, EPOCHS, MODEL, TITLES, Run, write_titles
from tfrec.cli.source import Source
from tfrec.data.fingerprint import fingerprint
from tfrec.evaluation import Evaluator, RankingCallback, Result, protocols
from tfrec.evaluation.callback import monitored
from tfrec.models import registry

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

K = 10


def train(
    name: str, settings: dict[str, Any], folder: Path, overwrite: bool
) -> dict[str, Any]:
    """Trains a model and writes its run.

    Args:
        name: Registry name.
        settings: All flags by name, resolved.
        folder: Where the run shall stand.
        overwrite: Whether a run that is there may be replaced.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        ValueError: Whatever data, model or folder refuse.
    """
    source = Source.take(settings)
    if source.is_file:
        settings = {**settings, "data": str(Path(source.data).resolve())}
    parts = source.parts()
    model = _model(name, settings, parts[0])
    run = Run(folder)
    resumed = run.begin(settings, fingerprint(*parts), overwrite)
    if resumed:
        done = run.epochs.last
        output.note(
            f"resuming the run in {folder} after epoch {done} of {settings['epochs']}."
        )
    clock = progress.Stopwatch()
    try:
        best, epochs = fit(model, parts, settings, run.unfinished)
    except Exception:
        run.discard()
        raise
    seconds = clock()
    protocol = protocol_of(model, parts[1])
    metrics = results(name, model, parts, protocol, (best, epochs), seconds)
    model.save(run.unfinished / MODEL)
    write_titles(run.unfinished / TITLES, parts[1])
    run.finish(metrics)
    return metrics


def results(
    name: str,
    model: Recommender,
    parts: tuple[Any, ...],
    protocol: Any,
    epochs: tuple[int, int],
    seconds: float,
) -> dict[str, Any]:
    """What ``metrics.json`` holds.

    Args:
        name: Registry name.
        model: The trained model.
        parts: Training, validation and test events.
        protocol: How it is measured.
        epochs: The epoch that is kept, and the number of epochs.
        seconds: What training took.
    """
    best, count = epochs
    return {
        "model": name,
        "class": type(model).__name__,
        "data": parts[0].name,
        "parameters": model.count_params(),
        "epochs": count,
        "best_epoch": best,
        "seconds": round(seconds, 3),
        "validation": Evaluator(parts[1], protocol).evaluate(model).to_dict(),
        "test": Evaluator(parts[2], protocol).evaluate(model).to_dict(),
    }


def _model(name: str, settings: dict[str, Any], train: Interactions) -> Recommender:
    kind = registry.get(name)
    fields = [field.name for field in dataclasses.fields(kind.Config)]
    return kind(train.spec, **{field: settings[field] for field in fields})


def protocol_of(model: Recommender, data: Interactions, k: int = K) -> Any:
    """The protocol that fits a model, ranked lists no longer than the catalogue."""
    protocol = protocols.natural(model, data)
    if isinstance(protocol, protocols.FullRanking):
        column = model.spec.item_column
        return dataclasses.replace(protocol, k=min(k, column.size - column.first))
    return protocol


def fit(
    model: Recommender,
    parts: tuple[Interactions, ...],
    settings: dict[str, Any],
    folder: Path,
) -> tuple[int, int]:
    """Trains, leaves the weights of the best epoch and draws the learning curve.

    Args:
        model: The model, not compiled.
        parts: Training and validation events first.
        settings: ``epochs``, ``batch_size``, ``seed``, ``validate_every``, and
            ``patience`` if any.
        folder: Where the state of training is kept, and found after an interruption.

    Returns:
        The epoch that is kept, and the number of epochs.
    """
    model.compile()
    protocol = protocol_of(model, parts[1])
    learns = not getattr(model, "one_pass", False)
    monitor, mode = monitored(protocol)
    every = settings["validate_every"]
    watched = monitor if learns and every <= settings["epochs"] else None
    epochs = Epochs(folder / EPOCHS, watched, mode)
    done = epochs.last
    chain, kept = callbacks.training(epochs, settings.get("patience"))
    # Fits the model to the data, where some weights start; the restored ones stay.
    batches = parts[0].batches(model, settings["batch_size"], seed=settings["seed"])
    if done:
        kept.restore(model, done)
    for _ in range(done):
        iter(batches)  # every iteration draws its order and its negatives anew
    try:
        model.fit(
            batches,
            epochs=settings["epochs"] if learns else 1,
            initial_epoch=done,
            callbacks=[RankingCallback(parts[1], protocol, every), *chain],
            verbose=0,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "the same command resumes this run after its last whole epoch."
        ) from None
    finally:
        chain[0].close()
    write_rows(folder / HISTORY, kept.rows)
    _plot(kept.rows, folder)
    best, count = epochs.best(kept.rows), len(kept.rows)
    if best != count:
        kept.restore(model, best)
    return best, count


def _plot(rows: list[dict[str, float]], folder: Path) -> None:
    from tfrec.evaluation import plots

    columns = {name: [row.get(name, float("nan")) for row in rows] for name in rows[-1]}
    plots.learning_curve(columns, folder / CURVE)


def show(metrics: dict[str, Any], folder: Path) -> None:
    """Prints what a run found."""
    validation, test = metrics["validation"], metrics["test"]
    rows = [
        [name, f"{value:.4f}", f"{test['metrics'][name]:.4f}"]
        for name, value in validation["metrics"].items()
        if name in test["metrics"]
    ]
    columns = ("metric", "validation", "test")
    console = output.console()
    console.print(f"{metrics['class']}, {metrics['data']}: {test['protocol']}")
    console.print(output.table(None, columns, rows, columns[1:]))
    for part in columns[1:]:
        console.print(f"{part}: {Result.from_dict(metrics[part]).measured}")
    console.print(
        f"epoch {metrics['best_epoch']} of {metrics['epochs']} kept, "
        f"{metrics['parameters']:,} weights, {metrics['seconds']:.1f} s; {folder}/"
    )
