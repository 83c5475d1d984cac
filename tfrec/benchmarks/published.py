"""Published numbers, reproduced: the engine of ``tfrec bench published``."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from tfrec.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from tfrec.benchmarks.task import Task

TOLERANCE = 0.01
BEGIN, END = "<!-- published:begin -->", "<!-- published:end -->"
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Target:
    """One line of the table.

    Attributes:
        row: Group that is run and shown together.
        title: What the line is called.
        task: Data, split and protocol; a function of :mod:`tfrec.benchmarks.tasks`.
        model: Registry name.
        source: Where the numbers are published.
        published: Metric to published value; empty for a companion without one.
        deviation: Metric to published standard deviation, where there is one.
        config: Hyper-parameters that differ from the defaults.
        batch_size: Examples in a batch.
        epochs: Epochs; the last one counts, none is picked by its test number.
        every_epoch: Whether to measure after each epoch too, and to add the numbers of
            the one whose first metric is best on the test events, as ``best ...``:
            what authors report whose code prints its best epoch.
        curve: Epochs between the points of a curve of the metrics on the test events,
            which is shown and chooses nothing; 0 for none.
        patience: Epochs without a better first metric on the validation events after
            which training stops; each such epoch is undone and the learning rate
            divided by ten. None to train on.
        cooling: Last epochs, which have a tenth of the learning rate.
    """

    row: str
    title: str
    task: str
    model: str
    source: str
    published: dict[str, float] = field(default_factory=dict)
    deviation: dict[str, float] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 1024
    epochs: int = 1
    every_epoch: bool = False
    curve: int = 0
    patience: int | None = None
    cooling: int = 0

    @property
    def names(self) -> tuple[str, str, str]:
        """What selects the line: its group, its model, and its own name."""
        return (self.row, self.model, self.key)

    @property
    def key(self) -> str:
        """Name of the line among all results."""
        return f"{self.row}: {self.title}"


def targets() -> list[Target]:
    """All lines, in table order."""
    text = resources.files("tfrec.benchmarks").joinpath("targets.yaml").read_text()
    return [Target(**entry) for entry in yaml.safe_load(text)]


def names() -> list[str]:
    """What ``only`` takes: groups, models for all their lines, and single lines."""
    return sorted({name for target in targets() for name in target.names})


def passes(target: Target, metric: str, mean: float) -> bool:
    """Whether a mean is within the published spread, or 1 % without one, or better."""
    from tfrec.evaluation.table import LOWER_IS_BETTER

    value = target.published[metric]
    slack = target.deviation.get(metric, TOLERANCE * value)
    if metric in LOWER_IS_BETTER:
        return mean <= value + slack
    return mean >= value - slack


def run(
    only: Iterable[str] | None = None,
    seeds: int = 3,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    say: Callable[[str], None] = print,
) -> Rows:
    """Measures lines of the table, one result for each, over several seeds.

    Args:
        only: Groups, models or lines to run; all when None.
        seeds: Runs of each model that has any randomness.
        data_dir: Folder of the data; see :func:`tfrec.datasets.load`.
        out: JSON file to merge each result into as soon as it is measured.
        say: Where progress goes.

    Returns:
        Results, JSON-able.

    Raises:
        ValueError: An unknown name, or data that are not there.
    """
    wanted = list(only) if only else names()
    for name in wanted:
        if name not in names():
            raise ConfigError(
                f"no published row '{name}'; {did_you_mean(name, names())}"
            )
    results = []
    for target in targets():
        if set(target.names) & set(wanted):
            result = measure(target, seeds, data_dir, say)
            results.append(result)
            if out is not None:
                merge(Path(out), result)
    return results


def measure(
    target: Target,
    seeds: int,
    data_dir: str | Path | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Trains and evaluates one line, once for each seed."""
    from tfrec.benchmarks.tasks import task
    from tfrec.evaluation import Evaluator

    bench = task(target.task, data_dir)
    evaluator = Evaluator(bench.test, bench.protocol)
    scores: list[dict[str, float]] = []
    seconds: list[float] = []
    curves: list[Rows] = []
    for seed in range(seeds):
        model = _kind(target.model)(bench.spec, seed=seed, **target.config)
        model.compile()
        start = time.perf_counter()
        batches = bench.train.batches(model, target.batch_size, seed=seed)
        watching, each = _callbacks(target, bench)
        model.fit(batches, epochs=target.epochs, callbacks=watching, verbose=0)
        seconds.append(time.perf_counter() - start)
        found = evaluator.evaluate(model).metrics
        scores.append({metric: found[metric] for metric in bench.metrics})
        scores[-1] |= _exactly(model, bench)
        if each is not None and target.curve:
            curves.append([_point(n, r, bench.metrics) for n, r in each.results])
        if each is not None and target.every_epoch:
            best = max((r for _, r in each.results), key=lambda r: r[bench.metrics[0]])
            scores[-1] |= {f"best {metric}": best[metric] for metric in bench.metrics}
        shown = ", ".join(f"{m} {value:.4f}" for m, value in scores[-1].items())
        say(f"{target.key}, seed {seed}: {shown} ({seconds[-1]:.0f} s)")
        if getattr(model, "one_pass", False):
            break
    measured = {
        metric: {
            "mean": float(np.mean([s[metric] for s in scores])),
            "std": float(np.std([s[metric] for s in scores])),
        }
        for metric in scores[0]
    }
    return {
        "key": target.key,
        "row": target.row,
        "title": target.title,
        "model": target.model,
        "config": target.config,
        "batch_size": target.batch_size,
        "epochs": target.epochs,
        "data": bench.title,
        "protocol": bench.protocol.describe(),
        "source": target.source,
        "published": target.published,
        "measured": measured,
        "passes": {
            metric: passes(target, metric, measured[metric]["mean"])
            for metric in target.published
        },
        **({"curve": _mean_of(curves)} if curves else {}),
        "seeds": len(scores),
        "seconds": round(float(np.mean(seconds)), 1),
        "command": f"tfrec bench published --only {target.row} --seeds {seeds}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }


def _point(epoch: int, result: Any, metrics: tuple[str, ...]) -> dict[str, Any]:
    """A point of a curve."""
    return {"epoch": epoch, **{metric: result[metric] for metric in metrics}}


def _mean_of(curves: list[Rows]) -> Rows:
    """The curve of all seeds; they have points at the same epochs."""
    return [
        {name: float(np.mean([point[name] for point in points])) for name in points[0]}
        | {"epoch": points[0]["epoch"]}
        for points in zip(*curves, strict=True)
    ]


def curves(rows: Rows) -> list[str]:
    """The curves there are, of the first metric of each line, in words."""
    lines = []
    for row in rows:
        metric = next(iter(row["measured"]))
        points = [f"{p[metric]:.4f} ({p['epoch']})" for p in row.get("curve", [])]
        if points:
            lines.append(
                f"{row['title']}, {metric} (after epochs): {', '.join(points)}"
            )
    return lines


def _kind(name: str) -> Any:
    """A model of the registry, or a companion that is none."""
    from tfrec.benchmarks.content_knn import ContentKNN
    from tfrec.benchmarks.recent_popularity import RecentPopularity
    from tfrec.models import registry

    companions = {"content_knn": ContentKNN, "recent_popularity": RecentPopularity}
    return companions[name] if name in companions else registry.get(name)


def _exactly(model: Any, bench: Task) -> dict[str, float]:
    """Of a model that searches: metrics without a search, and what the search finds."""
    from tfrec.evaluation import Evaluator, FullRanking
    from tfrec.evaluation.full import search_recall

    if not model.searches or not isinstance(bench.protocol, FullRanking):
        return {}
    protocol = replace(bench.protocol, exact=True)
    exact = Evaluator(bench.test, protocol).evaluate(model).metrics
    shares = search_recall(model, bench.test, protocol)
    return {
        **{f"exact {metric}": exact[metric] for metric in bench.metrics},
        **{f"of exact top {k}": share for k, share in shares.items()},
    }


def _callbacks(target: Target, bench: Task) -> tuple[list[Any], Any]:
    """What watches the training of a line, and what measures epochs, if any."""
    from tfrec.benchmarks.plateau import BackToBest, cooled
    from tfrec.evaluation import RankingCallback
    from tfrec.evaluation.table import LOWER_IS_BETTER

    watching: list[Any] = []
    each = None
    if target.cooling:
        watching.append(cooled(target.epochs - target.cooling))
    every = 1 if target.every_epoch else target.curve
    if every:
        each = RankingCallback(bench.test, bench.protocol, every)
        watching.append(each)
    if target.patience is not None:
        if bench.valid is None:
            raise ConfigError(f"{target.key}: patience needs validation events.")
        first = bench.metrics[0]
        watching += [
            RankingCallback(bench.valid, bench.protocol, metrics=bench.names),
            BackToBest(f"val_{first}", target.patience, first in LOWER_IS_BETTER),
        ]
    return watching, each


def merge(path: Path, result: dict[str, Any]) -> None:
    """Puts a result into a JSON file in the place of an older one of the same line."""
    kept = read(path) if path.exists() else []
    order = [target.key for target in targets()]
    rows = [row for row in kept if row["key"] != result["key"] and row["key"] in order]
    rows = sorted([*rows, result], key=lambda row: order.index(row["key"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".writing")
    beside.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, path)


def read(path: Path) -> Rows:
    """Results of a JSON file.

    Raises:
        DataError: The file is not one that ``run`` wrote.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        for row in rows:
            row["key"], row["measured"], row["seeds"]
    except (OSError, json.JSONDecodeError, TypeError, KeyError) as why:
        raise DataError(
            f"'{path}' holds no published-number results: give a file that "
            "`tfrec bench published --out` wrote."
        ) from why
    return rows


def headlines() -> dict[str, str]:
    """By model what its first line came to, of the results that lie beside the code."""
    path = Path(__file__).with_name("results.json")
    found: dict[str, str] = {}
    for row in read(path) if path.is_file() else []:
        metric, value = next(iter(row["measured"].items()))
        text = f"{metric} {value['mean']:.4f}, {row['data']}"
        found.setdefault(row["model"], text)
    return found


def markdown(rows: Rows) -> str:
    """The results as a Markdown table, one group under another."""
    head = (
        "| model | data, protocol | metric | published | measured | seeds | s/run |\n"
        "|---|---|---|---|---|---|---|"
    )
    lines = [head]
    for row in rows:
        cells = ["", "", ""]
        for metric, value in row["measured"].items():
            published = row["published"].get(metric)
            mark = "" if published is None or row["passes"][metric] else " (below)"
            cells[0] += f"{metric}<br>"
            cells[1] += f"{published:.4f}<br>" if published is not None else "-<br>"
            spread = f" ± {value['std']:.4f}" if row["seeds"] > 1 else ""
            cells[2] += f"{value['mean']:.4f}{spread}{mark}<br>"
        metric, published, measured = (cell.removesuffix("<br>") for cell in cells)
        lines.append(
            f"| {row['title']} | {row['data']}; {row['protocol']} | {metric} | "
            f"{published} | {measured} | {row['seeds']} | {row['seconds']:.0f} |"
        )
    commands = sorted({row["command"] for row in rows})
    below = [*curves(rows), *(f"`{command}`" for command in commands)]
    return "\n".join([*lines, "", *(f"{line}  " for line in below)])


def write_between_markers(path: Path, rows: Rows) -> None:
    """Replaces the table between the markers of a Markdown file.

    Raises:
        DataError: The file has no markers.
    """
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise DataError(f"'{path}' has no lines {BEGIN} and {END} to write between.")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    beside = path.with_suffix(".writing")
    beside.write_text(f"{before}{BEGIN}\n{markdown(rows)}\n{END}{after}", "utf-8")
    os.replace(beside, path)
