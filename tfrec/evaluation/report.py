"""Models side by side, the simple ones among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tfrec.errors import ConfigError, DataError
from tfrec.evaluation.evaluator import Evaluator
from tfrec.evaluation.protocols import (
    FullRanking,
    Protocol,
    RatingPrediction,
    natural,
)
from tfrec.evaluation.table import Report
from tfrec.models import registry

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

RANKING_COMPANIONS = ("popularity", "item_knn")
RATING_COMPANIONS = ("bias_baseline",)


def report(
    test: Interactions,
    models: Iterable[Recommender | str | tuple[str, Recommender]],
    k: int | tuple[int, ...] = 10,
    protocol: Protocol | None = None,
    epochs: int = 10,
    batch_size: int = 4096,
    refit: bool = False,
) -> Report:
    """Measures models under one protocol and puts them into one table.

    All models stand on the same events: those of training, so histories hold no event
    of validation either; with ``refit`` those of training and validation. Items that a
    user took in validation are seen, and not ranked, in both.

    Args:
        test: The events to predict: the test part of a split.
        models: Trained models, ``(label, trained model)`` pairs, and registry names. A
            name stands for that model with its default configuration, fitted here on
            ``test.train``, as the simple companions in any honest table.
        k: Cutoffs of the default full ranking.
        protocol: What to measure. By default what the first trained model learns: a
            model of labels is measured by RMSE and MAE (``bias_baseline`` then joins
            the table) or, when labels are 0 and 1, by AUC and logloss; any other by a
            full ranking with seen items left out.
        epochs: Epochs for named models; those that count in one pass take one.
        batch_size: Examples in a batch for named models.
        refit: Whether models are fitted on training and validation, named ones here,
            and trained ones before: ``model.fit(test.past.batches(model, n))`` with the
            epochs that validation has chosen.

    Returns:
        The report: print it, or write it with ``to_json`` and ``to_csv``.

    Raises:
        ValueError: No model, an unknown name (the near match is given), a cutoff larger
            than the catalogue, or ``test`` is no part of a split.

    Example:
        >>> print(report(test, [model, "popularity", "item_knn"], k=(10, 50)))
    """
    entries = list(models)
    if refit:
        test = test.refitted()
    if not entries:
        raise ConfigError(
            f"no models to report: name some, such as {', '.join(RANKING_COMPANIONS)}."
        )
    for entry in entries:
        if isinstance(entry, str):
            registry.get(entry)
    if protocol is None:
        protocol = _default_protocol(entries, test, k)
        if isinstance(protocol, RatingPrediction):
            entries += [name for name in RATING_COMPANIONS if name not in entries]
    evaluator = Evaluator(test, protocol)
    results = []
    labels: dict[str, int] = {}
    for entry in entries:
        label, model = _resolve(entry, test, epochs, batch_size)
        labels[label] = labels.get(label, 0) + 1
        if labels[label] > 1:
            label = f"{label} ({labels[label]})"
        results.append(evaluator.evaluate(model, label))
    return Report(tuple(results))


def fitted(
    name: str, train: Interactions, epochs: int = 10, batch_size: int = 4096
) -> Recommender:
    """A model of the registry with its default configuration, fitted.

    Args:
        name: Registry name.
        train: What it learns from.
        epochs: Epochs; one for a model that counts in one pass.
        batch_size: Examples in a batch.

    Raises:
        ValueError: Unknown name; the near match is given.
    """
    model = registry.get(name)(train.spec)
    model.compile()
    passes = 1 if getattr(model, "one_pass", False) else epochs
    model.fit(train.batches(model, batch_size), epochs=passes, verbose=0)
    return model


def _default_protocol(
    entries: list[Any], test: Interactions, k: int | tuple[int, ...]
) -> Protocol:
    for entry in entries:
        if not isinstance(entry, str):
            model = entry[1] if isinstance(entry, tuple) else entry
            protocol = natural(model, test)
            return FullRanking(k) if isinstance(protocol, FullRanking) else protocol
    return FullRanking(k)


def _resolve(
    entry: Any, test: Interactions, epochs: int, batch_size: int
) -> tuple[str, Recommender]:
    if isinstance(entry, tuple):
        return entry
    if not isinstance(entry, str):
        return registry.name_of(type(entry)), entry
    if test.train is None:
        raise DataError(
            f"{test.name} does not say what '{entry}' may learn from: report on the "
            "test part of data.split(...), or pass a trained model."
        )
    return entry, fitted(entry, test.train, epochs, batch_size)
