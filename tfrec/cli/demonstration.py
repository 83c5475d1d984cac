"""The steps of ``tfrec demo``; importing this loads TensorFlow."""

from __future__ import annotations

import resource
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrec import datasets, serving
from tfrec.cli import output, progress, quiet
from tfrec.cli.training import fit
from tfrec.data.timeline import SECOND
from tfrec.evaluation import plots, report
from tfrec.evaluation.report import fitted
from tfrec.models import registry

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

MODELS: dict[str, dict[str, Any]] = {
    "two_tower": {"dim": 32, "learning_rate": 0.05},
    "neumf": {"dim": 8},
}
KIND = {"two_tower": "retrieval", "neumf": "ranking"}
COMPANIONS = ("popularity", "item_knn")
CUTOFFS = (1, 2, 5, 10, 20, 50, 100)
COLUMNS = ("user_id", "movie_id", "history", "genres")
BATCH_SIZE, K, SHOWN, HISTORY = 2048, 10, 10, 20


def run(out: Path, split: str, epochs: int, data_dir: str | None) -> None:
    """Loads, trains, compares, exports and asks the export.

    Args:
        out: Where the exported models and the picture go.
        split: How events are held out.
        epochs: The most epochs of a model.
        data_dir: Where prepared data go; the default when None.
    """
    clock = progress.Stopwatch()
    console = output.console()

    console.rule("1  Data", align="left")
    with quiet.data_sets():
        data = datasets.load("movielens", data_dir=data_dir)
    train, valid, test = data.split(split)
    first = _date(_times(test).min())
    console.print(
        f"{data}\n{split} split: {len(train):,} events to train on, {len(valid):,} to "
        f"validate on, {len(test):,} to predict, the first of {first}"
    )

    models = {}
    for name in MODELS:
        title = registry.entries()[name].class_name
        console.rule(f"2  Train {title}, {KIND[name]}", align="left")
        models[name] = _fit(name, train, valid, epochs)

    console.rule("3  Compare", align="left")
    with progress.waiting(f"fitting {' and '.join(COMPANIONS)}"):
        beside = {name: fitted(name, train) for name in COMPANIONS}
        entries = list({**models, **beside}.items())
        table = report(test, entries, k=K)
        curves = report(test, entries, k=CUTOFFS)
    console.print(table)
    out.mkdir(parents=True, exist_ok=True)
    picture = plots.recall_over_k(curves.results, out / "recall.png")
    console.print(f"recall over k: {picture}")

    console.rule("4  Export", align="left")
    versions = {}
    for result in table.results[: len(models)]:
        metrics = {result.data: result.metrics}
        versions[result.model] = models[result.model].export(
            out / result.model, metrics
        )
        console.print(f"{result.model}: {versions[result.model]}")

    console.rule("5  Serve, from a new process without tfrec", align="left")
    _serve(models["two_tower"], versions["two_tower"], test)
    console.print(
        f"done in {clock():.0f} s, peak memory {peak_memory() / 2**30:.2f} GiB"
    )


def _fit(
    name: str, train: Interactions, valid: Interactions, epochs: int
) -> Recommender:
    kind = registry.get(name)
    model = kind(train.spec.select(*COLUMNS), **MODELS[name])
    settings = {
        "epochs": epochs,
        "batch_size": BATCH_SIZE,
        "seed": 0,
        "validate_every": 1,
    }
    with tempfile.TemporaryDirectory() as folder:
        best, _ = fit(model, (train, valid), settings, Path(folder))
    output.console().print(f"epoch {best} is kept")
    return model


def _serve(model: Recommender, version: Path, test: Interactions) -> None:
    """Shows a user's past and asks the export what comes next."""
    assert test.past is not None
    past, spec = test.past, model.spec
    user = busiest(test)
    before = past.take(past.user == user)
    before = before.take(np.argsort(_times(before), kind="stable"))
    after = test.take(test.user == user)

    console = output.console()
    raw_id = spec.decode(spec.user, np.array([user]))[0]
    last = before.take(np.arange(len(before))[-SHOWN:])
    rows = [
        [_date(time), _name(test, item), f"{label:g}"]
        for time, item, label in zip(_times(last), last.item, last.label, strict=True)
    ]
    title = f"User {raw_id}: {len(before)} ratings before the cut, the last {len(last)}"
    history = output.table(title, ("rated", "title", "stars"), rows, ("stars",))
    console.print(history)

    asked = raw_query(model, test.refitted(), user)  # with all before the cut
    seen = spec.decode(spec.item, np.unique(before.item)).tolist()
    with progress.waiting("a new process loads the SavedModel"):
        answer = serving.answer(version, {**asked, "k": K, "exclude": [seen]})
    items = spec.encode(spec.item, answer["item_id"][0])
    later = dict(zip(after.item.tolist(), after.label.tolist(), strict=True))
    ranked = zip(items.tolist(), answer["score"][0], strict=True)
    rows = [
        [
            str(rank),
            _name(test, item),
            f"{score:.3f}",
            f"{later[item]:g} stars" if item in later else "",
        ]
        for rank, (item, score) in enumerate(ranked, 1)
    ]
    heads = ("#", "title", "score", "rated after the cut")
    console.print(output.table("Recommended", heads, rows, ("#", "score")))


def busiest(test: Interactions, history: int = HISTORY) -> int:
    """The user with the most test events among those with a history: index.

    Args:
        test: The test part of a split.
        history: Events before the cut that make a history.
    """
    assert test.past is not None
    size = test.spec.user_column.size
    before = np.bincount(test.past.user, minlength=size)
    after = np.bincount(test.user, minlength=size)
    return int(np.argmax(np.where(before >= history, after, -1)))


def raw_query(model: Recommender, data: Interactions, user: int) -> dict[str, Any]:
    """What a client sends to ask for a user: raw ids by column, padding left out."""
    features = data.queries(np.array([user]), model.query_columns)
    query: dict[str, Any] = {}
    for name in model.query_columns:
        (ids,) = model.spec.decode(name, features[f"{name}/index"])
        query[name] = [ids if isinstance(ids, str) else [i for i in ids if i]]
    return query


def peak_memory() -> int:
    """Most memory this process, or one it started, has held: bytes."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * max(resource.getrusage(one).ru_maxrss for one in who)


def _name(data: Interactions, item: int) -> str:
    return str(item if data.item_names is None else data.item_names[item])


def _times(events: Interactions) -> np.ndarray:
    assert events.timestamp is not None
    return events.timestamp


def _date(time: int) -> str:
    return f"{datetime.fromtimestamp(int(time) // SECOND, timezone.utc):%Y-%m-%d}"
