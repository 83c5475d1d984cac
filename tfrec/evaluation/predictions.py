"""Labels of single events: ratings and clicks."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tfrec import metrics
from tfrec.data.pipeline import YES_NO
from tfrec.errors import DataError
from tfrec.evaluation.pairs import Scorer, event_features
from tfrec.evaluation.protocols import BinaryClassification, RatingPrediction
from tfrec.evaluation.result import Result, mean_and_error

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


def ratings(
    name: str, data: Interactions, protocol: RatingPrediction, scorer: Scorer
) -> Result:
    """RMSE and MAE over all events.

    The standard error of the RMSE is that of the mean squared error, carried through
    the root.

    Raises:
        ValueError: No label, no event, or predictions that are not finite.
    """
    predicted, labels = _predict(data, scorer), data.label
    if protocol.clip is not None:
        predicted = np.clip(predicted, *protocol.clip)
    rmse, mae = metrics.rmse(labels, predicted), metrics.mae(labels, predicted)
    errors = np.abs(labels.astype(float) - predicted)
    _, squared_error = mean_and_error(errors**2)
    _, absolute_error = mean_and_error(errors)
    root_error = squared_error / (2 * rmse) if rmse else 0.0
    return _result(
        name,
        data,
        protocol,
        {"rmse": (rmse, root_error), "mae": (mae, absolute_error)},
        {"squared_error": errors**2, "absolute_error": errors},
    )


def binary(
    name: str, data: Interactions, protocol: BinaryClassification, scorer: Scorer
) -> Result:
    """AUC, GAUC by user (when a user has both classes) and logloss, over all events.

    Raises:
        ValueError: No label, only one class, labels of more than yes and no without a
            rule, or logits that are not finite.
    """
    labels, ruled = data.label, (data.spec.min_label, protocol.min_label)
    if ruled == (None, None) and not np.isin(labels, YES_NO).all():
        raise DataError(
            f"{data.name} has labels from {labels.min():g} to {labels.max():g}: set "
            "min_label to say which are positive."
        )
    labels = protocol.positive(data).astype(np.float32)
    logits = _predict(data, scorer)
    losses = metrics.log_losses(labels, logits, from_logits=True)
    values = {
        "auc": metrics.auc_with_error(labels, logits),
        "logloss": mean_and_error(losses),
    }
    positives = np.bincount(data.person, weights=labels)
    if np.any((positives > 0) & (positives < np.bincount(data.person))):
        each, weights = metrics.group_auc(labels, logits, data.person)
        mean = float(np.average(each, weights=weights))
        spread = np.sqrt(np.sum((weights * (each - mean)) ** 2)) / weights.sum()
        values["gauc"] = (mean, float(spread) if len(each) > 1 else math.nan)
    return _result(name, data, protocol, values, {"logloss": losses})


def _predict(data: Interactions, scorer: Scorer) -> np.ndarray:
    if not len(data):
        raise DataError(f"{data.name} has no events to measure: split it otherwise.")
    return scorer(len(data), partial(event_features, scorer.model, data))


def _result(
    name: str,
    data: Interactions,
    protocol: RatingPrediction | BinaryClassification,
    values: dict[str, tuple[float, float]],
    per_event: dict[str, np.ndarray],
) -> Result:
    return Result(
        model=name,
        data=data.name,
        protocol=protocol.caption(data),
        sampled=protocol.sampled,
        metrics={metric: value for metric, (value, _) in values.items()},
        standard_error={metric: error for metric, (_, error) in values.items()},
        users=len(np.unique(data.person)),
        events=len(data),
        user=data.person,
        per_user=per_event,
    )
