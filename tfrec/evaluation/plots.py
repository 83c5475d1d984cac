"""Pictures of training and of results, as PNG."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrec.errors import ConfigError
from tfrec.evaluation.table import LOWER_IS_BETTER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tfrec import keras
    from tfrec.evaluation.result import Result

Series = Mapping[str, Sequence[float]]
SIZE, DPI = (7.0, 4.2), 150  # inches; dots per inch
# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def learning_curve(
    history: keras.callbacks.History | Series, path: str | Path, every: int = 1
) -> Path:
    """Draws the loss, and what was measured on validation data, by epoch.

    Losses stand in the upper panel, other metrics in the lower one.

    Args:
        history: What ``fit`` returned, or values of each epoch by name; NaN where
            nothing was measured.
        path: PNG file to write; written beside and renamed.
        every: Epochs between the values of a metric that has fewer values than there
            are epochs.

    Returns:
        The path.

    Raises:
        ConfigError: Nothing to draw, or a number of values that fits no epochs.
    """
    series = history if isinstance(history, Mapping) else history.history
    epochs = max((len(values) for values in series.values()), default=0)
    if not epochs:
        raise ConfigError("the history holds no epoch, so there is no curve to draw.")
    points = {
        name: _places(name, values, epochs, every) for name, values in series.items()
    }
    losses = {name: p for name, p in points.items() if "loss" in name}
    others = {name: p for name, p in points.items() if name not in losses}
    panels = [("loss, mean of the epoch", losses), ("validation metric", others)]
    panels = [(label, panel) for label, panel in panels if panel]

    figure = _figure(len(panels))
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for place, (label, panel) in zip(axes, panels, strict=True):
        for number, (name, (x, y)) in enumerate(panel.items()):
            _line(place, number, x, y, name, marked=len(x) <= 30)
        place.set_ylabel(label)
        _finish(place)
    figure.align_ylabels(axes)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    axes[-1].set_xlim(0.5, epochs + 0.5)
    return _save(figure, path)


def recall_over_k(
    results: Sequence[Result], path: str | Path, metric: str = "recall"
) -> Path:
    """Draws a ranking metric over the cutoff, one line for each model.

    The band around a line is one standard error to each side.

    Args:
        results: Results of one protocol with several cutoffs, such as
            ``FullRanking(k=(1, 5, 10, 20, 50, 100))``.
        path: PNG file to write; written beside and renamed.
        metric: ``recall``, ``ndcg`` or any other with cutoffs.

    Returns:
        The path.

    Raises:
        ConfigError: No results, fewer than two cutoffs, or different protocols.
    """
    if not results:
        raise ConfigError("there are no results to draw.")
    if len({(result.protocol, result.data) for result in results}) > 1:
        raise ConfigError(
            "the results are of different data or protocols, so their lines cannot be "
            "compared: draw them apart."
        )
    figure = _figure(1)
    place = figure.subplots()
    cutoffs: list[int] = []
    for number, result in enumerate(results):
        names = [n for n in result.metrics if n.partition("@")[0] == metric]
        cutoffs = [int(name.partition("@")[2] or 0) for name in names]
        if len(cutoffs) < 2:
            raise ConfigError(
                f"{result.model} has {len(cutoffs)} cutoffs of {metric}, and a line "
                "needs two: evaluate with FullRanking(k=(1, 5, 10, 20, 50))."
            )
        values = np.array([result.metrics[name] for name in names])
        errors = np.nan_to_num([result.standard_error[name] for name in names])
        _line(place, number, cutoffs, values, result.model, marked=True)
        low, high = values - errors, values + errors
        colour = COLOURS[number % len(COLOURS)]
        place.fill_between(cutoffs, low, high, color=colour, alpha=0.15, linewidth=0)
    place.set_xscale("log")
    place.set_xticks(cutoffs, [str(k) for k in cutoffs])
    place.minorticks_off()
    place.set_ylim(bottom=0)
    place.set_xlabel("k, items recommended")
    place.set_ylabel(f"{metric}@k, mean over users")
    place.set_title(
        f"{results[0].data}\n{results[0].protocol}; bands: one standard error",
        fontsize="small",
        loc="left",
    )
    _finish(place)
    return _save(figure, path)


def attention(
    weights: Sequence[float],
    titles: Sequence[str],
    candidate: str,
    path: str | Path,
) -> Path:
    """Draws what a model attends to in one history, beside the candidate.

    Args:
        weights: ``(length,)`` of the entries, oldest first, such as a row of
            ``DIN.attention``; below 0 where an entry speaks against the candidate.
        titles: What each entry is called; no title is padding, and left out.
        candidate: What the candidate is called.
        path: PNG file to write; written beside and renamed.

    Returns:
        The path.

    Raises:
        ConfigError: A number of titles that is not that of the weights, or no entry.
    """
    if len(weights) != len(titles):
        raise ConfigError(
            f"there are {len(titles)} titles for {len(weights)} weights: give one "
            "title for each entry, and '' for padding."
        )
    shown = [(t, float(w)) for t, w in zip(titles, weights, strict=True) if t]
    if not shown:
        raise ConfigError("the history holds no entry, so there is nothing to draw.")
    names, values = zip(*shown, strict=True)
    figure = _figure(1)
    figure.set_figheight(max(2.0, 1.2 + 0.28 * len(shown)))
    place = figure.subplots()
    rows = np.arange(len(shown))
    colours = [COLOURS[0] if value >= 0 else COLOURS[1] for value in values]
    place.barh(rows, values, color=colours, height=0.7)
    place.axvline(0, color="black", linewidth=0.8)
    place.set_yticks(rows, names)
    place.set_ylabel("history")
    place.set_xlabel("attention weight")
    place.set_title(
        f"candidate: {candidate}\nhistory from oldest (bottom) to latest (top)",
        fontsize="small",
        loc="left",
    )
    _axes(place)
    return _save(figure, path)


def trials(rows: Sequence[Mapping[str, Any]], objective: str, path: str | Path) -> Path:
    """Draws the score of every trial of a search, and the best so far.

    Args:
        rows: ``trial`` (from 1) and ``score`` of each, None where it failed, such as
            ``Tuner.finished()``.
        objective: Name of the score.
        path: PNG file to write; written beside and renamed.

    Returns:
        The path.

    Raises:
        ConfigError: No trial has a score.
    """
    ordered = sorted(rows, key=lambda row: row["trial"])
    scored = [row for row in ordered if row["score"] is not None]
    if not scored:
        raise ConfigError("no trial has a score, so there is nothing to draw.")
    x = np.array([row["trial"] for row in scored])
    y = np.array([row["score"] for row in scored])
    lower = objective.removeprefix("val_").partition("@")[0] in LOWER_IS_BETTER
    best = (np.minimum if lower else np.maximum).accumulate(y)
    figure = _figure(1)
    place: Any = figure.subplots()
    place.plot(x, y, "o", color=COLOURS[0], markersize=5, label="trial")
    place.step(x, best, where="post", color=COLOURS[1], label="best so far")
    place.set_xlabel("trial")
    place.set_ylabel(f"{objective}, {'lower' if lower else 'higher'} is better")
    place.xaxis.get_major_locator().set_params(integer=True)
    _finish(place)
    return _save(figure, path)


def _places(
    name: str, values: Sequence[float], epochs: int, every: int
) -> tuple[np.ndarray, np.ndarray]:
    """Epochs from 1 and values, those that are not numbers left out."""
    step = 1 if len(values) == epochs else every
    if len(values) != epochs // step:
        raise ConfigError(
            f"{name} has {len(values)} values for {epochs} epochs: pass the number of "
            "epochs between them as every=..."
        )
    x, y = step * np.arange(1, len(values) + 1), np.asarray(values, float)
    return x[np.isfinite(y)], y[np.isfinite(y)]


def _figure(panels: int) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = SIZE[1] * (1 if panels == 1 else 1.5)
    figure = Figure(figsize=(SIZE[0], height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _line(place: Axes, number: int, x: Any, y: Any, label: str, marked: bool) -> None:
    place.plot(
        x,
        y,
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)] if marked else None,
        markersize=4,
        linewidth=1.6,
        label=label,
    )


def _finish(place: Axes) -> None:
    _axes(place)
    place.legend(frameon=False, fontsize="small", loc="best")


def _axes(place: Axes) -> None:
    place.grid(True, color="#dddddd", linewidth=0.6)
    place.set_axisbelow(True)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


def _save(figure: Figure, path: str | Path) -> Path:
    path = Path(path)
    beside = path.with_name(path.name + ".writing")
    try:
        figure.savefig(beside, format="png")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path
